"""Caches of block devices by bcache."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.bcache_metrics import BACKING, CACHE, METRICS, READAHEADS, SET, Kind
from nodescope.collectors.host.bcache_values import parse_report
from nodescope.collectors.host.device_label import by_label
from nodescope.collectors.host.number_file import NumberFile
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_SETS: Final = 256
MAX_DEVICES: Final = 1024
"""Of each kind, in one set."""
LIST_SECONDS: Final = 10.0


class Folder:
    """A set, or a device of one: its files and their numbers."""

    def __init__(self, path: str, labels: tuple[str, ...], kind: Kind) -> None:
        self._labels = labels
        self._files = [
            (metric, NumberFile(f"{path}/{name}", labels, parse)) for name, (metric, parse) in kind.numbers.items()
        ]
        self._reports = [(f"{path}/{name}", lines) for name, lines in kind.reports.items()]

    def read(self, reader: AttributeReader, rows: dict[Metric, list[Row]]) -> None:
        """Adds a row for each number that there is; what is odd is counted."""
        for metric, file in self._files:
            row = file.row(reader.now(file.path, built_in=True), reader)
            # Linux counts readaheads no more since 5.13: none at all is shown as on a kernel without the file.
            if row is not None and (row[1] or metric is not READAHEADS.metric):
                rows.setdefault(metric, []).append(row)
        for path, lines in self._reports:
            data = reader.now(path, built_in=True)
            if data is None:
                continue
            try:
                report = parse_report(data, path, lines)
            except Malformed as error:
                reader.count(error)
                continue
            reader.left_out += report.left_out
            for metric, number in report.numbers:
                rows.setdefault(metric, []).append((self._labels, number))


class CacheSet:
    """One cache set and those of its devices that it had when it was last listed."""

    def __init__(self, host: Host, path: str, uuid: str, kinds: tuple[Kind, ...]) -> None:
        self._host = host
        self._path = path
        self._uuid = uuid
        self._kinds = kinds
        self._own = Folder(path, (uuid,), SET)
        self._listed: list[str] = []
        self._devices: dict[str, Folder] = {}
        self._too_many = 0

    def read(self, reader: AttributeReader, rows: dict[Metric, list[Row]]) -> None:
        """Adds the rows of the set and of its devices. Raises `Absent`, `OSError` where there is no set."""
        listed = self._host.list(self._path, keep_s=LIST_SECONDS)
        if listed != self._listed:
            self._learn(listed)
        reader.left_out += self._too_many
        for folder in (self._own, *self._devices.values()):
            folder.read(reader, rows)

    def _learn(self, listed: list[str]) -> None:
        known, self._devices, self._too_many = self._devices, {}, 0
        for kind in self._kinds:
            names = list(by_label(listed, kind.names).items())
            self._too_many += max(0, len(names) - MAX_DEVICES)
            for label, name in names[:MAX_DEVICES]:
                path = f"{self._path}/{name}"
                if name not in known:
                    self._host.forget(path)
                self._devices[name] = known.get(name) or Folder(path, (self._uuid, label), kind)
        self._listed = listed


class BcacheCollector:
    """What each cache set of bcache holds, what has passed it by, and how fast dirty data is written back.

    *Source*: /sys/fs/bcache/UUID, Documentation/admin-guide/bcache.rst. *Units*: bytes, sectors, percent, seconds. Most
    sizes have three or four digits, for the kernel rounds them, so a counter of bytes stands still and then jumps.
    node_bcache_btree_read_average_duration_seconds is a thousandth of the truth, as node_exporter has it: the kernel
    gives microseconds, which are taken for nanoseconds. *Absent when*: the kernel has no bcache. A file or line that is
    not there has no series, nor have readaheads while there were none; one that is odd costs its own series alone.
    *Cost*: ten reads for each set, nine for each backing device, three for each cache; with priority_stats one more,
    for which the kernel sorts all buckets of the cache.
    """

    name: ClassVar[str] = "bcache"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host, priority_stats: bool) -> None:
        self._host = host
        self._folder = host.sys("fs/bcache")
        self._reader = AttributeReader(host)
        self._kinds = (BACKING, CACHE if priority_stats else CACHE._replace(reports={}))
        self._listed: list[str] = []
        self._sets: dict[str, CacheSet] = {}
        self._too_many = 0

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed != self._listed:
            self._learn(listed)
        self._reader.left_out = self._too_many
        rows: dict[Metric, list[Row]] = {}
        for cache_set in self._sets.values():
            try:
                cache_set.read(self._reader, rows)
            except (Absent, OSError) as error:
                self._reader.count(error)
        self.left_out = self._reader.left_out
        return [Family(metric, rows[metric]) for metric in METRICS if metric in rows]

    def _learn(self, listed: list[str]) -> None:
        known, self._sets = self._sets, {}
        names = list(by_label(listed, SET.names).items())
        self._too_many = max(0, len(names) - MAX_SETS)
        for uuid, name in names[:MAX_SETS]:
            path = f"{self._folder}/{name}"
            if name not in known:
                self._host.forget(path)
            self._sets[name] = known.get(name) or CacheSet(self._host, path, uuid, self._kinds)
        self._listed = listed


def build(host: Host, settings: Settings) -> BcacheCollector:
    return BcacheCollector(host, settings["collector.bcache.priorityStats"])
