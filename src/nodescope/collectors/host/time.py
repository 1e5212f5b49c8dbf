"""System time and clock sources."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Final

from nodescope.host import Absent, Host, text
from nodescope.metric import Family, Metric, Row, single
from nodescope.settings import Settings

DEVICES_SECONDS: Final = 60.0

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

    def collect(self) -> list[Family]:
        nanoseconds = time.time_ns()
        local = time.localtime(nanoseconds // 1_000_000_000)
        return [
            single(SECONDS, nanoseconds / 1e9),
            Family(ZONE_OFFSET, [((local.tm_zone,), local.tm_gmtoff)]),
            *self._clock_sources(),
        ]

    def _clock_sources(self) -> list[Family]:
        self.left_out = 0
        available: list[Row] = []
        current: list[Row] = []
        for index, path in enumerate(self._devices()):
            try:
                names = self._host.read(f"{path}/available_clocksource")
                used = self._host.read(f"{path}/current_clocksource").strip()
            except (Absent, OSError):
                self.left_out += 1  # an odd device costs its siblings nothing
                continue
            available += [((str(index), text(name)), 1) for name in names.split()]
            if used:
                current.append(((str(index), text(used)), 1))
        return [Family(metric, rows) for metric, rows in ((AVAILABLE, available), (CURRENT, current)) if rows]

    def _devices(self) -> list[str]:
        try:
            names = self._host.list(self._folder, DEVICES_SECONDS)
        except Absent:
            return []
        return [f"{self._folder}/{name}" for name in names if _DEVICE.match(name)]


def build(host: Host, settings: Settings) -> TimeCollector:
    return TimeCollector(host)
