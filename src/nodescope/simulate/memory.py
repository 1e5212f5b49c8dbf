"""The memory of a simulated machine.

Source: proc_meminfo(5), proc_vmstat(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.disk import Disks
from nodescope.simulate.load import Load, count
from nodescope.simulate.part import Row

_KIBIBYTE: Final = 1024
_PAGE_KIBIBYTES: Final = 4
_HUGE_PAGE_KIBIBYTES: Final = 2048
_MILLION: Final = 10**6
_WINDOW_SECONDS: Final = 300.0
_VMALLOC_KIBIBYTES: Final = 34_359_738_367
_FAULTS_PER_BUSY_SECOND: Final = 5_200
_MAJOR_FAULTS_PER_BUSY_HOUR: Final = 90
_HOUR_SECONDS: Final = 3_600

# What does not change, in millionths of the total.
_FIXED: Final[tuple[tuple[str, int], ...]] = (
    ("MemTotal", 1_000_000),
    ("Buffers", 2_000),
    ("Shmem", 3_000),
    ("SReclaimable", 6_000),
    ("KReclaimable", 6_000),
    ("SUnreclaim", 3_000),
    ("KernelStack", 200),
    ("PageTables", 1_000),
    ("Percpu", 800),
    ("CommitLimit", 500_000),
    ("VmallocUsed", 1_100),
    ("DirectMap4k", 5_000),
    ("DirectMap2M", 50_000),
    ("DirectMap1G", 945_000),
)

# The lines of /proc/meminfo. What is not set is 0.
_ORDER: Final = (
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapCached",
    "Active",
    "Inactive",
    "Active(anon)",
    "Inactive(anon)",
    "Active(file)",
    "Inactive(file)",
    "Unevictable",
    "Mlocked",
    "SwapTotal",
    "SwapFree",
    "Zswap",
    "Zswapped",
    "Dirty",
    "Writeback",
    "AnonPages",
    "Mapped",
    "Shmem",
    "KReclaimable",
    "Slab",
    "SReclaimable",
    "SUnreclaim",
    "KernelStack",
    "PageTables",
    "SecPageTables",
    "NFS_Unstable",
    "Bounce",
    "WritebackTmp",
    "CommitLimit",
    "Committed_AS",
    "VmallocTotal",
    "VmallocUsed",
    "VmallocChunk",
    "Percpu",
    "HardwareCorrupted",
    "AnonHugePages",
    "ShmemHugePages",
    "ShmemPmdMapped",
    "FileHugePages",
    "FilePmdMapped",
    "HugePages_Total",
    "HugePages_Free",
    "HugePages_Rsvd",
    "HugePages_Surp",
    "Hugepagesize",
    "Hugetlb",
    "DirectMap4k",
    "DirectMap2M",
    "DirectMap1G",
)
_USED: Final = ("Buffers", "Shmem", "Slab", "KernelStack", "PageTables", "Percpu")
_NOT_SHOWN: Final = frozenset({"KReclaimable", "SecPageTables", "FileHugePages", "FilePmdMapped", "Hugetlb"})
"""Lines that node_exporter has no metric for."""


class MemoryPart:
    """/proc/meminfo and /proc/vmstat, with the paging that agrees with the disks'."""

    def __init__(self, seed: int, total_kibibytes: int, cpus: Cpus, disks: Disks) -> None:
        self._total_kibibytes = total_kibibytes
        self._load = Load(seed, "memory")
        self._cpus = cpus
        self._disks = disks
        self._fixed = {name: total_kibibytes * share // _MILLION for name, share in _FIXED}
        self._fixed["Slab"] = self._fixed["SReclaimable"] + self._fixed["SUnreclaim"]
        self._fixed |= {"VmallocTotal": _VMALLOC_KIBIBYTES, "Hugepagesize": _HUGE_PAGE_KIBIBYTES}

    def files(self, seconds: float) -> dict[str, bytes]:
        meminfo = self.meminfo(seconds)
        vmstat = {**_page_counts(meminfo), **self._paging(seconds)}
        return {
            "proc/meminfo": "".join(_meminfo_line(name, number) for name, number in meminfo.items()).encode(),
            "proc/vmstat": "".join(f"{name} {number}\n" for name, number in vmstat.items()).encode(),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        for name, number in self.meminfo(seconds).items():
            if name in _NOT_SHOWN:
                continue
            metric = f"node_memory_{name.replace('(', '_').rstrip(')')}"
            if _is_count(name):
                yield metric, {}, float(number)
            else:
                yield f"{metric}_bytes", {}, float(number * _KIBIBYTE)
        for name, number in self._paging(seconds).items():
            yield f"node_vmstat_{name}", {}, float(number)

    def meminfo(self, seconds: float) -> dict[str, int]:
        """/proc/meminfo in its order, in KiB but for the huge pages, which it counts."""
        busy = round(self._load.mean(seconds, _WINDOW_SECONDS) * _MILLION)
        anon = self._total_kibibytes * (100_000 + busy) // _MILLION
        file = self._total_kibibytes * (200_000 + busy // 2) // _MILLION
        found = {**self._fixed, **_anonymous(anon, self._fixed), **_cached(file, self._fixed)}
        free = self._total_kibibytes - anon - file - sum(self._fixed[name] for name in _USED)
        found["MemFree"] = free
        found["MemAvailable"] = free + file * 7 // 8 + self._fixed["SReclaimable"] // 2
        found["Active"] = found["Active(anon)"] + found["Active(file)"]
        found["Inactive"] = found["Inactive(anon)"] + found["Inactive(file)"]
        return {name: found.get(name, 0) for name in _ORDER}

    def _paging(self, seconds: float) -> dict[str, int]:
        """The counters of /proc/vmstat that default settings show."""
        busy = self._cpus.busy_total(seconds)
        read, written = self._disks.kibibytes(seconds)
        return {
            "pgpgin": read,
            "pgpgout": written,
            "pswpin": 0,
            "pswpout": 0,
            "pgfault": count(busy, _FAULTS_PER_BUSY_SECOND),
            "pgmajfault": count(busy, _MAJOR_FAULTS_PER_BUSY_HOUR) // _HOUR_SECONDS,
            "oom_kill": 0,
        }


def _anonymous(anon: int, fixed: dict[str, int]) -> dict[str, int]:
    """What programs hold, in KiB. Shared memory is on the anonymous lists, and among the cached."""
    return {
        "AnonPages": anon,
        "Active(anon)": anon // 4,
        "Inactive(anon)": anon - anon // 4 + fixed["Shmem"],
        "AnonHugePages": anon // 3 // _HUGE_PAGE_KIBIBYTES * _HUGE_PAGE_KIBIBYTES,
        "Committed_AS": anon * 3 // 2,
    }


def _cached(file: int, fixed: dict[str, int]) -> dict[str, int]:
    """What is kept of files, in KiB. Buffers are on the file lists."""
    return {
        "Cached": file + fixed["Shmem"],
        "Active(file)": file // 2,
        "Inactive(file)": file - file // 2 + fixed["Buffers"],
        "Mapped": file // 6,
        "Dirty": file // 500,
    }


def _page_counts(meminfo: dict[str, int]) -> dict[str, int]:
    """Gauges of /proc/vmstat, in pages."""
    names = {"nr_free_pages": "MemFree", "nr_anon_pages": "AnonPages", "nr_file_pages": "Cached", "nr_dirty": "Dirty"}
    return {name: meminfo[key] // _PAGE_KIBIBYTES for name, key in names.items()}


def _is_count(name: str) -> bool:
    return name.startswith("HugePages_")


def _meminfo_line(name: str, number: int) -> str:
    unit = "" if _is_count(name) else " kB"
    return f"{name + ':':<16}{number:8d}{unit}\n"
