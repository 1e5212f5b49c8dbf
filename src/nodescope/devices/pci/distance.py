"""How near PCI devices are to each other, in the words of nvidia-smi topo.

*Source*: the levels of nvmlGpuTopologyLevel_t (nvml.h). A switch is a bridge towards the root and one for each
device below it: two devices behind one switch are PIX, behind two switches in a row PXB. GPUs and network cards with a
switch of their own (AMD Instinct, BlueField) are therefore PXB at best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from nodescope.devices.pci.kind import GPU, NIC, RDMA_KIND
from nodescope.records.pci import PciDevice, PciNeighbour

SINGLE: Final = "PIX"
MULTIPLE: Final = "PXB"
HOST_BRIDGE: Final = "PHB"
NODE: Final = "NODE"
SYSTEM: Final = "SYS"
DISTANCES: Final = (SINGLE, MULTIPLE, HOST_BRIDGE, NODE, SYSTEM)
RANKS: Final[Mapping[str, int]] = {distance: rank for rank, distance in enumerate(DISTANCES)}

MAX_ABOVE: Final = 64
MAX_NEIGHBOURS: Final = 16_384


class Distances:
    """Of a tree: `devices` are the ends and all bridges above them. `left_out`: pairs that were too many."""

    def __init__(self, devices: Iterable[PciDevice]) -> None:
        self.left_out = 0
        self.devices = tuple(devices)
        self._parents = {device.address: device.parent for device in self.devices}
        self._one_node = all(device.numa_node is None for device in self.devices)
        self._above: dict[str, tuple[str, ...]] = {}

    def between(self, one: PciDevice, other: PciDevice) -> str | None:
        """None where they are behind different host bridges, and it is not known whether in one NUMA node."""
        if one.root is None or one.root != other.root:
            return self._between_roots(one, other)
        ways = self._ways(one), self._ways(other)
        common = _common(*ways)
        if not common:
            return HOST_BRIDGE
        return SINGLE if max(map(len, ways)) - common <= 1 else MULTIPLE

    def neighbours(self) -> tuple[PciNeighbour, ...]:
        """Each GPU with each other GPU, network and RDMA device, the first `MAX_NEIGHBOURS` of them.

        Virtual functions are left out: they are where their physical function is.
        """
        found: list[PciNeighbour] = []
        self.left_out = 0
        for one, other in self._pairs():
            if len(found) == MAX_NEIGHBOURS:
                self.left_out += 1
                continue
            distance = self.between(one, other)
            if distance is not None:
                found.append(PciNeighbour(address=one.address, other=other.address, distance=distance))
        return tuple(found)

    def nearest(self, gpu: PciDevice) -> tuple[PciDevice, ...]:
        """The RDMA devices at the least distance; of several switches in a row, those that share most of the way.

        Distances that are not known do not count.
        """
        ranked: dict[tuple[int, int], list[PciDevice]] = {}
        for device in self.devices:
            if device.kind == RDMA_KIND and device.physical_function is None:
                distance = self.between(gpu, device)
                if distance is not None:
                    ranked.setdefault((RANKS[distance], -self._shared(gpu, device)), []).append(device)
        return tuple(ranked[min(ranked)]) if ranked else ()

    def _pairs(self) -> Iterator[tuple[PciDevice, PciDevice]]:
        shown = [device for device in self.devices if device.physical_function is None]
        gpus = [device for device in shown if device.kind == GPU]
        yield from combinations(gpus, 2)
        for gpu in gpus:
            for device in shown:
                if device.kind in (NIC, RDMA_KIND):
                    yield gpu, device

    def _between_roots(self, one: PciDevice, other: PciDevice) -> str | None:
        if one.numa_node is not None and other.numa_node is not None:
            return NODE if one.numa_node == other.numa_node else SYSTEM
        # Where no device says its node, the machine has one, or its firmware tells nothing.
        return NODE if self._one_node and one.local_cpus == other.local_cpus else None

    def _shared(self, one: PciDevice, other: PciDevice) -> int:
        return _common(self._ways(one), self._ways(other)) if one.root == other.root else 0

    def _ways(self, device: PciDevice) -> tuple[str, ...]:
        """The addresses above a device, the topmost first."""
        found = self._above.get(device.address)
        if found is None:
            way: list[str] = []
            at = device.parent
            while at is not None and len(way) < MAX_ABOVE:
                way.append(at)
                at = self._parents.get(at)
            found = self._above[device.address] = tuple(reversed(way))
        return found


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first parts are the same."""
    for count, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return count
    return min(len(one), len(other))
