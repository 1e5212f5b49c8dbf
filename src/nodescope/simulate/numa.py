"""The memory of a simulated machine by node and zone.

Source: proc_buddyinfo(5), proc_zoneinfo(5), proc_slabinfo(5); Documentation/admin-guide/numastat.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.load import count
from nodescope.simulate.memory import MemoryPart
from nodescope.simulate.part import Row

_PAGE_KIBIBYTES: Final = 4
_ORDERS: Final = 11
_ALLOCATIONS_PER_BUSY_SECOND: Final = 41_000
_FOREIGN_PERMILLE: Final = 12
_NODE_FIELDS: Final = (
    "MemTotal", "MemFree", "MemUsed", "SwapCached", "Active", "Inactive", "Active(anon)", "Inactive(anon)",
    "Active(file)", "Inactive(file)", "Unevictable", "Mlocked", "Dirty", "Writeback", "FilePages", "Mapped",
    "AnonPages", "Shmem", "KernelStack", "PageTables", "SecPageTables", "NFS_Unstable", "Bounce", "WritebackTmp",
    "KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped",
    "FileHugePages", "FilePmdMapped", "HugePages_Total", "HugePages_Free", "HugePages_Surp",
)  # fmt: skip

# Field of /proc/zoneinfo -> line of /proc/meminfo, both of a whole node.
_ZONE_FIELDS: Final = (
    ("nr_inactive_anon", "Inactive(anon)"),
    ("nr_active_anon", "Active(anon)"),
    ("nr_inactive_file", "Inactive(file)"),
    ("nr_active_file", "Active(file)"),
    ("nr_unevictable", "Unevictable"),
    ("nr_slab_reclaimable", "SReclaimable"),
    ("nr_slab_unreclaimable", "SUnreclaim"),
    ("nr_anon_pages", "AnonPages"),
    ("nr_mapped", "Mapped"),
    ("nr_file_pages", "FilePages"),
    ("nr_dirty", "Dirty"),
    ("nr_writeback", "Writeback"),
    ("nr_shmem", "Shmem"),
)
_DMA_PAGES: Final = 3_840
_DMA32_PAGES: Final = 460_000
_SHARE_OF_MINIMUM: Final = 4_000
"""A zone's watermark is one in so many of its pages."""

# Caches: name, objects in use, all objects, bytes of one, objects and pages of a slab.
_SLABS: Final[tuple[tuple[str, int, int, int, int, int], ...]] = (
    ("xfs_inode", 61_184, 61_440, 1_024, 32, 8),
    ("ext4_inode_cache", 214_110, 214_326, 1_192, 27, 8),
    ("nf_conntrack", 1_152, 1_280, 256, 32, 2),
    ("TCP", 672, 768, 2_432, 13, 8),
    ("sock_inode_cache", 2_301, 2_340, 832, 39, 8),
    ("inode_cache", 38_220, 38_480, 616, 26, 4),
    ("dentry", 488_901, 489_300, 192, 21, 1),
    ("buffer_head", 190_203, 190_320, 104, 39, 1),
    ("task_struct", 912, 960, 6_464, 5, 8),
    ("kmalloc-1k", 9_280, 9_312, 1_024, 32, 8),
    ("kmalloc-256", 14_016, 14_112, 256, 32, 2),
    ("kmalloc-64", 90_432, 90_624, 64, 64, 1),
)


class _Zone(NamedTuple):
    node: int
    name: str
    managed: int
    free: int


class NumaPart:
    """/sys/devices/system/node, /proc/buddyinfo, zoneinfo and slabinfo, which no collector reads by default."""

    def __init__(self, cpus: Cpus, memory: MemoryPart) -> None:
        self._cpus = cpus
        self._memory = memory
        self._slabinfo = _slabinfo()

    def files(self, seconds: float) -> dict[str, bytes]:
        machine = self._memory.meminfo(seconds)
        machine |= {"MemUsed": machine["MemTotal"] - machine["MemFree"]}
        machine |= {"FilePages": machine["Cached"] + machine["Buffers"]}
        files = {"proc/slabinfo": self._slabinfo}
        nodes = self._cpus.packages
        zones: list[_Zone] = []
        zoneinfo: list[str] = []
        for node in range(nodes):
            memory = {name: (machine[name] + node) // nodes for name in _NODE_FIELDS}
            folder = f"sys/devices/system/node/node{node}"
            lines = [_meminfo_line(node, name, number) for name, number in memory.items()]
            files[f"{folder}/meminfo"] = "".join(lines).encode()
            files[f"{folder}/numastat"] = self._numastat(node, seconds)
            of_node = _zones(node, memory)
            zones += of_node
            zoneinfo += [_zoneinfo(zone, memory, is_first=zone is of_node[0]) for zone in of_node]
        files["proc/buddyinfo"] = "".join(map(_buddyinfo, zones)).encode()
        files["proc/zoneinfo"] = "".join(zoneinfo).encode()
        return files

    def truths(self, seconds: float) -> Iterable[Row]:
        return ()

    def _numastat(self, node: int, seconds: float) -> bytes:
        """Each node's CPUs ask for memory of their own node; a few pages come from the next one."""
        asked, asked_before = (self._asked(each % self._cpus.packages, seconds) for each in (node, node - 1))
        went, came = (number * _FOREIGN_PERMILLE // 1000 for number in (asked, asked_before))
        numbers = {
            "numa_hit": asked - went,
            "numa_miss": came,
            "numa_foreign": went,
            "interleave_hit": 2_048,
            "local_node": asked - went,
            "other_node": came,
        }
        return "".join(f"{name} {number}\n" for name, number in numbers.items()).encode()

    def _asked(self, node: int, seconds: float) -> int:
        return count(sum(self._cpus.package_busy(node, seconds)), _ALLOCATIONS_PER_BUSY_SECOND)


def _meminfo_line(node: int, name: str, number: int) -> str:
    unit = "" if name.startswith("HugePages_") else " kB"
    return f"Node {node} {name + ':':<16}{number:8d}{unit}\n"


def _zones(node: int, memory: Mapping[str, int]) -> list[_Zone]:
    """The first node has the low zones, which are hardly used."""
    managed, free = (memory[name] // _PAGE_KIBIBYTES for name in ("MemTotal", "MemFree"))
    low = [] if node else [_Zone(node, "DMA", _DMA_PAGES, _DMA_PAGES), _Zone(node, "DMA32", _DMA32_PAGES, _DMA32_PAGES)]
    of_low = sum(zone.managed for zone in low)
    return [*low, _Zone(node, "Normal", managed - of_low, free - of_low)]


def _buddyinfo(zone: _Zone) -> str:
    """The free pages in blocks as large as can be."""
    most = _ORDERS - 1
    blocks = [zone.free >> order & 1 for order in range(most)]
    columns = "".join(f"{number:6d} " for number in [*blocks, zone.free >> most])
    return f"Node {zone.node}, zone {zone.name:>8} {columns}\n"


def _zoneinfo(zone: _Zone, memory: Mapping[str, int], *, is_first: bool) -> str:
    lines = [f"Node {zone.node}, zone {zone.name:>8}"]
    if is_first:
        lines.append("  per-node stats")
        lines += [f"      {field:<12} {memory[name] // _PAGE_KIBIBYTES}" for field, name in _ZONE_FIELDS]
        lines.append(f"      nr_kernel_stack {memory['KernelStack']}")
    least = zone.managed // _SHARE_OF_MINIMUM
    pages = {
        "boost": 0,
        "min": least,
        "low": least * 5 // 4,
        "high": least * 3 // 2,
        "spanned": zone.managed,
        "present": zone.managed,
        "managed": zone.managed,
        "cma": 0,
    }
    lines.append(f"  pages free     {zone.free}")
    lines += [f"        {name:<8} {number}" for name, number in pages.items()]
    lines.append("        protection: (0, 0, 0, 0, 0)")
    lines.append(f"      nr_free_pages {zone.free}")
    lines += ["  pagesets", "  node_unreclaimable:  0", "  start_pfn:           1", ""]
    return "\n".join(lines)


def _slabinfo() -> bytes:
    lines = [
        "slabinfo - version: 2.1\n",
        "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>"
        " <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n",
    ]
    for name, active, objects, size, per_slab, pages in _SLABS:
        slabs = -(-objects // per_slab)
        lines.append(
            f"{name:<17} {active:6d} {objects:6d} {size:6d} {per_slab:4d} {pages:4d} : tunables {0:4d} {0:4d} {0:4d}"
            f" : slabdata {slabs:6d} {slabs:6d} {0:6d}\n"
        )
    return "".join(lines).encode()
