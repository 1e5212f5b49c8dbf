"""Memory modules and their errors."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics, sampled
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.memory_native import PROFILE
from nodescope.sampling import SamplerLoop
from nodescope.settings import Settings


class MemoryModulesCollector:
    """Which module is where, how large it is, and how many errors were corrected or not.

    *Source*: the newest snapshot of the sampler of memory modules. *Units*: bytes, errors. *Absent when*: no EDAC
    driver has found a memory controller. *Cost*: nothing at scrape but the text.
    """

    name: ClassVar[str] = "memory_modules"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: SamplerLoop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        families, self.left_out = sampled(self._shown, self._loop)
        return families


def build(host: Host, settings: Settings, loop: SamplerLoop) -> MemoryModulesCollector:
    return MemoryModulesCollector(loop)
