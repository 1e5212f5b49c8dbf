"""Connection tracking."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.number import UINT64_MAX, uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_nf_conntrack_{name}", "gauge", help)


ENTRIES: Final = _metric("entries", "Number of currently allocated flow entries for connection tracking.")
LIMIT: Final = _metric("entries_limit", "Maximum size of connection tracking table.")
STATISTICS: Final = (
    (b"found", _metric("stat_found", "Number of searched entries which were successful.")),
    (b"invalid", _metric("stat_invalid", "Number of packets seen which can not be tracked.")),
    (
        b"ignore",
        _metric("stat_ignore", "Number of packets seen which are already connected to a conntrack entry."),
    ),
    (b"insert", _metric("stat_insert", "Number of entries inserted into the list.")),
    (
        b"insert_failed",
        _metric("stat_insert_failed", "Number of entries for which list insertion was attempted but failed."),
    ),
    (b"drop", _metric("stat_drop", "Number of packets dropped due to conntrack failure.")),
    (
        b"early_drop",
        _metric(
            "stat_early_drop",
            "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
        ),
    ),
    (
        b"search_restart",
        _metric(
            "stat_search_restart",
            "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
        ),
    ),
)
"""By the name of the column."""

_HEADING: Final = b"entries"
_HEX: Final = re.compile(rb"0*[0-9a-fA-F]{1,16}")


def parse_entries(data: bytes, source: str) -> int:
    """Raises `Malformed`."""
    number = uint64(data.strip())
    if number is None:
        raise Malformed(source, data, "one number")
    return number


def parse_statistics(data: bytes, source: str) -> tuple[dict[bytes, int], int]:
    """Name of a column -> its sum over all CPUs, and how many lines could not be read, or not wholly.

    A column of which one CPU's part cannot be read has no sum. Raises `Malformed`.
    """
    names, *lines = [words for line in data.split(b"\n") if (words := line.split())] or [[]]
    if not names or names[0] != _HEADING or not lines:
        raise Malformed(source, data, "a heading, then a line of hexadecimal numbers for each CPU")
    positions = {name: names.index(name) for name, _ in STATISTICS if name in names}
    sums = dict.fromkeys(positions, 0)
    left_out = 0
    for words in lines:
        for name in list(sums):
            word = words[positions[name]] if positions[name] < len(words) else b""
            if _HEX.fullmatch(word):
                sums[name] = sums[name] + int(word, 16) & UINT64_MAX
            else:
                del sums[name]
        left_out += len(words) != len(names) or not all(map(_HEX.fullmatch, words))
    return sums, left_out


class ConntrackCollector:
    """How full the table of tracked connections is, and what became of packets and entries.

    *Source*: /proc/sys/net/netfilter/nf_conntrack_{count,max}, Documentation/networking/nf_conntrack-sysctl.rst;
    /proc/net/stat/nf_conntrack, ct_cpu_seq_show() in net/netfilter/nf_conntrack_standalone.c. *Units*: entries,
    packets, events. *Absent when*: the module nf_conntrack is not loaded; the statistics where the kernel does not
    show them (CONFIG_NF_CONNTRACK_PROCFS). *Cost*: three reads.
    """

    name: ClassVar[str] = "conntrack"
    metrics: ClassVar[tuple[Metric, ...]] = (ENTRIES, LIMIT, *(metric for _, metric in STATISTICS))
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._numbers = (
            (host.proc("sys/net/netfilter/nf_conntrack_count"), ENTRIES),
            (host.proc("sys/net/netfilter/nf_conntrack_max"), LIMIT),
        )
        self._statistics = host.proc("net/stat/nf_conntrack")
        self._read: dict[str, tuple[bytes, Family]] = {}
        self._last: tuple[bytes, list[Family], int] = (b"", [], 0)

    def collect(self) -> list[Family]:
        families: list[Family] = []
        odd: Malformed | OSError | None = None
        self.left_out = 0
        for path, metric in self._numbers:
            try:
                families.append(self._number(path, metric))
            except Absent:
                continue
            except (Malformed, OSError) as error:
                odd = error.with_traceback(None)
                self.left_out += 1
        try:
            families += self._statistics_families()
        except Absent:
            pass
        except (Malformed, OSError) as error:
            odd = error.with_traceback(None)
            self.left_out += 1
        if not families:
            raise odd or Absent(self._statistics)
        return families

    def _number(self, path: str, metric: Metric) -> Family:
        data = self._host.read(path, at_once=True, built_in=True)
        last = self._read.get(path)
        if last is None or last[0] != data:
            last = self._read[path] = data, single(metric, parse_entries(data, path))
        return last[1]

    def _statistics_families(self) -> list[Family]:
        data = self._host.read(self._statistics, built_in=True)
        if data != self._last[0]:
            sums, left_out = parse_statistics(data, self._statistics)
            self._last = data, [single(metric, sums[name]) for name, metric in STATISTICS if name in sums], left_out
        self.left_out += self._last[2]
        return self._last[1]


def build(host: Host, settings: Settings) -> ConntrackCollector:
    return ConntrackCollector(host)
