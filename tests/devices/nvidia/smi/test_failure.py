from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.smi.failure import (
    FAILED,
    NO_DEVICES,
    NO_DRIVER,
    NO_LIBRARY,
    broken_gpus,
    meant_by_status,
    meant_by_words,
)


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest"
            " NVIDIA driver is installed and running.", NO_DRIVER, "modprobe",
        ),
        ("No devices were found", NO_DEVICES, "no GPU"),
        ("Failed to initialize NVML: Driver/library version mismatch", FAILED, "reload the module"),
        ("Failed to initialize NVML: Unknown Error", FAILED, "restart the container"),
        ("Failed to initialize NVML: Insufficient Permissions", FAILED, "run as root"),
        ("Failed to initialize NVML: GPU access blocked by the operating system", FAILED, "cgroup"),
        ("Failed to initialize NVML: Something new", FAILED, "kernel log"),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", NO_LIBRARY, "install"),
    ],
)  # fmt: skip
def test_words(said: str, kind: str, advice: str) -> None:
    """What is said when no GPU is told of has a kind, and a reason that says what to do."""
    meant = meant_by_words(f"\n{said}\n".encode())
    assert meant is not None
    assert meant.kind == kind
    assert advice in str(meant)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(9, NO_DRIVER), (6, NO_DEVICES), (12, NO_LIBRARY), (18, FAILED), (4, FAILED), (17, FAILED), (15, FAILED),
     (255, FAILED), (1, FAILED), (0, FAILED)],
)  # fmt: skip
def test_statuses(status: int, kind: str) -> None:
    """Where nothing known is said the exit status tells the kind; the reason has what was said, printable and short."""
    meant = meant_by_status(status, b"\n  \x1b[31mOh no" + b"!" * 9000)
    assert meant.kind == kind
    assert f"status {status}" in str(meant)
    assert "?[31mOh no" in str(meant)
    assert len(str(meant)) < 500
    assert meant_by_words(b"Oh no") is None


@pytest.mark.parametrize(
    ("said", "address", "state"),
    [
        (" 0000:4C:00.0: GPU is lost.  Reboot the system to recover this GPU", "0000:4c:00.0", "lost"),
        ("0000:41:00.0: GPU is lost.  Reboot the system to recover this GPU", "0000:41:00.0", "lost"),
        (" 0000:08:00.0: Unknown Error", "0000:08:00.0", "failed"),
        ("1: 0000:34:00.0: Unknown Error", "0000:34:00.0", "failed"),
        ("12: 00000009:06:00.0: GPU is lost", "0009:06:00.0", "lost"),
        ("00000009:06:00.0: GPU requires reset", "0009:06:00.0", "reset_required"),
        (" 0000:01:00.0: Insufficient Permissions", "0000:01:00.0", "denied"),
    ],
)
@pytest.mark.parametrize("word", ["GPU", "gpu"])
def test_gpus_that_cannot_be_opened(word: str, said: str, address: str, state: str) -> None:
    """Each is known by its PCI address as the kernel writes it, with a state and a reason."""
    broken = broken_gpus(f"Some\nUnable to determine the device handle for {word}{said}\nMore".encode())
    assert [(found, why[0]) for found, why in broken.items()] == [(address, state)]
    assert address in broken[address][1]


def test_every_broken_state_is_known(shared: Path) -> None:
    """Each message of the collection of broken states is understood: as a failure, or a GPU that cannot be opened."""
    blocks = (shared / "captures/nvidia/broken_states.txt").read_text().split("# CASE ")[1:]
    messages = {block.split()[0]: block.partition("\n")[2].encode() for block in blocks}
    tables = {name for name in messages if name.startswith(("query_gpu", "table"))}
    assert len(messages) > len(tables) > 0
    for name in messages.keys() - tables:
        assert meant_by_words(messages[name]) or broken_gpus(messages[name]), name


@given(st.binary(max_size=300))
def test_any_bytes(message: bytes) -> None:
    """Whatever is said, there is a reason in one line."""
    broken_gpus(b"Unable to determine the device handle for GPU 0000:01:00.0: " + message)
    assert "\n" not in str(meant_by_words(message) or meant_by_status(3, message))
