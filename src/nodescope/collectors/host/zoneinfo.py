"""Collector zoneinfo: memory by zone."""

from __future__ import annotations

import re
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.zoneinfo_fields import FIELDS, MAX_PROTECTIONS, protection
from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.kernel.signed_number import int64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_ZONES: Final = 8192
USUAL_PROTECTIONS: Final = 5

_NAMES: Final = re.compile(rb"(\d{1,9}), zone\s+(\w+)\s*$")
_FIELD: Final = re.compile(rb"\n +(\S+) *([^\s]*)")
_PROTECTION: Final = re.compile(rb"\n +protection: *(.*)")


class Zone(NamedTuple):
    """A zone's labels, its numbers in the file's order, and how many of its lines are left out."""

    labels: tuple[str, str]
    numbers: list[tuple[Metric, int]]
    left_out: int


def zones_of(data: bytes) -> list[bytes]:
    """The part on each zone, from the node's number to the page sets of the CPUs, which are most of the file."""
    return [part.partition(b"\n  pagesets")[0] for part in (b"\n" + data).split(b"\nNode ")[1:]]


def parse_zone(part: bytes, source: str) -> Zone:
    """What `zones_of` gives. Raises `Malformed` where it is not known which zone it is, or where it says nothing."""
    names = _NAMES.match(part.partition(b"\n")[0])
    if names is None:
        raise Malformed(source, part, "a node's number, a comma and a zone")
    found: dict[Metric, int] = {}
    left_out = 0
    for key, raw in _FIELD.findall(part):
        metric = FIELDS.get(key)
        if metric is None:
            continue
        value = uint64(raw)
        if value is None or metric in found:
            left_out += 1
        else:
            found[metric] = value
    listed = _PROTECTION.search(part)
    if listed is not None:
        pages = parse_protection(listed[1])
        left_out += not pages
        found.update((protection(index), page) for index, page in enumerate(pages))
    if not found:
        raise Malformed(source, part, "numbers of pages")
    return Zone((names[1].decode(), names[2].decode()), list(found.items()), left_out)


def parse_protection(raw: bytes) -> list[int]:
    """`(0, 2039, 31932)`; none where it is not that."""
    raw = raw.strip()
    if not raw.startswith(b"(") or not raw.endswith(b")"):
        return []
    numbers = [int64(number.strip()) for number in raw[1:-1].split(b",", MAX_PROTECTIONS)]
    pages = [number for number in numbers if number is not None]
    return pages if len(pages) == len(numbers) <= MAX_PROTECTIONS else []


class ZoneinfoCollector:
    """How many pages each zone of each node has, what they are used for, and its watermarks.

    *Source*: /proc/zoneinfo, proc_zoneinfo(5), Documentation/admin-guide/sysctl/vm.rst. *Units*: pages; nr_kernel_stack
    in kilobytes, counters in events. What is counted for a node as a whole is in its first zone. *Absent when*: the
    file is not there; a number where the kernel does not have it. *Cost*: one read, long where there are many CPUs.
    """

    name: ClassVar[str] = "zoneinfo"
    metrics: ClassVar[tuple[Metric, ...]] = (*FIELDS.values(), *map(protection, range(USUAL_PROTECTIONS)))
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("zoneinfo")
        self._zones: dict[bytes, tuple[Zone, list[Row]]] = {}

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        parts = zones_of(data)
        self.left_out = max(0, len(parts) - MAX_ZONES)
        before, self._zones = self._zones, {}
        labels: set[tuple[str, str]] = set()
        by_metric: dict[Metric, list[Row]] = {}
        for part in parts[:MAX_ZONES]:
            # Many zones are never used: what they said is what they say.
            known = before.get(part) or self._read(part)
            if known is None or known[0].labels in labels:
                self.left_out += 1
                continue
            zone, rows = self._zones[part] = known
            self.left_out += zone.left_out
            labels.add(zone.labels)
            for (metric, _), row in zip(zone.numbers, rows, strict=True):
                by_metric.setdefault(metric, []).append(row)
        if not by_metric:
            raise Malformed(self._path, data, "zones that begin with 'Node 0, zone Normal'")
        return [Family(metric, rows) for metric, rows in by_metric.items()]

    def _read(self, part: bytes) -> tuple[Zone, list[Row]] | None:
        try:
            zone = parse_zone(part, self._path)
        except Malformed:
            return None
        return zone, [(zone.labels, number) for _, number in zone.numbers]


def build(host: Host, settings: Settings) -> ZoneinfoCollector:
    return ZoneinfoCollector(host)
