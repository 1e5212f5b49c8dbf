"""Collector slabinfo: the kernel's caches of objects."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.host import Host, Malformed, text
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_SLABS: Final = 16_384
EXPECTED: Final = "lines of a name, five numbers, ': tunables', three numbers, ': slabdata', three numbers"


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_slabinfo_{name}", "gauge", help, ("slab",))


COLUMNS: Final = (
    _metric("active_objects", "The number of objects that are currently active (i.e., in use)."),
    _metric("objects", "The total number of allocated objects (i.e., objects that are both in use and not in use)."),
    _metric("object_size_bytes", "The size of objects in this slab, in bytes."),
    _metric("objects_per_slab", "The number of objects stored in each slab."),
    _metric("pages_per_slab", "The number of pages allocated for each slab."),
)


class Slab(NamedTuple):
    """`numbers`: one for each of `COLUMNS`."""

    name: bytes
    numbers: list[int]


class _Seen(NamedTuple):
    """What a line gave. `labels`: None where the slab is filtered out, and then it has no rows."""

    name: bytes
    labels: tuple[str] | None
    rows: list[Row]


def parse_line(line: bytes) -> Slab | None:
    """A line of version 2.1, with or without the statistics of a debugging kernel behind it; None for any other.

    A name may hold blanks, for it is whatever a module calls its cache.
    """
    front, _, back = line.partition(b" : tunables ")
    words, tail = front.rsplit(None, len(COLUMNS)), back.split(None, 8)
    if len(words) != len(COLUMNS) + 1 or len(tail) < 8 or tail[3:5] != [b":", b"slabdata"]:
        return None
    numbers = uint64s(words[1:])
    if not numbers or not b"".join(tail[:3] + tail[5:8]).isdigit():
        return None
    return Slab(words[0].strip(), numbers)


def is_heading(line: bytes) -> bool:
    return line.startswith((b"slabinfo -", b"# name")) or not line.strip()


class SlabinfoCollector:
    """How many objects each of the kernel's caches has, how many are in use, and how large they are.

    *Source*: /proc/slabinfo, proc_slabinfo(5), version 2.1. *Units*: objects, bytes, pages. *Absent when*: the file is
    not there; only root may read it. *Cost*: one read, for which the kernel walks through all caches.
    """

    name: ClassVar[str] = "slabinfo"
    metrics: ClassVar[tuple[Metric, ...]] = COLUMNS
    left_out: int = 0

    def __init__(self, host: Host, slabs: DeviceFilter) -> None:
        self._host = host
        self._path = host.proc("slabinfo")
        self._slabs = slabs
        self._seen: dict[bytes, _Seen] = {}

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        lines = [line for line in data.split(b"\n") if not is_heading(line)]
        self.left_out = max(0, len(lines) - MAX_SLABS)
        shown = self._read(lines[:MAX_SLABS])
        if not self._seen:
            raise Malformed(self._path, data, EXPECTED)
        return [Family(metric, list(column)) for metric, column in zip(COLUMNS, zip(*shown, strict=True), strict=False)]

    def _read(self, lines: list[bytes]) -> list[list[Row]]:
        """The rows of each slab that is shown, in the order of `COLUMNS`; of a line that is as it was, what it gave."""
        before, self._seen = self._seen, {}
        known = {seen.name: seen.labels for seen in before.values()}
        names: set[bytes] = set()
        shown: list[list[Row]] = []
        for line in lines:
            seen = before.get(line)
            if seen is None:
                slab = parse_line(line)
                if slab is None:
                    self.left_out += 1
                    continue
                labels = known[slab.name] if slab.name in known else self._labels_of(slab.name)
                seen = _Seen(slab.name, labels, [(labels, number) for number in slab.numbers] if labels else [])
            if seen.name in names:
                self.left_out += 1
                continue
            names.add(seen.name)
            self._seen[line] = seen
            if seen.rows:
                shown.append(seen.rows)
        return shown

    def _labels_of(self, name: bytes) -> tuple[str] | None:
        shown = text(name)
        return (shown,) if self._slabs.keeps(shown) else None


def build(host: Host, settings: Settings) -> SlabinfoCollector:
    # Both expressions count, as node_exporter has it.
    slabs = DeviceFilter(settings["collector.slabinfo.slabs-include"], settings["collector.slabinfo.slabs-exclude"])
    return SlabinfoCollector(host, slabs)
