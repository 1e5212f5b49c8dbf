"""What a GPU is called, and by what number it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.records.gpu import GpuIdentity
from tests.devices.amd.amd_node import AmdNode, Content

ADDRESS = "0000:03:00.0"
AMDGPU_IDS = "# List of AMDGPU IDs\n1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n744C,\tCC,\tAMD Radeon RX 7900 XT\n"
PCI_IDS = (
    "# comment\n1001  Another\n\t744c  Not this one\n1002  Advanced Micro Devices\n"
    "\t744c  Navi 31 [Radeon RX 7900 XT]\n\t\t1002 0e3b  Board\n1003  Third\n"
)


def identity(node: AmdNode) -> GpuIdentity:
    (found,) = node.observed().gpus
    return found


@pytest.mark.parametrize(
    ("files", "uuid"),
    [
        ({"unique_id": "4F5B9E3D1A2C0001", "serial_number": "S1"}, "4f5b9e3d1a2c0001"),
        ({"unique_id": "0x12ab", "serial_number": "S1"}, "00000000000012ab"),
        ({"unique_id": "0000000000000000", "serial_number": "S1"}, "S1"),
        ({"unique_id": "nonsense", "serial_number": "S1"}, "S1"),
        ({"serial_number": "N/A"}, ADDRESS),
        ({"serial_number": ""}, ADDRESS),
        ({}, ADDRESS),
    ],
)
def test_uuid(tmp_path: Path, files: dict[str, str], uuid: str) -> None:
    """The unique number comes before the serial number, and that before the address; zeros and N/A are neither."""
    node = AmdNode(tmp_path)
    node.gpu(ADDRESS, {"gpu_busy_percent": 0, **files})
    assert identity(node).uuid == uuid


def test_the_number_of_kfd(tmp_path: Path) -> None:
    """A GPU whose own files do not tell its number has KFD's."""
    node = AmdNode(tmp_path)
    node.gpu(ADDRESS, {"gpu_busy_percent": 0, "serial_number": "S1"})
    node.kfd(1, 7, {"location_id": 0x0300, "unique_id": 0xABC})
    assert identity(node).uuid == "0000000000000abc"


def test_names(tmp_path: Path) -> None:
    """The board's name comes first, then libdrm's table by device and revision, then that of PCI devices."""
    node = AmdNode(tmp_path)
    folder = node.gpu(ADDRESS, {"gpu_busy_percent": 0})
    assert identity(node).model is None
    node.write("usr/share/misc/pci.ids", PCI_IDS.encode())
    assert identity(node).model == "Navi 31 [Radeon RX 7900 XT]"
    node.write("usr/share/libdrm/amdgpu.ids", AMDGPU_IDS.encode())
    assert identity(node).model == "AMD Radeon RX 7900 XTX"
    node.write(f"{folder}/product_name", "A board\x07's name")
    assert identity(node).model == "A board?'s name"


def test_board(tmp_path: Path) -> None:
    """Numbers of the board, places and links of the host are in the identity."""
    node = AmdNode(tmp_path)
    files: dict[str, Content] = {
        "product_number": "102-G30211",
        "fru_id": "113-AMDG",
        "manufacturer": "AMD",
        "vbios_version": "113-M300",
        "numa_node": 1,
        "local_cpulist": "48-95,144-191",
        "subsystem_vendor": "0x1da2",
        "subsystem_device": "0x471e",
        "xgmi_physical_id": "5",
    }
    node.gpu(ADDRESS, {"gpu_busy_percent": 0, **files})
    node.write("sys/module/amdgpu/version", "6.12.12")
    found = identity(node)
    assert (found.part_number, found.board_id, found.brand, found.vbios_version) == tuple(files.values())[:4]
    assert (found.numa_node, found.cpu_affinity, found.oam_id) == (1, "48-95,144-191", 5)
    assert (found.pci_device_id, found.pci_subsystem_id) == ("0x744C1002", "0x471E1DA2")
    assert found.driver_version == "6.12.12"
