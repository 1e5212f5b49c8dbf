"""Memory modules and their errors."""

from __future__ import annotations

from typing import Any, ClassVar

from nodescope.collectors.columns import Shown, metrics
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
        families = self._shown.families(self._loop.fresh())
        sampler: Any = self._loop.sampler
        self.left_out = sampler.left_out
        return families


def build(host: Host, settings: Settings, loop: SamplerLoop) -> MemoryModulesCollector:
    return MemoryModulesCollector(loop)
