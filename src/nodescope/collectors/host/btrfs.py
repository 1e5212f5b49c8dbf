"""Btrfs filesystems."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.btrfs_filesystem import Filesystem, allocation_ratio
from nodescope.collectors.host.btrfs_ioctl import ERROR_TYPES, Device
from nodescope.collectors.host.btrfs_mounts import BtrfsMounts
from nodescope.host import Host, Malformed, text
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_FILESYSTEMS: Final = 1024
LIST_SECONDS: Final = 10.0

_ON_DEVICE: Final = ("uuid", "device", "btrfs_dev_uuid")
_IN_GROUP: Final = ("uuid", "block_group_type", "mode")


def _gauge(name: str, help: str, labels: tuple[str, ...] = ("uuid",)) -> Metric:
    return Metric(f"node_btrfs_{name}", "gauge", help, labels)


def _counter(name: str, help: str, labels: tuple[str, ...] = ("uuid",)) -> Metric:
    return Metric(f"node_btrfs_{name}", "counter", help, labels)


INFO: Final = _gauge("info", "Filesystem information", ("uuid", "label"))
RESERVE: Final = _gauge("global_rsv_size_bytes", "Size of global reserve.")
COMMITS: Final = _counter("commits_total", "The total number of commits that have occurred.")
LAST: Final = _gauge("last_commit_seconds", "Duration of the most recent commit, in seconds.")
MAX: Final = _gauge("max_commit_seconds", "Duration of the slowest commit, in seconds.")
SECONDS: Final = _counter("commit_seconds_total", "Sum of the duration of all commits, in seconds.")
RESERVED: Final = _gauge("reserved_bytes", "Amount of space reserved for a data type", _IN_GROUP[:2])
USED: Final = _gauge("used_bytes", "Amount of used space by a layout/data type", _IN_GROUP)
SIZE: Final = _gauge("size_bytes", "Amount of space allocated for a layout/data type", _IN_GROUP)
RATIO: Final = _gauge("allocation_ratio", "Data allocation ratio for a layout/data type", _IN_GROUP)
DEVICE_SIZE: Final = _gauge("device_size_bytes", "Size of a device that is part of the filesystem.", _ON_DEVICE)
DEVICE_UNUSED: Final = _gauge(
    "device_unused_bytes", "Unused bytes unused on a device that is part of the filesystem.", _ON_DEVICE
)
DEVICE_ERRORS: Final = _counter("device_errors_total", "Errors reported for the device", (*_ON_DEVICE, "type"))
METRICS: Final = (
    INFO, RESERVE, COMMITS, LAST, MAX, SECONDS, RESERVED, USED, SIZE, RATIO, DEVICE_SIZE, DEVICE_UNUSED, DEVICE_ERRORS,
)  # fmt: skip

_COMMIT_TIMES: Final = ((LAST, b"last_commit_ms"), (MAX, b"max_commit_ms"), (SECONDS, b"total_commit_ms"))

Columns = dict[str, dict[tuple[str, ...], float]]


class BtrfsCollector:
    """Space, commits and devices of each mounted Btrfs filesystem.

    *Source*: /sys/fs/btrfs/FSID, fs/btrfs/sysfs.c; use and errors of devices by the ioctls BTRFS_IOC_FS_INFO,
    BTRFS_IOC_DEV_INFO and BTRFS_IOC_GET_DEV_STATS on the directory where it is mounted (/proc/1/mountinfo). Where that
    cannot be opened, sizes of devices are sysfs's, and so are the errors of a filesystem's only device (Linux 5.14).
    *Units*: bytes, seconds. *Absent when*: the kernel has no Btrfs. An attribute that cannot be read costs its own
    series. *Cost*: some ten reads, one open and two ioctls per device for each filesystem.
    """

    name: ClassVar[str] = "btrfs"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("fs/btrfs")
        self._mounts = BtrfsMounts(host)
        self._listed: list[str] = []
        self._filesystems: list[Filesystem] = []

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed != self._listed:
            self._listed = listed
            names = [name for name in listed if "-" in name]
            self._filesystems = [Filesystem(self._host, name) for name in names]
        self.left_out = max(0, len(self._filesystems) - MAX_FILESYSTEMS)
        columns: Columns = {metric.name: {} for metric in METRICS}
        mounted = self._mounts.devices({filesystem.fsid for filesystem in self._filesystems})
        for filesystem in self._filesystems[:MAX_FILESYSTEMS]:
            filesystem.left_out = 0
            try:
                self._filesystem(filesystem, mounted.get(filesystem.fsid), columns)
            except (Malformed, OSError):
                self.left_out += 1
            self.left_out += filesystem.left_out
        return _families(columns, any(filesystem.fsid in mounted for filesystem in self._filesystems))

    def _filesystem(self, filesystem: Filesystem, devices: list[Device] | None, columns: Columns) -> None:
        if not filesystem.exists():
            return
        uuid = filesystem.uuid()
        if any(labels[0] == uuid for labels in columns[INFO.name]):
            self.left_out += 1
            return
        columns[INFO.name][uuid, filesystem.label()] = 1
        reserve = filesystem.global_reserve()
        if reserve is not None:
            columns[RESERVE.name][uuid,] = reserve
        commits = filesystem.commits()
        if b"commits" in commits:
            columns[COMMITS.name][uuid,] = commits[b"commits"]
        for metric, key in _COMMIT_TIMES:
            if key in commits:
                columns[metric.name][uuid,] = commits[key] / 1000
        _space(filesystem, uuid, columns)
        if devices is None:
            _devices_of_sysfs(filesystem, uuid, columns)
        else:
            _devices(devices, uuid, columns)


def _space(filesystem: Filesystem, uuid: str, columns: Columns) -> None:
    for group, reserved in filesystem.reserved():
        columns[RESERVED.name][uuid, group] = reserved
    count = filesystem.device_count()
    for group, layout, used, total in filesystem.spaces():
        for metric, number in ((USED, used), (SIZE, total), (RATIO, allocation_ratio(layout, count))):
            if number is not None:
                columns[metric.name][uuid, group, layout] = number


def _devices(devices: list[Device], uuid: str, columns: Columns) -> None:
    for device in devices:
        labels = (uuid, text(device.name), device.uuid)
        columns[DEVICE_SIZE.name][labels] = device.total_bytes
        if device.used_bytes <= device.total_bytes:
            columns[DEVICE_UNUSED.name][labels] = device.total_bytes - device.used_bytes
        for kind, number in zip(ERROR_TYPES, device.errors, strict=True):
            columns[DEVICE_ERRORS.name][*labels, kind] = number


def _devices_of_sysfs(filesystem: Filesystem, uuid: str, columns: Columns) -> None:
    for name, size in filesystem.device_sizes():
        columns[DEVICE_SIZE.name][uuid, name, ""] = size
    errors = filesystem.errors()
    if errors is not None:
        for kind, number in errors[1]:
            columns[DEVICE_ERRORS.name][uuid, errors[0], "", kind] = number


def _families(columns: Columns, device_uuids: bool) -> list[Family]:
    """`device_uuids`: whether any is known; without one the label is left away."""
    families = []
    for metric in METRICS:
        column = columns[metric.name]
        if not column:
            continue
        if device_uuids or "btrfs_dev_uuid" not in metric.label_names:
            families.append(Family(metric, list(column.items())))
        else:
            bare = metric._replace(label_names=tuple(name for name in metric.label_names if name != "btrfs_dev_uuid"))
            families.append(Family(bare, [((*key[:2], *key[3:]), number) for key, number in column.items()]))
    return families


def build(host: Host, settings: Settings) -> BtrfsCollector:
    return BtrfsCollector(host)
