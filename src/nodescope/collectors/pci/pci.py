"""The PCI tree as far as GPUs, network, RDMA and NVMe devices hang in it."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics, sampled
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.pci_native import PROFILE
from nodescope.sampling import SamplerLoop
from nodescope.settings import Settings


class PciCollector:
    """Devices, the bridges above them, their links and errors, and how near RDMA devices are to GPUs.

    *Source*: the newest snapshot of the PCI sampler. *Units*: transfers per second, lanes, errors. *Absent when*: there
    is no PCI; the link where the device sleeps or has none; errors where the kernel does not handle them. *Cost*:
    nothing at scrape but the text.
    """

    name: ClassVar[str] = "pci"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: SamplerLoop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        families, self.left_out = sampled(self._shown, self._loop)
        return families


def build(host: Host, settings: Settings, loop: SamplerLoop) -> PciCollector:
    return PciCollector(loop)
