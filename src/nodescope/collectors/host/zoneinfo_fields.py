"""What node_exporter shows of /proc/zoneinfo: the kernel's words, and their metrics."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from nodescope.metric import Metric

MAX_PROTECTIONS: Final = 32
"""The kernel has one for each kind of zone, and at most six kinds."""

LABELS: Final = ("node", "zone")


def _gauge(name: str, help: str) -> Metric:
    return Metric(f"node_zoneinfo_{name}", "gauge", help, LABELS)


def _counter(name: str, help: str) -> Metric:
    return Metric(f"node_zoneinfo_{name}_total", "counter", help, LABELS)


FIELDS: Final[dict[bytes, Metric]] = {
    b"nr_free_pages": _gauge("nr_free_pages", "Total number of free pages in the zone"),
    b"min": _gauge("min_pages", "Zone watermark pages_min"),
    b"low": _gauge("low_pages", "Zone watermark pages_low"),
    b"high": _gauge("high_pages", "Zone watermark pages_high"),
    b"scanned": _gauge("scanned_pages", "Pages scanned since last reclaim"),
    b"spanned": _gauge("spanned_pages", "Total pages spanned by the zone, including holes"),
    b"present": _gauge("present_pages", "Physical pages existing within the zone"),
    b"managed": _gauge("managed_pages", "Present pages managed by the buddy system"),
    b"nr_active_anon": _gauge("nr_active_anon_pages", "Number of anonymous pages recently more used"),
    b"nr_inactive_anon": _gauge("nr_inactive_anon_pages", "Number of anonymous pages recently less used"),
    b"nr_isolated_anon": _gauge("nr_isolated_anon_pages", "Temporary isolated pages from anon lru"),
    b"nr_anon_pages": _gauge("nr_anon_pages", "Number of anonymous pages currently used by the system"),
    b"nr_anon_transparent_hugepages": _gauge(
        "nr_anon_transparent_hugepages",
        "Number of anonymous transparent huge pages currently used by the system",
    ),
    b"nr_active_file": _gauge("nr_active_file_pages", "Number of active pages with file-backing"),
    b"nr_inactive_file": _gauge("nr_inactive_file_pages", "Number of inactive pages with file-backing"),
    b"nr_isolated_file": _gauge("nr_isolated_file_pages", "Temporary isolated pages from file lru"),
    b"nr_file_pages": _gauge("nr_file_pages", "Number of file pages"),
    b"nr_slab_reclaimable": _gauge("nr_slab_reclaimable_pages", "Number of reclaimable slab pages"),
    b"nr_slab_unreclaimable": _gauge("nr_slab_unreclaimable_pages", "Number of unreclaimable slab pages"),
    b"nr_mlock_stack": _gauge("nr_mlock_stack_pages", "mlock()ed pages found and moved off LRU"),
    b"nr_kernel_stack": _gauge("nr_kernel_stacks", "Number of kernel stacks"),
    b"nr_mapped": _gauge("nr_mapped_pages", "Number of mapped pages"),
    b"nr_dirty": _gauge("nr_dirty_pages", "Number of dirty pages"),
    b"nr_writeback": _gauge("nr_writeback_pages", "Number of writeback pages"),
    b"nr_unevictable": _gauge("nr_unevictable_pages", "Number of unevictable pages"),
    b"nr_shmem": _gauge("nr_shmem_pages", "Number of shmem pages (included tmpfs/GEM pages)"),
    b"nr_dirtied": _counter("nr_dirtied", "Page dirtyings since bootup"),
    b"nr_written": _counter("nr_written", "Page writings since bootup"),
    b"numa_hit": _counter("numa_hit", "Allocated in intended node"),
    b"numa_miss": _counter("numa_miss", "Allocated in non intended node"),
    b"numa_foreign": _counter("numa_foreign", "Was intended here, hit elsewhere"),
    b"numa_interleave": _counter("numa_interleave", "Interleaver preferred this zone"),
    b"numa_local": _counter("numa_local", "Allocation from local node"),
    b"numa_other": _counter("numa_other", "Allocation from other node"),
}


@lru_cache(maxsize=MAX_PROTECTIONS)
def protection(index: int) -> Metric:
    return _gauge(f"protection_{index}", f"Protection array {index}. field")
