"""What a GPU is called, and by what number it goes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodescope.devices.amd.sysfs_source import SysfsSource
from nodescope.host import Host
from nodescope.records.gpu import GpuIdentity
from tests.devices.amd.amd_node import CALM, KFD, WAIT_S, AmdNode, Content

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


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files that the driver refuses, none at first."""
    refused: set[str] = set()

    def guarded(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def reading(self: Host, path: str, *more: Any, **options: Any) -> bytes:
            if os.path.basename(path) in refused:
                raise PermissionError(errno.EPERM, "in reset", path)
            return read(self, path, *more, **options)

        return reading

    monkeypatch.setattr(Host, "read", guarded(Host.read))
    monkeypatch.setattr(Host, "read_once", guarded(Host.read_once))
    return refused


def test_a_gpu_keeps_its_name_where_all_is_refused(tmp_path: Path, refused: set[str]) -> None:
    """One whose driver refuses every file is the same GPU in state failed, and has all of its identity."""
    node = AmdNode(tmp_path)
    names = {"unique_id": "18f68e602b8a790f", "serial_number": "PCB052", "product_name": "A card"}
    files: dict[str, Content] = {
        **names,
        "mem_info_vram_total": 24 << 30,
        "current_compute_partition": "SPX",
        "gpu_busy_percent": 5,
    }
    node.gpu(ADDRESS, files)
    source = SysfsSource(node.host, 0.0, CALM)
    before = source.observe(WAIT_S)
    for some in ({"unique_id", "current_compute_partition"}, set(files), set(files) - {"serial_number"}):
        refused |= some
        during = [source.observe(WAIT_S) for _ in range(3)][-1]
        assert during.gpus == before.gpus
        refused.clear()
    refused |= set(files)
    assert [source.observe(WAIT_S) for _ in range(3)][-1].reports[0].state == "failed"
    refused.clear()
    after = source.observe(WAIT_S)
    assert (after.gpus, after.generation, after.reports[0].state) == (before.gpus, before.generation, "ok")


def test_what_is_told_is_never_what_was_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: set[str]
) -> None:
    """Where a file is always refused, a product's name that comes late is shown, and another board has nothing of the
    one that was at its address before."""
    monkeypatch.setattr("nodescope.devices.amd.sysfs_gpu.RETRY_SECONDS", 0.0)
    node = AmdNode(tmp_path)
    names = {"unique_id": "18f68e602b8a790f", "serial_number": "PCB052", "product_name": "A card"}
    folder = node.gpu(ADDRESS, {**names, "mem_info_vram_total": 24 << 30, "fru_id": "1", "gpu_busy_percent": 5})
    node.write("usr/share/libdrm/amdgpu.ids", "744C,\tC8,\tOf a table\n")
    refused |= {"fru_id", "product_name"}
    source = SysfsSource(node.host, 0.0, CALM)
    (first,) = source.observe(WAIT_S).gpus
    assert first.model == "Of a table"
    refused.remove("product_name")
    (late,) = source.observe(WAIT_S).gpus
    assert (late.model, late.serial) == ("A card", "PCB052")
    for name, said in (("unique_id", "18f68e602b8a0001"), ("serial_number", ""), ("product_name", "")):
        node.write(f"{folder}/{name}", said)
    (other,) = source.observe(WAIT_S).gpus
    assert (other.uuid, other.serial, other.model) == ("18f68e602b8a0001", None, "Of a table")


def test_a_gpu_that_is_divided_anew_has_not_the_mode_of_before(tmp_path: Path, refused: set[str]) -> None:
    """While the driver refuses the files that tell the new modes they are unknown, and a whole GPU has no partition."""
    node = AmdNode(tmp_path)
    modes = {"current_compute_partition": "DPX", "current_memory_partition": "NPS2"}
    node.gpu(ADDRESS, {"unique_id": "18f68e602b8a790f", **modes, "gpu_busy_percent": 5})
    for number in (1, 2):
        node.kfd(number, 70 + number, {"location_id": 0x0300 + number - 1, "unique_id": 0x18F68E602B8A790F})
    source = SysfsSource(node.host, 0.0, CALM)
    before = source.observe(WAIT_S)
    assert [one.profile for one in before.instances] == ["DPX", "DPX"]
    shutil.rmtree(tmp_path / f"{KFD}/topology/nodes/2")
    refused.update(modes)
    during = source.observe(WAIT_S)
    assert (during.gpus[0].uuid, during.instances) == (before.gpus[0].uuid, ())
    assert (during.gpus[0].compute_partition, during.gpus[0].memory_partition) == (None, None)
