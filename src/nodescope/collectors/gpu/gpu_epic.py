"""GPUs under the names of MONITOR-POC's mock GPU exporter."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_epic import PROFILE
from nodescope.settings import Settings


class GpuEpicCollector:
    """The five families that the dashboards of MONITOR-POC were made for.

    *Source*: the newest snapshot of the GPU sampler. *Units*: percent, bytes, degrees Celsius, watts. *Absent when*:
    the driver is not loaded; a value that the GPU does not tell. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_epic"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        return self._shown.families(self._loop.fresh())


def build(host: Host, settings: Settings, loop: Loop) -> GpuEpicCollector:
    return GpuEpicCollector(loop)
