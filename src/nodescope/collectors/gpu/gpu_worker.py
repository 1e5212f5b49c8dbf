"""NVIDIA GPUs under the names of the worker GPU exporter."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop
from nodescope.host import Absent, Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_worker import PROFILE
from nodescope.records.gpu_sampling import WorkerExporter
from nodescope.settings import Settings


class GpuWorkerCollector:
    """What the worker GPU exporter shows, from the driver instead of nvidia-smi's text.

    *Source*: the newest snapshot of the GPU sampler. *Units*: watts, degrees Celsius, percent, bytes, MHz. *Absent
    when*: the driver is not loaded, but for what is told of the exporter itself; a value that the GPU does not tell.
    *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_worker"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)
        self._exporter = Shown(PROFILE).render((WorkerExporter(),))

    def collect(self) -> list[Family]:
        try:
            snapshot = self._loop.fresh()
        except Absent:
            return self._exporter
        return [*self._exporter, *self._shown.families(snapshot)]


def build(host: Host, settings: Settings, loop: Loop) -> GpuWorkerCollector:
    return GpuWorkerCollector(loop)
