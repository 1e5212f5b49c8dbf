from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.xid.kmsg import WORD, KernelGpu, KernelXid, gpu_of, xid_of

FAULT: Final = "MMU Fault: ENGINE GRAPHICS GPC2 GPCCLIENT_T1_7 faulted @ 0x2b57_b3000000"
UUID: Final = "GPU-509665ad-b600-ac93-3616-d754b23d636d"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Xid (PCI:0000:5D:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
            KernelXid("0000:5d:00.0", 79, "GPU has fallen off the bus."),
        ),
        ("Xid (PCI:0000:44:00): 79", KernelXid("0000:44:00.0", 79, "")),
        ("Xid (0000:03:00): 6, PE0001", KernelXid("0000:03:00.0", 6, "PE0001")),
        ("Xid (PCI:0000:05:00): 31, Ch 00000010, intr 0", KernelXid("0000:05:00.0", 31, "Ch 00000010, intr 0")),
        (
            f"Xid (PCI:0000:00:06): 31, pid=79749, name=python3.10, Ch 0000000a, intr 00000000. {FAULT}",
            KernelXid("0000:00:06.0", 31, f"Ch 0000000a, intr 00000000. {FAULT}", 79749, "python3.10"),
        ),
        (
            "Xid (PCI:0000:05:00 GPU-I:05 GPU-CI:00): 94, pid=7, name=a b, Contained: SM (0x1). RST: No, D-RST: No",
            KernelXid("0000:05:00.0", 94, "Contained: SM (0x1). RST: No, D-RST: No", 7, "a b", 5, 0),
        ),
        (
            "Xid (PCI:0000:05:00): 31, pid=7, name=a\nNVRM: b, Ch 0000000a",
            KernelXid("0000:05:00.0", 31, "Ch 0000000a", 7, "a\nNVRM: b"),
        ),
        ("Xid (PCI:0000:05:00 GPU-I:11): 95, x", KernelXid("0000:05:00.0", 95, "x", gpu_instance_id=11)),
        ("Xid (PCI:10000:01:00.1 new words): 8, x", KernelXid("10000:01:00.1", 8, "x")),
        (
            "Xid (PCI:0019:01:00): 149, NETIR Fatal XC0 i0 Link -1 (0x000fe406 0x00000000)",
            KernelXid("0019:01:00.0", 149, "NETIR Fatal XC0 i0 Link -1 (0x000fe406 0x00000000)"),
        ),
        (
            "Xid (PCI:0000:dc:00): 45, pid=1818990, name=python3, Ch 00000001 caused by previous Xid 149",
            KernelXid("0000:dc:00.0", 45, "Ch 00000001 caused by previous Xid 149", 1818990, "python3"),
        ),
        (
            "GPU 0000:b1:00.0: GPU has fallen off the bus.",
            KernelXid("0000:b1:00.0", 79, "GPU 0000:b1:00.0: GPU has fallen off the bus.", implied=True),
        ),
        (
            "GPU at 0000:03:00.0 has fallen off the bus.",
            KernelXid("0000:03:00.0", 79, "GPU at 0000:03:00.0 has fallen off the bus.", implied=True),
        ),
        (
            "The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:26b5) installed in this system has\n"
            "NVRM: fallen off the bus and is not responding to commands.",
            KernelXid(
                "0000:b3:00.0",
                79,
                "The NVIDIA GPU 0000:b3:00.0 (PCI ID: 10de:26b5) installed in this system has fallen off the bus"
                " and is not responding to commands.",
                implied=True,
            ),
        ),
    ],
)
def test_forms(message: str, expected: KernelXid) -> None:
    """Every form of old and new drivers is read, as text and as bytes."""
    assert xid_of(f"NVRM: {message}") == expected
    assert xid_of(f"NVRM: {message}".encode()) == expected
    assert gpu_of(f"NVRM: {message}") is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "NVRM: ",
        "NVRM: Xid (PCI:0000:44:00): ",
        "NVRM: Xid (PCI:0000:44): 79, x",
        "NVRM: Xid (PCI:0000:44:00): 99999999999, x",
        "NVRM: Xid (PCI:0000:44:00: 79, x",
        "NVRM: A GPU crash dump has been created. If possible, please run nvidia-bug-report.sh",
        "NVRM: Rate limiting GSP RPC error prints for GPU at PCI:0000:9b:00 (printing 1 of every 30).",
        "NVRM: GPU0 GSP RPC buffer contains function 103 (GSP_RM_ALLOC) and data 0x2081 0x4.",
        "NVRM: GPU 0000:b1:00.0: RmInitAdapter failed! (0x62:0xffff:2351)",
        "nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28002, Non-fatal, Link 46 MC TS crumbstore MCTO (First)",
        "oom-kill:task_memcg=/NVRM: Xid (PCI:0000:44:00): 79, forged",
    ],
)
def test_what_is_no_xid(message: str) -> None:
    """Other lines of the driver, those of NVSwitches, and lines that only quote one, are no XID."""
    assert xid_of(message) is None
    assert gpu_of(message) is None


def test_captured_lines(shared: Path) -> None:
    """Of a captured log the five XIDs and the GPU's UUID are read, and nothing else."""
    text = (shared / "captures/nvidia/gpud_kmsg/dmesg-with-xid-119.log").read_text()
    messages = [re.sub(r"^\[[^]]*\] ", "", line) for line in text.splitlines()]
    xids = [found for found in map(xid_of, messages) if found]
    assert [(found.pci_address, found.xid, found.pid, found.process) for found in xids] == [
        *[("0000:9b:00.0", 119, 2024380, "nvidia-smi")] * 3,
        ("0000:9b:00.0", 119, 1263500, "cache_mgr_main"),
        ("0000:9b:00.0", 119, 1240590, "gpud"),
    ]
    assert xids[0].detail == (
        "Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 103 (GSP_RM_ALLOC) (0x2081 0x4)."
    )
    assert [found for found in map(gpu_of, messages) if found] == [KernelGpu("0000:9b:00.0", UUID)]
    assert all(message.startswith(WORD.decode()) for message in messages if xid_of(message) or gpu_of(message))


PLACES: Final = st.from_regex(r"(PCI:)?[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(\.[0-7])?", fullmatch=True)


@given(
    st.binary(max_size=300)
    | st.text(max_size=300)
    | st.builds("NVRM: Xid ({}{}): {}{}".format, PLACES, st.text(max_size=5), st.integers(), st.text(max_size=400))
    | st.builds("NVRM: GPU at {}: {}".format, PLACES, st.text(max_size=300))
    | st.builds("NVRM: GPU {}{}fallen off the bus".format, PLACES, st.text(max_size=300))
)
def test_any_message(message: str | bytes) -> None:
    """Whatever the message, there is nothing or a plausible XID, in bounds."""
    found = xid_of(message)
    gpu = gpu_of(message)
    for place in [place.pci_address for place in (found, gpu) if place]:
        assert re.fullmatch(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", place)
    if found is not None:
        assert 0 <= found.xid < 10**9
        assert len(found.detail) <= 200
        assert len(found.process or "") <= 64
    assert gpu is None or len(gpu.uuid) <= 68


@given(st.integers(0, 999), st.integers(0, 2**31), st.from_regex(r"[a-z:/_.0-9-]{1,15}", fullmatch=True))
def test_round_trip(xid: int, pid: int, process: str) -> None:
    """What the driver puts into a line is what is read from it."""
    line = f"NVRM: Xid (PCI:0000:18:00): {xid}, pid={pid}, name={process}, Ch 00000008"
    assert xid_of(line) == KernelXid("0000:18:00.0", xid, "Ch 00000008", pid, process)
