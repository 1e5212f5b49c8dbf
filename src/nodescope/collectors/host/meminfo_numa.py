"""Collector meminfo_numa: memory of each NUMA node."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

NODES_SECONDS: Final = 10.0
MAX_NODES: Final = 1024
MAX_FIELDS: Final = 256
KB_SHIFT: Final = 10

USUAL_FIELDS: Final = (
    "MemTotal", "MemFree", "MemUsed", "SwapCached", "Active", "Inactive", "Active(anon)", "Inactive(anon)",
    "Active(file)", "Inactive(file)", "Unevictable", "Mlocked", "Dirty", "Writeback", "FilePages", "Mapped",
    "AnonPages", "Shmem", "KernelStack", "ShadowCallStack", "PageTables", "SecPageTables", "NFS_Unstable", "Bounce",
    "WritebackTmp", "KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "AnonHugePages", "ShmemHugePages",
    "ShmemPmdMapped", "FileHugePages", "FilePmdMapped", "Unaccepted", "HugePages_Total", "HugePages_Free",
    "HugePages_Surp",
)  # fmt: skip
USUAL_STATS: Final = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")

_NODE: Final = re.compile(r"node([0-9]{1,9})")
_IN_PARENTHESES: Final = re.compile(r"\((.*)\)")
_NOT_IN_NAMES: Final = re.compile("[^a-zA-Z0-9_]")
_LINE: Final = re.compile(rb" *Node +(\d{1,9}) +([^\s:]+):+ +(\d{1,20})( +kB)?\s*")

Numbers = list[tuple[Metric, Row]]


@lru_cache(maxsize=2 * MAX_FIELDS)
def metric_of(field: bytes) -> Metric:
    """Of a field of meminfo: Active(anon) is Active_anon."""
    name = _NOT_IN_NAMES.sub("_", _IN_PARENTHESES.sub(r"_\1", text(field)))
    return Metric(f"node_memory_numa_{name}", "gauge", f"Memory information field {name}.", ("node",))


@lru_cache(maxsize=2 * MAX_FIELDS)
def stat_metric_of(field: bytes) -> Metric:
    """Of a field of numastat."""
    name = _NOT_IN_NAMES.sub("_", text(field)) + "_total"
    return Metric(f"node_memory_numa_{name}", "counter", f"Memory information field {name}.", ("node",))


def parse_node_meminfo(data: bytes) -> tuple[Numbers, int]:
    """Numbers in bytes, or in huge pages, by metric, and how many lines are left out."""
    found: dict[Metric, Row] = {}
    left_out = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        number = uint64(match[3]) if match else None
        metric = metric_of(match[2]) if match else None
        if match is None or number is None or metric is None or metric in found or len(found) >= MAX_FIELDS:
            left_out += 1
            continue
        # The number of the node is in each line.
        found[metric] = ((match[1].decode(),), number << KB_SHIFT if match[4] else number)
    return list(found.items()), left_out


def parse_numastat(data: bytes, node: str) -> tuple[Numbers, int]:
    """Events by metric, and how many lines are left out."""
    found: dict[Metric, Row] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words:
            continue
        number = uint64(words[1]) if len(words) == 2 else None
        metric = stat_metric_of(words[0])
        if number is None or metric in found or len(found) >= MAX_FIELDS:
            left_out += 1
        else:
            found[metric] = ((node,), number)
    return list(found.items()), left_out


class _Node:
    """A node's two files, and what they said last."""

    def __init__(self, folder: str, number: str) -> None:
        self._number = number
        self._meminfo_path, self._numastat_path = f"{folder}/meminfo", f"{folder}/numastat"
        self._files: tuple[bytes | None, bytes | None] = (None, None)
        self._meminfo: tuple[Numbers, int] = ([], 0)
        self._numastat: tuple[Numbers, int] = ([], 0)

    @property
    def left_out(self) -> int:
        return self._meminfo[1] + self._numastat[1]

    def read(self, reader: AttributeReader) -> Numbers:
        meminfo, numastat = reader.now(self._meminfo_path), reader.now(self._numastat_path)
        if meminfo != self._files[0]:
            self._meminfo = parse_node_meminfo(meminfo or b"")
        if numastat != self._files[1]:
            self._numastat = parse_numastat(numastat or b"", self._number)
        self._files = (meminfo, numastat)
        return self._meminfo[0] + self._numastat[0]


class MeminfoNumaCollector:
    """How the memory of each NUMA node is used, and from which node memory was given.

    *Source*: /sys/devices/system/node/node*/{meminfo,numastat}, Documentation/admin-guide/numastat.rst. *Units*: bytes;
    HugePages_* are pages; numastat in pages since boot. *Absent when*: the kernel has no NUMA. *Cost*: two reads for
    each node.
    """

    name: ClassVar[str] = "meminfo_numa"
    metrics: ClassVar[tuple[Metric, ...]] = (
        *(metric_of(field.encode()) for field in USUAL_FIELDS),
        *(stat_metric_of(field.encode()) for field in USUAL_STATS),
    )
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/node")
        self._reader = AttributeReader(host)
        self._names: list[str] = []
        self._nodes: list[_Node] = []
        self._beyond = 0

    def collect(self) -> list[Family]:
        self._reader.left_out = 0
        self._look()
        by_metric: dict[Metric, dict[tuple[str, ...], float]] = {}
        odd = self._beyond
        for node in self._nodes:
            for metric, (labels, number) in node.read(self._reader):
                rows = by_metric.setdefault(metric, {})
                odd += labels in rows
                rows.setdefault(labels, number)
            odd += node.left_out
        self.left_out = odd + self._reader.left_out
        if not by_metric:
            if odd:
                raise Malformed(self._folder, b"", "lines such as 'Node 0 MemFree: 1024 kB' in node0/meminfo")
            raise Absent(self._folder)
        return [Family(metric, list(rows.items())) for metric, rows in by_metric.items()]

    def _look(self) -> None:
        names = self._host.list(self._folder, keep_s=NODES_SECONDS)
        if names == self._names:
            return
        numbers = [(name, match[1]) for name in names if (match := _NODE.fullmatch(name))]
        self._nodes = [_Node(f"{self._folder}/{name}", number) for name, number in numbers[:MAX_NODES]]
        self._names, self._beyond = names, max(0, len(numbers) - MAX_NODES)


def build(host: Host, settings: Settings) -> MeminfoNumaCollector:
    return MeminfoNumaCollector(host)
