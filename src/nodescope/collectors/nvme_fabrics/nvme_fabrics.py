"""NVMe controllers on PCI and over fabrics, and the paths to their namespaces."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics, sampled
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.nvme_native import PROFILE
from nodescope.sampling import SamplerLoop
from nodescope.settings import Settings


class NvmeFabricsCollector:
    """How controllers are reached, their state, and the state of each way to a namespace.

    *Source*: the newest snapshot of the NVMe sampler. *Units*: queues, seconds; +Inf seconds for never. *Absent when*:
    there is no NVMe; paths where the device tells no state of them. *Cost*: nothing at scrape but the text.
    """

    name: ClassVar[str] = "nvme_fabrics"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: SamplerLoop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        families, self.left_out = sampled(self._shown, self._loop)
        return families


def build(host: Host, settings: Settings, loop: SamplerLoop) -> NvmeFabricsCollector:
    return NvmeFabricsCollector(loop)
