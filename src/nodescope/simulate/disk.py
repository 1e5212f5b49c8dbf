"""The disks of a simulated machine.

Source: Documentation/admin-guide/iostats.rst (20 fields since Linux 5.5); udev(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.simulate.load import Load, count
from nodescope.simulate.part import Row

MAJOR: Final = 259
SECTOR_BYTES: Final = 512
_SECTORS_PER_PAGE: Final = 8
_MILLION: Final = 10**6

# The counters of a line after the name: metric, unit of one count in the metric's, and counts for each busy second of
# the disk. None is a gauge.
_SECTORS: Final = float(SECTOR_BYTES)
_SECONDS: Final = 1.0 / 1000.0
_FIELDS: Final[tuple[tuple[str, float, int | None], ...]] = (
    ("node_disk_reads_completed_total", 1.0, 21_000),
    ("node_disk_reads_merged_total", 1.0, 130),
    ("node_disk_read_bytes_total", _SECTORS, 5_200_000),
    ("node_disk_read_time_seconds_total", _SECONDS, 2_700),
    ("node_disk_writes_completed_total", 1.0, 9_400),
    ("node_disk_writes_merged_total", 1.0, 2_100),
    ("node_disk_written_bytes_total", _SECTORS, 2_300_000),
    ("node_disk_write_time_seconds_total", _SECONDS, 1_900),
    ("node_disk_io_now", 1.0, None),
    ("node_disk_io_time_seconds_total", _SECONDS, 1_000),
    ("node_disk_io_time_weighted_seconds_total", _SECONDS, 4_600),
    ("node_disk_discards_completed_total", 1.0, 3),
    ("node_disk_discards_merged_total", 1.0, 0),
    ("node_disk_discarded_sectors_total", 1.0, 24_000),
    ("node_disk_discard_time_seconds_total", _SECONDS, 1),
    ("node_disk_flush_requests_total", 1.0, 41),
    ("node_disk_flush_requests_time_seconds_total", _SECONDS, 12),
)
_READ_SECTORS: Final = 2
_WRITTEN_SECTORS: Final = 6
_SECTOR_FIELDS: Final = frozenset({_READ_SECTORS, _WRITTEN_SECTORS, 13})
_QUEUE_DEPTH: Final = 12

_UDEV: Final = """\
S:disk/by-id/nvme-{0.model}_{0.serial}
S:disk/by-path/{0.path}
I:1{0.minor:06d}
E:ID_SERIAL_SHORT={0.serial}
E:ID_WWN={0.wwn}
E:ID_MODEL={0.model}
E:ID_REVISION={0.revision}
E:ID_SERIAL={0.model}_{0.serial}
E:ID_PATH={0.path}
"""
_UDEV_FILESYSTEM: Final = """\
E:ID_FS_UUID={0.uuid}
E:ID_FS_VERSION={0.version}
E:ID_FS_TYPE={0.fstype}
E:ID_FS_USAGE=filesystem
"""
_UDEV_END: Final = "G:systemd\nQ:systemd\nV:1\n"


class Filesystem(NamedTuple):
    """What lies on a disk or partition. `uuid` and `version` are "" where it has none."""

    fstype: str
    uuid: str
    version: str
    mountpoint: str
    options: str


class Partition(NamedTuple):
    """`share`: millionths of the disk's I/O."""

    share: int
    filesystem: Filesystem


class Disk(NamedTuple):
    """An NVMe disk with either partitions or one filesystem on the whole of it. From `model` on: as udev says it."""

    name: str
    minor: int
    size_bytes: int
    model: str
    serial: str
    revision: str
    wwn: str
    path: str
    partitions: tuple[Partition, ...] = ()
    filesystem: Filesystem | None = None


class Device(NamedTuple):
    """A block device: the disk or a partition. `share`: millionths of the disk's I/O."""

    name: str
    minor: int
    share: int
    filesystem: Filesystem | None


class Disks:
    """The disks and their loads."""

    def __init__(self, seed: int, disks: Sequence[Disk]) -> None:
        self.disks = tuple(disks)
        self.loads = tuple(Load(seed, disk.name) for disk in disks)

    def fields(self, seconds: float) -> list[list[int]]:
        """The counters of each disk's line."""
        return [_fields(load, seconds) for load in self.loads]

    def kibibytes(self, seconds: float) -> tuple[int, int]:
        """KiB read and written since boot, all disks together."""
        fields = self.fields(seconds)
        return sum(row[_READ_SECTORS] for row in fields) // 2, sum(row[_WRITTEN_SECTORS] for row in fields) // 2


class DiskPart:
    """/proc/diskstats, /sys/block and the udev database."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._fixed: dict[str, bytes] = {}
        for disk in disks.disks:
            self._fixed[f"sys/block/{disk.name}/queue/rotational"] = b"0\n"
            self._fixed[f"sys/block/{disk.name}/size"] = f"{disk.size_bytes // SECTOR_BYTES}\n".encode()
            for device in devices(disk):
                self._fixed[f"run/udev/data/b{MAJOR}:{device.minor}"] = _udev(disk, device.filesystem)

    def files(self, seconds: float) -> dict[str, bytes]:
        lines = []
        for disk, fields in zip(self._disks.disks, self._disks.fields(seconds), strict=True):
            for device in devices(disk):
                numbers = " ".join(str(number * device.share // _MILLION) for number in fields)
                lines.append(f"{MAJOR:4d} {device.minor:7d} {device.name} {numbers}\n")
        return {**self._fixed, "proc/diskstats": "".join(lines).encode()}

    def truths(self, seconds: float) -> Iterable[Row]:
        for disk, fields in zip(self._disks.disks, self._disks.fields(seconds), strict=True):
            for (metric, unit, _), number in zip(_FIELDS, fields, strict=True):
                yield metric, {"device": disk.name}, number * unit
            yield "node_disk_info", _info(disk), 1.0
            if disk.filesystem is not None:
                yield "node_disk_filesystem_info", _filesystem_info(disk.name, disk.filesystem), 1.0


def devices(disk: Disk) -> list[Device]:
    """The disk and then its partitions."""
    partitions = [
        Device(f"{disk.name}p{number}", disk.minor + number, partition.share, partition.filesystem)
        for number, partition in enumerate(disk.partitions, start=1)
    ]
    return [Device(disk.name, disk.minor, _MILLION, disk.filesystem), *partitions]


def controller(disk: Disk) -> str:
    """nvme0 of nvme0n1."""
    return disk.name.rpartition("n")[0]


def _fields(load: Load, seconds: float) -> list[int]:
    integral = load.integral(seconds)
    fields = []
    for index, (_, _, rate) in enumerate(_FIELDS):
        if rate is None:
            fields.append(round(load.at(seconds) * _QUEUE_DEPTH))
        elif index in _SECTOR_FIELDS:
            fields.append(count(integral, rate // _SECTORS_PER_PAGE) * _SECTORS_PER_PAGE)
        else:
            fields.append(count(integral, rate))
    return fields


def _udev(disk: Disk, filesystem: Filesystem | None) -> bytes:
    about = _UDEV.format(disk)
    if filesystem is not None:
        about += _UDEV_FILESYSTEM.format(filesystem)
    return (about + _UDEV_END).encode()


def _info(disk: Disk) -> dict[str, str]:
    return {
        "device": disk.name,
        "major": str(MAJOR),
        "minor": str(disk.minor),
        "path": disk.path,
        "wwn": disk.wwn,
        "model": disk.model,
        "serial": disk.serial,
        "revision": disk.revision,
        "rotational": "0",
    }


def _filesystem_info(device: str, filesystem: Filesystem) -> dict[str, str]:
    return {
        "device": device,
        "type": filesystem.fstype,
        "usage": "filesystem",
        "uuid": filesystem.uuid,
        "version": filesystem.version,
    }
