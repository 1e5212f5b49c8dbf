from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.nvidia import procfs
from nodescope.host import Host
from nodescope.records.gpu import GpuIdentity

INFORMATION = """Model: \t\t NVIDIA H200
IRQ:   \t\t 311
GPU UUID: \t GPU-12345678-1111-2222-3333-444444444444
Video BIOS: \t 96.00.99.00.01
Bus Type: \t PCIe
Bus Location: \t 0000:18:00.0
Device Minor: \t 3
GPU Firmware: \t 570.86.15
GPU Excluded:\t No
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(procfs=str(tmp_path))


def put(tmp_path: Path, address: str, information: str | None) -> None:
    folder = tmp_path / "driver/nvidia/gpus" / address
    folder.mkdir(parents=True)
    if information is not None:
        (folder / "information").write_text(information)


def test_what_the_module_says(tmp_path: Path, host: Host) -> None:
    """Addresses are in order and as the kernel writes them, and a GPU has its UUID, model, minor and versions."""
    put(tmp_path, "0000:2A:00.0", None)
    put(tmp_path, "0000:18:00.0", INFORMATION)
    (tmp_path / "driver/nvidia/gpus/other").mkdir()
    assert procfs.addresses(host) == ("0000:18:00.0", "0000:2a:00.0")
    assert procfs.identity(host, "0000:18:00.0") == GpuIdentity(
        vendor="nvidia",
        uuid="GPU-12345678-1111-2222-3333-444444444444",
        minor=3,
        pci_address="0000:18:00.0",
        device="nvidia3",
        model="NVIDIA H200",
        vbios_version="96.00.99.00.01",
        firmware_version="570.86.15",
    )


@pytest.mark.parametrize(
    "information",
    [None, "", "garbage", "GPU UUID: GPU-????????-????-????-????-????????????\nVideo BIOS: ??.??\nModel: N/A"],
)
def test_a_gpu_that_was_never_initialised(tmp_path: Path, host: Host, information: str | None) -> None:
    """Without a UUID the address stands for it, and what is not known is absent."""
    put(tmp_path, "0000:18:00.0", information)
    assert procfs.identity(host, "0000:18:00.0") == GpuIdentity(
        vendor="nvidia", uuid="0000:18:00.0", pci_address="0000:18:00.0"
    )


def test_no_module(tmp_path: Path, host: Host) -> None:
    """Without the module there are no GPUs, and it says so itself once it is there."""
    assert procfs.addresses(host) == ()
    assert not procfs.module_is_loaded(host)
    (tmp_path / "driver/nvidia").mkdir(parents=True)
    (tmp_path / "driver/nvidia/version").write_text("NVRM version")
    assert procfs.module_is_loaded(Host(procfs=str(tmp_path)))
