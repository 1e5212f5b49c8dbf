"""Verdicts on RDMA ports, PCI Express links, NVMe controllers and memory modules."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.health_native import PROFILE
from nodescope.sampling import SamplerLoop
from nodescope.settings import Settings


class LinkHealthCollector:
    """One series for each verdict; reasons, evidence and what to do are in the REST API.

    *Source*: the newest snapshot of the sampler of verdicts. *Units*: none. *Absent when*: there is no such device.
    *Cost*: nothing at scrape but the text.
    """

    name: ClassVar[str] = "link_health"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: SamplerLoop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        return self._shown.families(self._loop.fresh())


def build(host: Host, settings: Settings, loop: SamplerLoop) -> LinkHealthCollector:
    return LinkHealthCollector(loop)
