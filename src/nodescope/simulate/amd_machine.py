"""What a machine with MI300X has more than a server without accelerators: GPUs, a network card beside each, tenants."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from nodescope.simulate.amd_board import Options
from nodescope.simulate.amd_tenants import mi300x_tenants
from nodescope.simulate.amd_tree import AmdPart
from nodescope.simulate.cpu import Cpus
from nodescope.simulate.part import Row
from nodescope.simulate.rdma_board import RdmaOptions
from nodescope.simulate.rdma_tree import RdmaPart


class Mi300xPart:
    """Both as one part of a machine, for they share PCI switches. The cards' network interfaces are not there."""

    def __init__(self, seed: int, cpus: Cpus, compute_partition: str = "SPX", memory_partition: str = "NPS1") -> None:
        self.gpus = AmdPart(Options(8, compute_partition, memory_partition, seed=seed))
        self.hcas = RdmaPart(RdmaOptions(seed=seed, netdevs=False))
        self.tenants = mi300x_tenants(seed, self.gpus, cpus)

    def files(self, seconds: float) -> dict[str, bytes]:
        return self.gpus.files(seconds) | self.hcas.files(seconds) | self.tenants.files(seconds)

    def truths(self, seconds: float) -> Iterable[Row]:
        return chain(self.gpus.truths(seconds), self.hcas.truths(seconds))

    def gpu_truths(self, seconds: float) -> Iterable[Row]:
        """What is true of the GPUs, in their driver's units and under names of their own."""
        return chain(self.gpus.gpu_truths(seconds), self.tenants.truths(seconds))
