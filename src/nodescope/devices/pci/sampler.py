"""Samples the PCI tree: links and errors each time, what there is each minute or when a device comes or goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Final

from nodescope.devices.one_by_one import PATIENCE_S, OneByOne
from nodescope.devices.pci.distance import Distances
from nodescope.devices.pci.kind import GPU
from nodescope.devices.pci.names import RDMA, Names, device_names
from nodescope.devices.pci.place import Place
from nodescope.devices.pci.reader import PciReader
from nodescope.devices.pci.tree import Tree, listed, places_of, tree_of
from nodescope.host import Host
from nodescope.records.pci import PciDevice, PciNeighbour, RdmaDistance

TREE_SECONDS: Final = 60.0
INTERVAL_S: Final = 15.0
_NO_TREE: Final = Tree({}, {}, 0)


class PciSampler:
    """GPUs, network, RDMA and NVMe devices, the bridges above them, their distances.

    *Source*: /sys/bus/pci/devices. *Units*: gigatransfers per second, lanes. *Absent when*: there is no PCI. A device
    that does not answer keeps its identity and has no link until it does; `left_out` counts it, and attributes that are
    none. *Cost*: six files for each device, some thirty each minute.
    """

    name: ClassVar[str] = "pci"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        host: Host,
        interval_s: float = INTERVAL_S,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval_s = interval_s
        self.left_out = 0
        self._host = host
        self._clock = clock
        self._reader = PciReader(host)
        self._kinds = OneByOne(self._kind, patience_s)
        self._reads = OneByOne(self._read, patience_s)
        self._places: dict[str, Place] = {}
        self._names: dict[str, Names] = {}
        self._addresses: list[str] = []
        self._tree = _NO_TREE
        self._due_at = float("-inf")
        self._identities: dict[str, PciDevice] = {}
        self._anew: frozenset[str] = frozenset()
        self._near: tuple[tuple[PciDevice, ...], tuple[Any, ...], int] = ((), (), 0)

    @property
    def rest_s(self) -> float:
        return self.interval_s

    def sample(self) -> tuple[Any, ...]:
        """`PciDevice`s, then `PciNeighbour`s, then `RdmaDistance`s."""
        self._reader.attributes.left_out = 0
        self._look()
        found = self._reads.each(self._tree.places)
        self._anew -= found.keys()
        devices = [found.get(address) or self._identities.get(address) for address in self._tree.places]
        known = tuple(device for device in devices if device is not None)
        near = self._neighbours()
        left_out = self._tree.left_out + self._reader.attributes.left_out + self._near[2]
        self.left_out = left_out + len(self._tree.places) - len(found)
        return (*known, *near)

    def _look(self) -> None:
        """The tree, when it is due or other devices are there."""
        addresses = listed(self._host)
        now = self._clock()
        if addresses == self._addresses and now < self._due_at:
            return
        self._places = places_of(self._host, addresses)
        names, left_out = device_names(self._host)
        self._names = names
        kinds = self._kinds.each(self._places)
        left_out += len(self._places) - len(kinds)
        # One that does not tell what it is now is what it was.
        kinds = {at: device.kind for at, device in self._identities.copy().items()} | kinds
        self._tree = tree_of(self._places, kinds, names, left_out)
        self._addresses, self._due_at = addresses, now + TREE_SECONDS
        self._anew = frozenset(self._tree.places)
        known = self._identities.copy()
        self._identities = {at: known[at] for at in self._tree.places if at in known}

    def _kind(self, address: str) -> str:
        read, known = self._reader, self._identities.get(address)
        code = read.class_code(address)
        if code is None and known is not None:
            return known.kind
        return read.kind(code, self._places[address], read.vendor_id(address), self._names.get(address, {}))

    def _read(self, address: str) -> PciDevice:
        known = self._identities.get(address)
        if known is None or address in self._anew:
            place, names = self._tree.places[address], self._tree.names.get(address, {})
            known = self._identities[address] = self._reader.identity(place, names, known)
        return self._reader.link(known)

    def _neighbours(self) -> tuple[Any, ...]:
        """Worked out anew where a device is another."""
        devices = tuple(self._identities[at] for at in self._tree.places if at in self._identities)
        if devices != self._near[0]:
            distances = Distances(devices)
            neighbours = distances.neighbours()
            by_name = rdma_distances(distances, neighbours, self._tree.names)
            self._near = (devices, (*neighbours, *by_name), distances.left_out)
        return self._near[1]


def rdma_distances(
    distances: Distances, neighbours: tuple[PciNeighbour, ...], names: dict[str, Names]
) -> list[RdmaDistance]:
    """How near each RDMA device is to each GPU, by the names that programs know RDMA devices by."""
    nearest = {
        device.address: {near.address for near in distances.nearest(device)}
        for device in distances.devices
        if device.kind == GPU
    }
    return [
        RdmaDistance(
            gpu=one.address,
            rdma=name,
            rdma_address=one.other,
            distance=one.distance,
            nearest=1 if one.other in nearest[one.address] else None,
        )
        for one in neighbours
        for name in names.get(one.other, {}).get(RDMA, ())
    ]
