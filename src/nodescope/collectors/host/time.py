"""System time and clock sources."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from nodescope.host import Absent, Host, text
from nodescope.metric import Family, Metric, Row, single
from nodescope.settings import Settings

DEVICES_SECONDS: Final = 60.0
NS_PER_MINUTE: Final = 60_000_000_000

SECONDS: Final = Metric("node_time_seconds", "gauge", "System time in seconds since epoch (1970).")
ZONE_OFFSET: Final = Metric(
    "node_time_zone_offset_seconds", "gauge", "System time zone offset in seconds.", ("time_zone",)
)
AVAILABLE: Final = Metric(
    "node_time_clocksource_available_info",
    "gauge",
    "Available clocksources read from '/sys/devices/system/clocksource'.",
    ("device", "clocksource"),
)
CURRENT: Final = Metric(
    "node_time_clocksource_current_info",
    "gauge",
    "Current clocksource read from '/sys/devices/system/clocksource'.",
    ("device", "clocksource"),
)

_DEVICE: Final = re.compile("clocksource[0-9]")


Device = tuple[bytes, bytes]
"""The clock sources that are available, and the one that is used."""


def clock_source_families(devices: Sequence[Device | None]) -> list[Family]:
    """The position of a device is its number; None is one that could not be read."""
    available: list[Row] = []
    current: list[Row] = []
    for index, device in enumerate(devices):
        names, used = device or (b"", b"")
        available += [((str(index), name), 1) for name in dict.fromkeys(map(text, names.split()))]
        if used.strip():
            current.append(((str(index), text(used.strip())), 1))
    return [Family(metric, rows) for metric, rows in ((AVAILABLE, available), (CURRENT, current)) if rows]


class TimeCollector:
    """The time, the time zone, and which clock sources there are and which is used.

    *Source*: clock_gettime(2), localtime(3), /sys/devices/system/clocksource
    (Documentation/ABI/testing/sysfs-devices-clocksource). *Units*: seconds. *Absent when*: never; without clock
    sources the time alone. *Cost*: two reads for each clock source device; the directory each
    `DEVICES_SECONDS`.
    """

    name: ClassVar[str] = "time"
    metrics: ClassVar[tuple[Metric, ...]] = (SECONDS, ZONE_OFFSET, AVAILABLE, CURRENT)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/clocksource")
        self._listed: list[str] = []
        self._files: list[tuple[str, str]] = []
        self._read: list[Device | None] = []
        self._families: list[Family] = []
        self._minute = -1
        self._zone = Family(ZONE_OFFSET, ())

    def collect(self) -> list[Family]:
        nanoseconds = time.time_ns()
        minute = nanoseconds // NS_PER_MINUTE
        # Clocks are put forward and back at whole minutes.
        if minute != self._minute:
            local = time.localtime(minute * 60)
            self._minute, self._zone = minute, Family(ZONE_OFFSET, (((local.tm_zone,), local.tm_gmtoff),))
        return [single(SECONDS, nanoseconds / 1e9), self._zone, *self._clock_sources()]

    def _clock_sources(self) -> list[Family]:
        read = [self._device(available, current) for available, current in self._devices()]
        self.left_out = read.count(None)  # an odd device costs its siblings nothing
        if read != self._read:
            self._read, self._families = read, clock_source_families(read)
        return self._families

    def _device(self, available: str, current: str) -> Device | None:
        try:
            return self._host.read(available), self._host.read(current)
        except (Absent, OSError):
            return None

    def _devices(self) -> list[tuple[str, str]]:
        """The two files of each."""
        try:
            listed = self._host.list(self._folder, DEVICES_SECONDS)
        except Absent:
            return []
        if listed != self._listed:
            folders = [f"{self._folder}/{name}" for name in listed if _DEVICE.match(name)]
            self._files = [(f"{path}/available_clocksource", f"{path}/current_clocksource") for path in folders]
            self._listed = listed
        return self._files


def build(host: Host, settings: Settings) -> TimeCollector:
    return TimeCollector(host)
