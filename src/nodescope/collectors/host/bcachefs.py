"""Bcachefs filesystems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.bcachefs_files import (
    Table,
    parse_btree_write_stats,
    parse_compression_stats,
    parse_counter,
    parse_errors,
    parse_io_done,
    parse_io_errors,
    parse_number,
    parse_size,
)
from nodescope.collectors.host.device_label import by_label
from nodescope.host import SYSFS_PAGE_BYTES, Absent, Host, Malformed, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_FILESYSTEMS: Final = 256
MAX_DEVICES: Final = 1024
MAX_COUNTERS: Final = 1024
LIST_SECONDS: Final = 10.0

_DEVICE: Final = re.compile(r"dev-(.*)", re.DOTALL)
_NOT_IN_A_NAME: Final = re.compile(r"_*[^0-9A-Za-z_]+_*")


def _metric(name: str, help: str, *label_names: str) -> Metric:
    kind: Final = "counter" if name.endswith("_total") else "gauge"
    return Metric(f"node_bcachefs_{name}", kind, help, ("uuid", *label_names))


@lru_cache(maxsize=MAX_COUNTERS)
def counter_metric(counter: str) -> Metric:
    """The metric of a file in counters: kernels have some hundred, and each version others."""
    return _metric(
        f"{_NOT_IN_A_NAME.sub('_', counter)}_total", f"Bcachefs counter {counter} since filesystem creation."
    )


class Kind(NamedTuple):
    """A file, the metrics that its numbers are, and how it is read."""

    file: str
    metrics: tuple[Metric, ...]
    parse: Callable[[bytes, str], Table]


INFO: Final = _metric("info", "Filesystem information.")
DEVICE_INFO: Final = _metric("device_info", "Device information.", "device", "label", "state")

FILESYSTEM_FILES: Final = (
    Kind("btree_cache_size", (_metric("btree_cache_size_bytes", "Btree cache memory usage in bytes."),), parse_size),
    Kind(
        "compression_stats",
        (
            _metric("compression_compressed_bytes", "Compressed size by algorithm.", "algorithm"),
            _metric("compression_uncompressed_bytes", "Uncompressed size by algorithm.", "algorithm"),
        ),
        parse_compression_stats,
    ),
    Kind("errors", (_metric("errors_total", "Error count by error type.", "error_type"),), parse_errors),
    Kind(
        "btree_write_stats",
        (
            _metric("btree_writes_total", "Number of btree writes by type.", "type"),
            _metric("btree_write_average_size_bytes", "Average btree write size by type.", "type"),
        ),
        parse_btree_write_stats,
    ),
)
DEVICE_FILES: Final = (
    Kind("bucket_size", (_metric("device_bucket_size_bytes", "Bucket size in bytes.", "device"),), parse_size),
    Kind("nbuckets", (_metric("device_buckets", "Total number of buckets.", "device"),), parse_number),
    Kind("durability", (_metric("device_durability", "Device durability setting.", "device"),), parse_number),
    Kind(
        "io_done",
        (
            _metric(
                "device_io_done_bytes_total",
                "IO bytes by operation type and data type.",
                *("device", "operation", "data_type"),
            ),
        ),
        parse_io_done,
    ),
    Kind(
        "io_errors", (_metric("device_io_errors_total", "IO errors by error type.", "device", "type"),), parse_io_errors
    ),
)

Rows = Iterator[tuple[Metric, Row]]


class _File:
    """One file, and its rows as they were when it last changed."""

    __slots__ = ("_data", "_kind", "_labels", "_odd", "_path", "_rows")

    def __init__(self, folder: str, labels: tuple[str, ...], kind: Kind) -> None:
        self._path = f"{folder}/{kind.file}"
        self._labels = labels
        self._kind = kind
        self._data: bytes | None = None
        self._rows: list[tuple[Metric, Row]] = []
        self._odd = 0

    def rows(self, reader: AttributeReader) -> list[tuple[Metric, Row]]:
        data = reader.now(self._path)
        if data != self._data:
            self._data, self._rows, self._odd = data, [], 0
            if data is not None:
                self._read(data)
        reader.left_out += self._odd
        return self._rows

    def _read(self, data: bytes) -> None:
        try:
            table = self._kind.parse(data, self._path)
        except Malformed:
            self._odd = 1
            return
        self._odd = table.left_out
        for labels, numbers in table.rows.items():
            all_labels = (*self._labels, *labels)
            self._rows += [
                (metric, (all_labels, number)) for metric, number in zip(self._kind.metrics, numbers, strict=True)
            ]


class _Device:
    """One device of a filesystem: its files."""

    def __init__(self, host: Host, folder: str, labels: tuple[str, str]) -> None:
        self._host = host
        # With the dot behind it a folder alone is found.
        self._itself = f"{folder}/."
        self._about = (f"{folder}/label", f"{folder}/state")
        self._labels = labels
        self._files = [_File(folder, labels, kind) for kind in DEVICE_FILES]

    def rows(self, reader: AttributeReader) -> Rows:
        """Nothing where the device is gone."""
        if not self._host.exists(self._itself):
            return
        label, state = (text((reader.now(path) or b"")[:SYSFS_PAGE_BYTES].strip()) for path in self._about)
        yield DEVICE_INFO, ((*self._labels, label, state), 1)
        for file in self._files:
            yield from file.rows(reader)


class _Filesystem:
    """One filesystem: its files, its counters and its devices."""

    def __init__(self, host: Host, folder: str, uuid: str) -> None:
        self._host = host
        self._folder = folder
        self._itself = f"{folder}/."
        self._uuid = uuid
        self._info: tuple[Metric, Row] = (INFO, ((uuid,), 1))
        self._files = [_File(folder, (uuid,), kind) for kind in FILESYSTEM_FILES]
        self._listed_counters: list[str] = []
        self._counters: dict[str, _File] = {}
        self._listed: list[str] = []
        self._devices: dict[str, _Device] = {}
        self._too_many = 0

    def rows(self, reader: AttributeReader) -> Rows:
        """Nothing where the filesystem is gone."""
        if not self._host.exists(self._itself):
            return
        yield self._info
        self._look(reader)
        for file in (*self._files, *self._counters.values()):
            yield from file.rows(reader)
        for device in self._devices.values():
            yield from device.rows(reader)

    def _look(self, reader: AttributeReader) -> None:
        """Finds out which counters and devices there are."""
        counters = self._list(f"{self._folder}/counters", reader)
        if counters != self._listed_counters:
            self._counters = {
                name: self._counters.get(name) or self._counter(label, name)
                for label, name in by_label(counters[:MAX_COUNTERS]).items()
            }
            self._listed_counters = counters
        listed = self._list(self._folder, reader)
        if listed != self._listed:
            devices = by_label(listed, _DEVICE)
            self._devices = {
                name: self._devices.get(name) or self._device(label, name)
                for label, name in list(devices.items())[:MAX_DEVICES]
            }
            self._listed = listed
            self._too_many = max(0, len(devices) - MAX_DEVICES)
        reader.left_out += self._too_many + max(0, len(counters) - MAX_COUNTERS)

    def _counter(self, label: str, name: str) -> _File:
        return _File(f"{self._folder}/counters", (self._uuid,), Kind(name, (counter_metric(label),), parse_counter))

    def _device(self, label: str, name: str) -> _Device:
        return _Device(self._host, f"{self._folder}/{name}", (self._uuid, label))

    def _list(self, folder: str, reader: AttributeReader) -> list[str]:
        try:
            return self._host.list(folder, keep_s=LIST_SECONDS)
        except (Absent, OSError) as error:
            reader.count(error)
            return []


METRICS: Final = (
    INFO,
    *(metric for kind in FILESYSTEM_FILES for metric in kind.metrics),
    DEVICE_INFO,
    *(metric for kind in DEVICE_FILES for metric in kind.metrics),
)


class BcachefsCollector:
    """Space, errors, counters and devices of each mounted bcachefs filesystem.

    *Source*: /sys/fs/bcachefs/UUID, fs/bcachefs/sysfs.c. Each file in counters is a family of its own, of what was
    counted since the filesystem was made. *Units*: bytes; counters as the kernel counts: events, or bytes. Most sizes
    and some counters are known to three digits only. *Absent when*: no bcachefs is mounted; each series where its
    file is not there. What is not as documented costs its own series. *Cost*: some 150 reads for each filesystem and
    seven for each device.
    """

    name: ClassVar[str] = "bcachefs"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("fs/bcachefs")
        self._reader = AttributeReader(host)
        self._listed: list[str] = []
        self._filesystems: dict[str, _Filesystem] = {}

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if not listed:
            raise Absent(f"{self._folder}/*")
        if listed != self._listed:
            self._learn(listed)
        self._reader.left_out = max(0, len(listed) - MAX_FILESYSTEMS)
        found = (row for filesystem in self._filesystems.values() for row in filesystem.rows(self._reader))
        families = self._families(found)
        self.left_out = self._reader.left_out
        return families

    def _learn(self, listed: list[str]) -> None:
        known, self._filesystems = self._filesystems, {}
        for uuid, name in by_label(listed[:MAX_FILESYSTEMS]).items():
            folder = f"{self._folder}/{name}"
            if name not in known:
                self._host.forget(folder)
            self._filesystems[name] = known.get(name) or _Filesystem(self._host, folder, uuid)
        self._listed = listed

    def _families(self, found: Iterable[tuple[Metric, Row]]) -> list[Family]:
        """A counter whose family would have the name of another is left out."""
        columns: dict[str, tuple[Metric, list[Row]]] = {metric.name: (metric, []) for metric in METRICS}
        for metric, row in found:
            known, rows = columns.setdefault(metric.name, (metric, []))
            if known == metric:
                rows.append(row)
            else:
                self._reader.left_out += 1
        return [Family(metric, rows) for metric, rows in columns.values() if rows]


def build(host: Host, settings: Settings) -> BcachefsCollector:
    return BcachefsCollector(host)
