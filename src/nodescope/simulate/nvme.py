"""The NVMe controllers of a simulated machine's disks.

Source: drivers/nvme/host/sysfs.c.
"""

from __future__ import annotations

from typing import Final

from nodescope.simulate.disk import SECTOR_BYTES, Disk, Disks, controller
from nodescope.simulate.part import Link, NumberFiles, Row, texts

_CLASS: Final = "sys/class/nvme"
_SUBSYSTEMS: Final = "sys/class/nvme-subsystem"
_CONTROLLER_ID: Final = 6
_NAMESPACE_ID: Final = 1
_USED_PERMILLE: Final = 430
_MODEL_LETTERS: Final = 40
_SERIAL_LETTERS: Final = 20


def nvme_part(disks: Disks) -> NumberFiles:
    """/sys/class/nvme: a controller with one namespace for each disk; and /sys/class/nvme-subsystem."""
    fixed: dict[str, bytes] = {}
    rows: list[Row] = []
    for index, disk in enumerate(disks.disks):
        fixed |= _controller_files(disk) | _namespace_files(disk)
        fixed |= _subsystem_files(index, disk)
        rows += _rows(disk)

    return NumberFiles(fixed, rows)


def _model(disk: Disk) -> str:
    """As the disk itself says it: udev has no blanks there."""
    return disk.model.replace("_", " ")


def _nqn(disk: Disk) -> str:
    return f"nqn.1994-11.com.samsung:nvme:PM9A3:2.5-inch:{disk.serial}      "


def _controller_files(disk: Disk) -> dict[str, bytes]:
    about = {
        "address": disk.path.removeprefix("pci-").partition("-")[0],
        "cntlid": _CONTROLLER_ID,
        "cntrltype": "io",
        "dctype": "none",
        "firmware_rev": disk.revision,
        "kato": 0,
        "model": f"{_model(disk):<{_MODEL_LETTERS}}",
        "numa_node": 0,
        "queue_count": 17,
        "serial": f"{disk.serial:<{_SERIAL_LETTERS}}",
        "sqsize": 1023,
        "state": "live",
        "subsysnqn": _nqn(disk),
        "transport": "pcie",
    }
    return texts(f"{_CLASS}/{controller(disk)}", about)


def _namespace_files(disk: Disk) -> dict[str, bytes]:
    folder = f"{_CLASS}/{controller(disk)}/{disk.name}"
    about = {
        "eui": disk.wwn.removeprefix("eui."),
        "nsid": _NAMESPACE_ID,
        "nuse": _used_sectors(disk),
        "size": disk.size_bytes // SECTOR_BYTES,
        "wwid": disk.wwn,
    }
    queue = {"logical_block_size": SECTOR_BYTES, "physical_block_size": 4096, "rotational": 0}
    return texts(folder, about) | texts(f"{folder}/queue", queue)


def _subsystem_files(index: int, disk: Disk) -> dict[str, bytes]:
    folder = f"{_SUBSYSTEMS}/nvme-subsys{index}"
    about = {
        "firmware_rev": disk.revision,
        "iopolicy": "numa",
        "model": f"{_model(disk):<{_MODEL_LETTERS}}",
        "serial": f"{disk.serial:<{_SERIAL_LETTERS}}",
        "subsysnqn": _nqn(disk),
        "subsystype": "nvm",
    }
    name = controller(disk)
    return texts(folder, about) | {f"{folder}/{name}": Link(f"../../nvme/{name}".encode())}


def _used_sectors(disk: Disk) -> int:
    return disk.size_bytes // SECTOR_BYTES * _USED_PERMILLE // 1000


def _rows(disk: Disk) -> list[Row]:
    device = {"device": controller(disk)}
    info = {
        "cntlid": str(_CONTROLLER_ID),
        "firmware_revision": disk.revision,
        "model": _model(disk),
        "serial": disk.serial,
        "state": "live",
    }
    namespace = device | {"nsid": str(_NAMESPACE_ID)}
    size = float(disk.size_bytes)
    return [
        ("node_nvme_info", device | info, 1.0),
        ("node_nvme_namespace_info", namespace | {"ana_state": "unknown"}, 1.0),
        ("node_nvme_namespace_capacity_bytes", namespace, size),
        ("node_nvme_namespace_size_bytes", namespace, size),
        ("node_nvme_namespace_used_bytes", namespace, float(_used_sectors(disk) * SECTOR_BYTES)),
        ("node_nvme_namespace_logical_block_size_bytes", namespace, float(SECTOR_BYTES)),
    ]
