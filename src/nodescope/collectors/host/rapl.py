"""Energy that CPU packages, cores and memory have used."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.number_file import NumberFile
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_ZONES: Final = 4096
MAX_KEPT_METRICS: Final = 4096
RELIST_SECONDS: Final = 60.0

JOULES: Final = Metric(
    "node_rapl_joules_total", "counter", "Current RAPL value in joules", ("index", "path", "rapl_zone")
)

_NOT_IN_NAMES: Final = re.compile("_*[^0-9A-Za-z_]+_*")


class Zone(NamedTuple):
    """A zone's name without the number behind it, that number, and its directory."""

    name: str
    number: int
    folder: str


@lru_cache(MAX_KEPT_METRICS)
def metric_of(zone: str) -> Metric:
    name = _NOT_IN_NAMES.sub("_", zone)
    return Metric(
        f"node_rapl_{name}_joules_total", "counter", f"Current RAPL {zone} value in joules", ("index", "path")
    )


def parse_zone_name(name: str, used: Counter[str]) -> tuple[str, int]:
    """package-1: package and 1. A name without a number gets the next one that its namesakes left."""
    before, dash, after = name.partition("-")
    number = uint64(after.encode()) if dash else None
    zone, index = (name, used[name]) if number is None else (before, number)
    used[zone] = index + 1
    return zone, index


def parse_microjoules(raw: bytes) -> float | None:
    """Joules of a number of microjoules."""
    value = uint64(raw)
    return None if value is None else value / 1000000.0


class RaplCollector:
    """Energy counters of the running average power limit zones.

    *Source*: /sys/class/powercap/ZONE, Documentation/power/powercap/powercap.rst. *Units*: joules; the kernel's counter
    begins again at 0 after `max_energy_range_uj`. *Absent when*: there are no such zones, or the kernel refuses the
    counters, which it gives to root alone since 5.10. *Cost*: one read for each zone; names are read once a minute.
    """

    name: ClassVar[str] = "rapl"
    metrics: ClassVar[tuple[Metric, ...]] = (*map(metric_of, ("core", "dram", "package", "psys", "uncore")), JOULES)
    left_out: int = 0

    def __init__(self, host: Host, *, zone_label: bool) -> None:
        self._host = host
        self._folder = host.sys("class/powercap")
        self._zone_label = zone_label
        self._reader = AttributeReader(host)
        self._listed: list[str] = []
        self._files: list[tuple[Metric, NumberFile]] = []
        self._left_out_once = 0

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=RELIST_SECONDS)
        if listed is not self._listed:
            self._learn(listed)
            self._listed = listed
        rows: dict[Metric, list[Row]] = {}
        self._reader.left_out = self._left_out_once
        refused = ""
        for metric, file in self._files:
            try:
                row = file.row(self._host.read(file.path), self._reader)
            except PermissionError:
                refused = refused or file.path
                continue
            except (Absent, Malformed, OSError) as error:
                self._reader.count(error)
                continue
            if row is not None:
                rows.setdefault(metric, []).append(row)
        self.left_out = self._reader.left_out
        if refused and not rows:
            raise Absent(f"permission to read {refused} (the kernel gives it to root alone)")
        return [Family(metric, found) for metric, found in rows.items()]

    def _learn(self, listed: list[str]) -> None:
        self._reader.left_out = max(0, len(listed) - MAX_ZONES)
        self._files = []
        metrics: dict[str, Metric] = {}
        seen: set[tuple[str, ...]] = set()
        for zone in self._zones(listed[:MAX_ZONES]):
            labels: tuple[str, ...] = (str(zone.number), shown(os.path.normpath(zone.folder)))
            if labels in seen:
                self._reader.left_out += 1
                continue
            seen.add(labels)
            metric = metric_of(zone.name)
            # Names of zones may differ in letters that names of metrics have not: the first gives the help.
            metric = metrics.setdefault(metric.name, metric)
            if self._zone_label:
                metric, labels = JOULES, (*labels, zone.name)
            self._files.append((metric, NumberFile(f"{zone.folder}/energy_uj", labels, parse_microjoules)))
        self._left_out_once = self._reader.left_out

    def _zones(self, listed: list[str]) -> list[Zone]:
        """The entries that have a name. Those without are control types: they hold zones and count nothing."""
        used: Counter[str] = Counter()
        zones = []
        for entry in listed:
            folder = f"{self._folder}/{entry}"
            name = self._reader.anew(f"{folder}/name")
            if name is not None:
                zones.append(Zone(*parse_zone_name(text(name.strip()), used), folder))
        return zones


def build(host: Host, settings: Settings) -> RaplCollector:
    return RaplCollector(host, zone_label=settings["collector.rapl.enable-zone-label"])
