"""Where AMD's GPUs are: on the PCI bus, and in the KFD topology. Looked at anew when a cheap sign says so.

*Source*: as `inventory`, `kfd` and `partitions` say. *Cost*: three lists and one number a look; all of the bus and of
the topology where one of these differs, and each `every_s` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from nodescope.devices.amd.inventory import PciGpu, driver_version, pci_gpus, signs
from nodescope.devices.amd.kfd import KfdNode, KfdTopology
from nodescope.devices.amd.partitions import nodes_by_gpu
from nodescope.host import Host


class Placement(NamedTuple):
    """`nodes`: PCI address -> KFD nodes of the GPU, in order. `peers`: KFD node -> PCI address."""

    gpus: tuple[PciGpu, ...]
    nodes: Mapping[str, tuple[KfdNode, ...]]
    peers: Mapping[int, str]
    driver_version: str | None


class Placements:
    """`look` is for one thread at a time and may hang. `newest`: the same object until something differs."""

    def __init__(self, host: Host, every_s: float) -> None:
        self.newest: Placement | None = None
        self._host = host
        self._every_s = every_s
        self._topology = KfdTopology(host)
        self._signs: tuple[object, ...] = ()
        self._due = float("-inf")
        self._started: float | None = None

    def look(self) -> None:
        """Renews `newest` where that is due."""
        self._started = time.monotonic()
        try:
            said = signs(self._host)
            if said != self._signs or self._started >= self._due:
                found = self._found()
                self._signs, self._due = said, time.monotonic() + self._every_s
                if found != self.newest:
                    self.newest = found
        finally:
            self._started = None

    def stuck(self, least_s: float) -> str:
        """What has not returned for `least_s` seconds, as a sentence; "" where nothing hangs."""
        started = self._started
        busy_s = 0.0 if started is None else time.monotonic() - started
        if started is None or busy_s < least_s:
            return ""
        path = self._topology.files.path or "a file of the PCI bus"
        return f"reading {path} has not returned for {busy_s:.0f} s"

    def _found(self) -> Placement:
        gpus = pci_gpus(self._host)
        nodes = nodes_by_gpu([gpu.address for gpu in gpus], self._topology.nodes()) if gpus else {}
        # The links of partitioned GPUs would be thousands, and are those of the whole ones.
        nodes = {
            address: (self._topology.with_links(own[0]),) if len(own) == 1 else own for address, own in nodes.items()
        }
        peers = {node.node: address for address, own in nodes.items() for node in own}
        return Placement(gpus, nodes, peers, driver_version(self._host))
