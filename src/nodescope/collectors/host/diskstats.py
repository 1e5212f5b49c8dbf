"""Block device I/O."""

from __future__ import annotations

import os
import time
from typing import ClassVar, Final

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.collectors.host.disk_identity import METRICS as IDENTITY_METRICS
from nodescope.collectors.host.disk_identity import Answer, Device, ask, identity_families
from nodescope.collectors.host.odd_lines import odd_lines
from nodescope.host import Host, Malformed, text
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

IDENTITY_SECONDS: Final = 60.0
MIN_FIELDS: Final = 14
MAX_FIELDS: Final = 20
SECTOR_BYTES: Final = 512.0
SECONDS_PER_TICK: Final = 0.001
UINT32_MAX: Final = 2**32 - 1


def _counter(name: str, help: str) -> Metric:
    return Metric(f"node_disk_{name}_total", "counter", help, ("device",))


STATISTICS: Final[tuple[tuple[Metric, float], ...]] = (
    (_counter("reads_completed", "The total number of reads completed successfully."), 1),
    (_counter("reads_merged", "The total number of reads merged."), 1),
    (_counter("read_bytes", "The total number of bytes read successfully."), SECTOR_BYTES),
    (_counter("read_time_seconds", "The total number of seconds spent by all reads."), SECONDS_PER_TICK),
    (_counter("writes_completed", "The total number of writes completed successfully."), 1),
    (_counter("writes_merged", "The number of writes merged."), 1),
    (_counter("written_bytes", "The total number of bytes written successfully."), SECTOR_BYTES),
    (_counter("write_time_seconds", "This is the total number of seconds spent by all writes."), SECONDS_PER_TICK),
    (Metric("node_disk_io_now", "gauge", "The number of I/Os currently in progress.", ("device",)), 1),
    (_counter("io_time_seconds", "Total seconds spent doing I/Os."), SECONDS_PER_TICK),
    (_counter("io_time_weighted_seconds", "The weighted # of seconds spent doing I/Os."), SECONDS_PER_TICK),
    (_counter("discards_completed", "The total number of discards completed successfully."), 1),
    (_counter("discards_merged", "The total number of discards merged."), 1),
    (_counter("discarded_sectors", "The total number of sectors discarded successfully."), 1),
    (_counter("discard_time_seconds", "This is the total number of seconds spent by all discards."), SECONDS_PER_TICK),
    (_counter("flush_requests", "The total number of flush requests completed successfully"), 1),
    (_counter("flush_requests_time_seconds", "This is the total number of seconds spent by all flush requests."),
     SECONDS_PER_TICK),
)  # fmt: skip


def parse_diskstats(data: bytes, source: str) -> dict[tuple[bytes, ...], list[int]]:
    """Major number, minor number and name -> the device's 11, 15 or 17 statistics, unscaled.

    Lines with fewer than `MIN_FIELDS` fields are left out, as are those that are not numbers. A machine without block
    devices has an empty file; `Malformed` where there are lines, and none that is understood.
    """
    found: dict[tuple[bytes, ...], list[int]] = {}
    for line in data.split(b"\n"):
        words = line.split(None, MAX_FIELDS)[:MAX_FIELDS]
        if len(words) < MIN_FIELDS:
            continue
        numbers = uint64s(words[:2] + words[3:])
        if numbers and max(numbers[:2]) <= UINT32_MAX:
            found.setdefault(tuple(words[:3]), numbers[2:])
    if not found and data.strip():
        raise Malformed(source, data, f"lines of major, minor, device and at least {MIN_FIELDS - 3} numbers")
    return found


class DiskstatsCollector:
    """What was read from, written to and discarded on block devices, how long it took, and what the devices are.

    *Source*: /proc/diskstats (Documentation/admin-guide/iostats.rst); identities from the udev database and sysfs.
    *Units*: bytes, seconds, counts; discarded_sectors in sectors of 512 bytes. *Absent when*: the file is not there;
    discards before Linux 4.18, flushes before 5.5. *Cost*: one read; the identities, two files for each device, when
    the devices or the udev database change and every `IDENTITY_SECONDS`.
    """

    name: ClassVar[str] = "diskstats"
    metrics: ClassVar[tuple[Metric, ...]] = (*IDENTITY_METRICS, *(metric for metric, _ in STATISTICS))
    left_out: int = 0

    def __init__(self, host: Host, devices: DeviceFilter) -> None:
        self._host = host
        self._path = host.proc("diskstats")
        self._devices = devices
        self._labels: dict[tuple[bytes, ...], tuple[str] | None] = {}
        self._shown: list[Device] = []
        self._answers: list[Answer] = []
        self._identity: list[Family] = []
        self._identity_read_at = 0.0
        self._udev_changed_ns = 0
        self._data: bytes | None = None
        self._found: dict[tuple[bytes, ...], list[int]] = {}
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        changed = data != self._data
        if changed:
            self._data = None
            self._found = parse_diskstats(data, self._path)
            self.left_out = odd_lines(data, len(self._found))
        if self._learn(self._found) or changed:
            self._families = self._identity + self._statistics(self._found)
            self._data = data
        return self._families

    def _statistics(self, found: dict[tuple[bytes, ...], list[int]]) -> list[Family]:
        shown = [(labels, values) for key, values in found.items() if (labels := self._labels[key]) is not None]
        families = []
        for index, (metric, scale) in enumerate(STATISTICS):
            rows: list[Row] = [
                (labels, values[index] if scale == 1 else values[index] * scale)
                for labels, values in shown
                if len(values) > index
            ]
            if rows:
                families.append(Family(metric, rows))
        return families

    def _learn(self, found: dict[tuple[bytes, ...], list[int]]) -> bool:
        """The labels of each device, None for one that is filtered out, and what the others are: whether that changed.

        A tree of stored files may say something else at any time.
        """
        now, udev_changed_ns = time.monotonic(), self._udev_change()
        other = found.keys() != self._labels.keys()
        keep_s = 0.0 if self._host.stored else IDENTITY_SECONDS
        if not other and udev_changed_ns == self._udev_changed_ns and now - self._identity_read_at <= keep_s:
            return False
        if other:
            devices = {key: Device(int(key[0]), int(key[1]), text(key[2])) for key in found}
            self._labels = {
                key: (each.name,) if self._devices.keeps(each.name) else None for key, each in devices.items()
            }
            self._shown = [device for key, device in devices.items() if self._labels[key] is not None]
        answers = ask(self._host, self._shown, udev=udev_changed_ns != 0)
        self._identity_read_at, self._udev_changed_ns = now, udev_changed_ns
        if other or answers != self._answers:
            self._answers, self._identity = answers, identity_families(self._shown, answers)
            return True
        return False

    def _udev_change(self) -> int:
        """When udev last wrote of a device, for it puts a new file in the place of the old; 0 without a database."""
        # Most containers have none: to ask first costs less than to catch what stat(2) raises.
        if not os.access(self._host.udev_data, os.F_OK):
            return 0
        try:
            return os.stat(self._host.udev_data).st_mtime_ns
        except OSError:
            return 0


def build(host: Host, settings: Settings) -> DiskstatsCollector:
    devices = from_settings(settings, "collector.diskstats.device-include", "collector.diskstats.device-exclude")
    return DiskstatsCollector(host, devices)
