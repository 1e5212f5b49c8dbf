"""What the network caches and the connection tracker count, by CPU."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.hexadecimal import hex_uint64s
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_CPUS: Final = 8192
MAX_COLUMNS: Final = 256
MAX_FILES: Final = 64
FILES_SECONDS: Final = 10.0

_NOT_IN_NAMES: Final = re.compile("[^a-zA-Z0-9_]")

Columns = dict[str, tuple[int | None, ...]]
"""Counter -> its number on each CPU, in the order of the file's lines; None where it is not as documented."""

KNOWN: Final = (
    "allocs", "chainlength", "clashres", "conn_reopened", "cookie_invalid", "cookie_retrans", "cookie_valid", "delete",
    "destroys", "drop", "early_drop", "entries", "expect_create", "expect_delete", "expect_new", "forced_gc_runs",
    "found", "hash_grows", "hits", "icmp_error", "ignore", "insert", "insert_failed", "invalid", "lookups", "new",
    "periodic_gc_runs", "rcv_probes_mcast", "rcv_probes_ucast", "res_failed", "search_restart", "syn_received",
    "table_fulls", "unresolved_discards",
)  # fmt: skip
"""Counters of arp_cache, ndisc_cache, nf_conntrack and synproxy in kernels up to 6.12."""


@lru_cache(maxsize=MAX_FILES * MAX_COLUMNS)
def metric_of(counter: str) -> Metric:
    name = _NOT_IN_NAMES.sub("_", counter)
    return Metric(f"node_lnstat_{name}_total", "counter", "linux network cache stats", ("subsystem", "cpu"))


def parse_lnstat(data: bytes, source: str) -> tuple[Columns, int]:
    """Columns in the file's order, and how many lines and columns are left out.

    A line that has not a number for each name is left out. Raises `Malformed` where there is no line of names.
    """
    lines = [line.split() for line in data.split(b"\n") if line.strip()]
    if not lines or len(lines[0]) > MAX_COLUMNS or len(lines) > MAX_CPUS + 1:
        raise Malformed(source, data, f"a line of names, and a line of hexadecimal numbers for each of {MAX_CPUS} CPUs")
    header = lines[0]
    odd = 0
    cpus: list[list[int | None]] = []
    for words in lines[1:]:
        numbers: list[int | None] = [None] * len(header)
        if len(words) == len(header):
            numbers = hex_uint64s(words)
        odd += None in numbers
        cpus.append(numbers)
    columns: Columns = {}
    for position, name in enumerate(header):
        counter = _NOT_IN_NAMES.sub("_", text(name))
        if counter in columns:
            odd += 1
        else:
            columns[counter] = tuple(numbers[position] for numbers in cpus)
    return columns, odd


class _File:
    """One file of a subsystem: its newest bytes, and the rows of each counter, kept while its numbers stay."""

    def __init__(self, subsystem: str, path: str) -> None:
        self.path = path
        self.left_out = 0
        self.rows: dict[str, list[Row]] = {}
        self._subsystem = text(subsystem.encode("utf-8", "surrogateescape"))
        self._data: bytes | None = None
        self._columns: Columns = {}
        self._labels: list[tuple[str, str]] = []

    def update(self, data: bytes) -> bool:
        """Whether there is something new."""
        if data == self._data:
            return False
        columns, self.left_out = parse_lnstat(data, self.path)
        cpus = max(map(len, columns.values()), default=0)
        for cpu in range(len(self._labels), cpus):
            self._labels.append((self._subsystem, str(cpu)))
        before, known = self.rows, self._columns
        self.rows = {
            counter: before[counter] if known.get(counter) == numbers else self._rows(numbers)
            for counter, numbers in columns.items()
        }
        self._data, self._columns = data, columns
        return True

    def _rows(self, numbers: tuple[int | None, ...]) -> list[Row]:
        return [(labels, number) for labels, number in zip(self._labels, numbers, strict=False) if number is not None]


class LnstatCollector:
    """Counters of the neighbour tables, the routing cache, the connection tracker and SYN proxy, by CPU.

    *Source*: /proc/net/stat/*, lnstat(8). *Units*: events; `entries` is how many there are now. The label cpu is the
    number of the line, from 0, as there are CPUs possible. *Absent when*: the folder is not there. *Cost*: one read for
    each file.
    """

    name: ClassVar[str] = "lnstat"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric_of(counter) for counter in KNOWN)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.proc("net/stat")
        self._files: dict[str, _File] = {}
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        self.left_out = 0
        names = self._host.list(self._folder, keep_s=FILES_SECONDS)
        self.left_out += max(0, len(names) - MAX_FILES)
        files: dict[str, _File] = {}
        changed = False
        for name in names[:MAX_FILES]:
            file = self._files.get(name) or _File(name, f"{self._folder}/{name}")
            try:
                changed = file.update(self._host.read(file.path)) or changed
            except Absent:
                continue
            except (Malformed, OSError):
                self.left_out += 1
                continue
            files[name] = file
            self.left_out += file.left_out
        if changed or list(files) != list(self._files):
            self._files = files
            self._families = self._joined()
        return self._families

    def _joined(self) -> list[Family]:
        rows: dict[str, list[Row]] = {}
        for file in self._files.values():
            for counter, found in file.rows.items():
                # A new list where several subsystems have the counter: what was given is never changed.
                rows[counter] = rows[counter] + found if counter in rows else found
        return [Family(metric_of(counter), found) for counter, found in rows.items() if found]


def build(host: Host, settings: Settings) -> LnstatCollector:
    return LnstatCollector(host)
