from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.nvidia.smi.log import MAX_OUTPUT_BYTES, Log
from nodescope.devices.nvidia.smi.records import NO_LISTING, told
from nodescope.devices.nvidia.smi.text import MAX_LINES, Listed, parse_listing, parse_text
from nodescope.host import Malformed
from tests.devices.nvidia.smi import captures as smi_captures

HEAD = """
==============NVSMI LOG==============

Driver Version                            : 418.43
Attached GPUs                             : 2
"""
GPUS = """GPU 00000000:0C:00.0
    Product Name               : One: two
    MIG Mode
        Current                : Enabled
    MIG Device
        Index                  : 0
        FB Memory Usage
            Total              : 4864 MiB
    MIG Device
        Index                  : 2
    Serial Number              :
    Clocks Event Reasons
        HW Slowdown            : Not Active
            HW Thermal Slowdown : Active
        Sync Boost             : Not Active
    Processes
        Process ID             : 10
            Type               : C
            Name               : /a : b
        Process ID             : 11
            Type               : G
    Capabilities
        EGM                    : disabled
GPU 00000001:0D:00.0
    Processes                  : None
WARNING: infoROM is corrupted at gpu 0000:0C:00.0
"""


def parse(text: str) -> Log:
    return parse_text(text.encode(), "nvidia-smi -q")


def test_values_by_path() -> None:
    """Values are known by the headings above them; MIG devices and processes each have their own."""
    log = parse(HEAD + GPUS)
    assert log.values == {"driver version": "418.43", "attached gpus": "2"}
    first, second = log.gpus
    assert first.address == "00000000:0C:00.0"
    assert first.values == {
        "product name": "One: two",
        "mig mode/current": "Enabled",
        "serial number": "",
        "clocks event reasons/hw slowdown": "Not Active",
        "clocks event reasons/hw slowdown/hw thermal slowdown": "Active",
        "clocks event reasons/sync boost": "Not Active",
        "capabilities/egm": "disabled",
    }
    assert first.instances == [{"index": "0", "fb memory usage/total": "4864 MiB"}, {"index": "2"}]
    assert first.processes == [
        {"process id": "10", "process id/type": "C", "process id/name": "/a : b"},
        {"process id": "11", "process id/type": "G"},
    ]
    assert second.values == {"processes": "None"}
    assert second.address == "00000001:0D:00.0"


def test_a_process_cannot_forge_readings() -> None:
    """Lines that a process has in its name change no reading of its GPU, which stand above, nor of another GPU."""
    forged = "GPU 00000000:0C:00.0\n    Product Name : forged\n    Temperature\n        GPU Current Temp : 9 C\n"
    text = HEAD + GPUS.replace("/a : b\n", f"x\n    Product Name : forged\n{forged}")
    log = parse(text)
    assert [gpu.address for gpu in log.gpus] == ["00000000:0C:00.0", "00000001:0D:00.0"]
    assert log.gpus[0].values["product name"] == "One: two"
    assert "temperature/gpu current temp" not in log.gpus[0].values


@pytest.mark.parametrize(
    "text", ["", "No devices were found", "\n" * 40, "NVSMI LOG", f"==NVSMI LOG=={' ' * MAX_OUTPUT_BYTES}",
             "==NVSMI LOG==" + "\n" * (MAX_LINES + 1)],
    ids=["empty", "words", "lines", "no rule", "long", "many lines"],
)  # fmt: skip
def test_malformed(text: str) -> None:
    """What is no log, or too long, is malformed."""
    with pytest.raises(Malformed, match="nvidia-smi -q: expected "):
        parse(text)


def test_listing() -> None:
    """-L gives indices of GPUs, and UUIDs and profiles of MIG devices in the forms of old and new drivers."""
    listing = parse_listing(
        b"GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa)\n"
        b"  MIG 3g.20gb     Device  0: (UUID: MIG-GPU-aa/1/0)\n"
        b"  MIG 1c.3g.20gb  Device  5: (UUID: MIG-77)\n"
        b"Unable to determine the device handle for gpu 0000:08:00.0: Unknown Error\n"
        b"  MIG 9g.90gb     Device  0: (UUID: MIG-nobody)\n"
        b"GPU 2: NVIDIA (special) A100 (UUID: GPU-bb)\n"
    )
    assert listing.indices == {"GPU-aa": 0, "GPU-bb": 2}
    assert listing.instances == {
        ("GPU-aa", 0): Listed("MIG-GPU-aa/1/0", "3g.20gb"),
        ("GPU-aa", 5): Listed("MIG-77", "1c.3g.20gb"),
        ("", 0): Listed("MIG-nobody", "9g.90gb"),
    }


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Whatever is written, it is malformed or a log, and a list of whatever is in it."""
    parse_listing(data)
    told(parse_text(b"==NVSMI LOG==\nGPU 0000:01:00.0\n" + data, "text"), NO_LISTING, 1.0)


@settings(max_examples=60)
@given(st.data())
def test_damaged_captures(shared: Path, data: st.DataObject) -> None:
    """A real capture with some bytes put in another's place is malformed or a log of counts that are not below 0."""
    capture = data.draw(st.sampled_from(smi_captures.captures(shared)))
    damaged = bytearray(capture.query)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    try:
        log = parse_text(bytes(damaged), "text")
    except Malformed:
        return
    for gpu in told(log, parse_listing(capture.listing), 1.0):
        assert all(one.errors >= 0 for one in gpu.report.ecc)
        assert all((one.memory_used_bytes or 0) >= 0 for one in gpu.report.processes)
        assert all((one.memory_total_bytes or 0) >= 0 for one in gpu.report.instances)
