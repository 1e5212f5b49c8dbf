"""Device-mapper multipath devices and their paths."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import attribute, seldom
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import UINT64_MAX, uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_DEVICES: Final = 4096
MAX_PATHS: Final = 256
LIST_SECONDS: Final = 10.0
SECTOR_BYTES: Final = 512
MULTIPATH: Final = b"mpath-"
ACTIVE_STATES: Final = frozenset({"running", "live"})
"""How SCSI and NVMe call a device that can be used."""


def _metric(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"node_dmmultipath_{name}", "gauge", help, labels or ("device", "sysfs_name"))


INFO: Final = _metric(
    "device_info", "Non-numeric information about a DM-multipath device.", "device", "sysfs_name", "uuid"
)
ACTIVE: Final = _metric("device_active", "Whether the multipath device-mapper device is active (1) or suspended (0).")
SIZE: Final = _metric("device_size_bytes", "Size of the multipath device in bytes, read from /sys/block/<dm>/size.")
PATHS: Final = _metric("device_paths", "Number of paths for a multipath device.")
PATHS_ACTIVE: Final = _metric(
    "device_paths_active", "Number of paths in active state (SCSI running or NVMe live) for a multipath device."
)
PATHS_FAILED: Final = _metric("device_paths_failed", "Number of paths not in active state for a multipath device.")
PATH_STATE: Final = _metric(
    "path_state",
    "Reports the underlying device state for a multipath path, as read from /sys/block/<dev>/device/state.",
    "device",
    "path",
    "state",
)
METRICS: Final = (INFO, ACTIVE, SIZE, PATHS, PATHS_ACTIVE, PATHS_FAILED, PATH_STATE)


def size_bytes(sectors: bytes) -> int | None:
    """Bytes of so many sectors of 512 bytes; None where that is no such number."""
    number = uint64(sectors)
    return None if number is None or number * SECTOR_BYTES > UINT64_MAX else number * SECTOR_BYTES


class _Device:
    """The paths of one device's attributes."""

    def __init__(self, host: Host, name: str) -> None:
        folder = host.sys(f"block/{name}")
        self.sysfs_name = shown(name)
        self.uuid = f"{folder}/dm/uuid"
        self.name = f"{folder}/dm/name"
        self.suspended = f"{folder}/dm/suspended"
        self.size = f"{folder}/size"
        self.slaves = f"{folder}/slaves"
        self._listed: list[str] = []
        self._paths: list[tuple[str, str]] = []

    def paths(self, host: Host) -> list[tuple[str, str]]:
        """Of each path its name and the file of its state. Empty where no table is loaded."""
        try:
            listed = host.list(self.slaves, keep_s=LIST_SECONDS)[:MAX_PATHS]
        except Absent:
            listed = []
        if listed != self._listed:
            self._listed = listed
            self._paths = [(shown(name), host.sys(f"block/{name}/device/state")) for name in listed]
        return self._paths


class DmMultipathCollector:
    """State, size and paths of each multipath device.

    *Source*: /sys/block/dm-*, Documentation/ABI/testing/sysfs-block-dm. *Units*: bytes, paths. *Absent when*: there
    are no block devices. A path whose state cannot be read is one that is not active, without a state of its own.
    *Cost*: four reads for each multipath device and one for each path; which devices are multipath is remembered for
    a minute.
    """

    name: ClassVar[str] = "dmmultipath"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("block")
        self._listed: list[str] = []
        self._devices: list[_Device] = []

    def collect(self) -> list[Family]:
        try:
            listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        except PermissionError as error:
            raise Absent(self._folder) from error
        if listed != self._listed:
            self._listed = listed
            names = [name for name in listed if name.startswith("dm-")]
            self._devices = [_Device(self._host, name) for name in names]
        self.left_out = max(0, len(self._devices) - MAX_DEVICES)
        columns: dict[str, dict[tuple[str, ...], float]] = {metric.name: {} for metric in METRICS}
        for device in self._devices[:MAX_DEVICES]:
            try:
                self._device(device, columns)
            except (Malformed, OSError):
                self.left_out += 1
        return [Family(metric, _rows(columns[metric.name])) for metric in METRICS if columns[metric.name]]

    def _device(self, device: _Device, columns: dict[str, dict[tuple[str, ...], float]]) -> None:
        host = self._host
        if not (seldom(host, device.uuid) or b"").startswith(MULTIPATH):
            return
        uuid = attribute(host, device.uuid) or b""
        name = attribute(host, device.name)
        if not uuid.startswith(MULTIPATH):
            return
        if not name:
            self.left_out += 1
            return
        labels = (text(name), device.sysfs_name)
        columns[INFO.name][(*labels, text(uuid))] = 1
        suspended = attribute(host, device.suspended)
        size = attribute(host, device.size)
        self._number(columns[ACTIVE.name], labels, suspended, None if suspended is None else _active(suspended))
        self._number(columns[SIZE.name], labels, size, None if size is None else size_bytes(size))
        self._paths(device, labels, columns)

    def _number(
        self, column: dict[tuple[str, ...], float], labels: tuple[str, ...], raw: bytes | None, number: int | None
    ) -> None:
        if number is not None:
            column[labels] = number
        elif raw is not None:
            self.left_out += 1

    def _paths(
        self, device: _Device, labels: tuple[str, str], columns: dict[str, dict[tuple[str, ...], float]]
    ) -> None:
        paths = device.paths(self._host)
        active = 0
        for name, path in paths:
            state = text(attribute(self._host, path) or b"")
            active += state in ACTIVE_STATES
            key = (labels[0], name, state)
            if key in columns[PATH_STATE.name]:
                self.left_out += 1
            elif state:
                columns[PATH_STATE.name][key] = 1
        columns[PATHS.name][labels] = len(paths)
        columns[PATHS_ACTIVE.name][labels] = active
        columns[PATHS_FAILED.name][labels] = len(paths) - active


def _active(suspended: bytes) -> int | None:
    number = uint64(suspended)
    return None if number is None else int(number != 1)


def _rows(column: dict[tuple[str, ...], float]) -> list[Row]:
    return list(column.items())


def build(host: Host, settings: Settings) -> DmMultipathCollector:
    return DmMultipathCollector(host)
