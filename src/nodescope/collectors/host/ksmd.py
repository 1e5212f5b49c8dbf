"""Collector ksmd: what the kernel's samepage merging does."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.number import uint64
from nodescope.kernel.signed_number import int64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MILLISECONDS: Final = 1000


def _gauge(name: str, help: str) -> Metric:
    return Metric(f"node_ksmd_{name}", "gauge", help)


SLEEP: Final = _gauge("sleep_seconds", "How many seconds ksmd should sleep before next scan.")

FILES: Final[tuple[tuple[str, Metric, Callable[[bytes], int | None]], ...]] = (
    (
        "full_scans",
        Metric("node_ksmd_full_scans_total", "counter", "How many times all mergeable areas have been scanned."),
        uint64,
    ),
    (
        "general_profit",
        _gauge(
            "general_profit_bytes",
            "How effective is KSM. ksm_saved_pages * sizeof(page) - (all_rmap_items) * sizeof(rmap_item)",
        ),
        # Bookkeeping can take more memory than merging saves.
        int64,
    ),
    (
        "merge_across_nodes",
        _gauge("merge_across_nodes", "Specifies if pages from different NUMA nodes can be merged."),
        uint64,
    ),
    ("pages_shared", _gauge("pages_shared", "How many shared pages are being used."), uint64),
    (
        "pages_sharing",
        _gauge("pages_sharing", "How many more sites are sharing them i.e. how much saved."),
        uint64,
    ),
    ("pages_to_scan", _gauge("pages_to_scan", "How many pages to scan before ksmd goes to sleep."), uint64),
    (
        "pages_unshared",
        _gauge("pages_unshared", "How many pages unique but repeatedly checked for merging."),
        uint64,
    ),
    (
        "pages_volatile",
        _gauge("pages_volatile", "How many pages changing too fast to be placed in a tree."),
        uint64,
    ),
    ("run", _gauge("run", "The status of ksmd. stopped = 0, running = 1"), uint64),
    ("sleep_millisecs", SLEEP, uint64),
)


class KsmdCollector:
    """What the kernel's samepage merging has found, saved, and is set to.

    *Source*: /sys/kernel/mm/ksm/*, Documentation/admin-guide/mm/ksm.rst. *Units*: pages, bytes (negative where merging
    costs more than it saves), seconds; run is 2 while everything is unmerged. *Absent when*: the kernel has no
    CONFIG_KSM; general_profit before Linux 6.1, merge_across_nodes without NUMA. *Cost*: ten reads.
    """

    name: ClassVar[str] = "ksmd"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric for _, metric, _ in FILES)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._reader = AttributeReader(host)
        self._folder = host.sys("kernel/mm/ksm")
        self._files = [(f"{self._folder}/{file}", metric, number) for file, metric, number in FILES]
        self._last: dict[str, tuple[bytes, Family]] = {}

    def collect(self) -> list[Family]:
        self._reader.left_out = self.left_out = 0
        families = []
        odd: Malformed | None = None
        for path, metric, number in self._files:
            data = self._reader.now(path, built_in=True)
            if data is None:
                continue
            before = self._last.get(path)
            if before is None or before[0] != data:
                value = number(data.strip())
                if value is None:
                    odd = Malformed(path, data, "a number")
                    self._reader.left_out += 1
                    continue
                before = self._last[path] = (data, single(metric, value / MILLISECONDS if metric is SLEEP else value))
            families.append(before[1])
        self.left_out = self._reader.left_out
        if not families:
            raise odd or Absent(self._folder)
        return families


def build(host: Host, settings: Settings) -> KsmdCollector:
    return KsmdCollector(host)
