"""Thermal zones and cooling devices."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.device_label import by_label
from nodescope.collectors.host.number_file import MAX_VALUE_BYTES, NumberFile, rows_anew, rows_now
from nodescope.host import Host, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.signed_number import int64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_ENTRIES: Final = 16_384
RELIST_SECONDS: Final = 60.0

TEMPERATURE: Final = Metric("node_thermal_zone_temp", "gauge", "Zone temperature in Celsius", ("zone", "type"))
STATE: Final = Metric(
    "node_cooling_device_cur_state", "gauge", "Current throttle state of the cooling device", ("name", "type")
)
MAX_STATE: Final = Metric(
    "node_cooling_device_max_state", "gauge", "Maximum throttle state of the cooling device", ("name", "type")
)

_ZONE: Final = re.compile(r"thermal_zone([0-9].*)", re.DOTALL)
_COOLER: Final = re.compile(r"cooling_device([0-9].*)", re.DOTALL)


def parse_millidegrees(raw: bytes) -> float | None:
    """Degrees Celsius of a number of thousandths."""
    value = int64(raw)
    return None if value is None else value / 1000.0


class ThermalZoneCollector:
    """Temperatures of thermal zones, and how far cooling devices throttle.

    *Source*: /sys/class/thermal, Documentation/driver-api/thermal/sysfs-api.rst. *Units*: degrees Celsius; states
    from 0 (no cooling) to the maximum, -1 where the device does not know. *Absent when*: the kernel has no thermal
    zones. A zone that cannot be read (its sensor sleeps) is left out, the others stay. *Cost*: one read for each zone
    and cooling device; types and maxima are read once a minute.
    """

    name: ClassVar[str] = "thermal_zone"
    metrics: ClassVar[tuple[Metric, ...]] = (TEMPERATURE, STATE, MAX_STATE)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/thermal")
        self._reader = AttributeReader(host)
        self._listed: list[str] = []
        self._temperatures: list[NumberFile] = []
        self._states: list[NumberFile] = []
        self._limits: list[NumberFile] = []
        self._maxima: list[Row] = []
        self._zones: list[tuple[str, str]] = []
        self._coolers: list[tuple[str, str]] = []
        self._labelled: list[tuple[str, str]] = []
        self._left_out_once = 0

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=RELIST_SECONDS)
        reader = self._reader
        # The very same list is one that was remembered, and so is all that was read for it.
        if listed is not self._listed:
            self._learn(listed)
            self._listed = listed
        reader.left_out = self._left_out_once
        families = (
            Family(TEMPERATURE, rows_now(self._temperatures, reader)),
            Family(STATE, rows_now(self._states, reader)),
            Family(MAX_STATE, self._maxima),
        )
        self.left_out = reader.left_out
        return [family for family in families if family.rows]

    def _learn(self, listed: list[str]) -> None:
        reader = self._reader
        reader.left_out = max(0, len(listed) - MAX_ENTRIES)
        if listed != self._listed:
            self._zones = [*by_label(listed[:MAX_ENTRIES], _ZONE).items()]
            self._coolers = [*by_label(listed[:MAX_ENTRIES], _COOLER).items()]
        labels = [self._labels(*entry) for entry in (*self._zones, *self._coolers)]
        if labels != self._labelled or listed != self._listed:
            self._labelled = labels
            self._plan()
        self._maxima = rows_anew(self._limits, reader)
        self._left_out_once = reader.left_out

    def _labels(self, label: str, name: str) -> tuple[str, str]:
        """Number and type."""
        type_ = self._reader.anew(f"{self._folder}/{name}/type") or b""
        return label, text(type_[:MAX_VALUE_BYTES].strip())

    def _plan(self) -> None:
        zones, coolers = self._labelled[: len(self._zones)], self._labelled[len(self._zones) :]
        of_zones = [(f"{self._folder}/{name}", label) for (_, name), label in zip(self._zones, zones, strict=True)]
        of_coolers = [
            (f"{self._folder}/{name}", label) for (_, name), label in zip(self._coolers, coolers, strict=True)
        ]
        self._temperatures = [NumberFile(f"{folder}/temp", label, parse_millidegrees) for folder, label in of_zones]
        self._states = [NumberFile(f"{folder}/cur_state", label, int64) for folder, label in of_coolers]
        self._limits = [NumberFile(f"{folder}/max_state", label, int64) for folder, label in of_coolers]


def build(host: Host, settings: Settings) -> ThermalZoneCollector:
    return ThermalZoneCollector(host)
