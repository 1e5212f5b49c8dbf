"""GPUs under OpenTelemetry's names, in base units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.gpu.status import statuses
from nodescope.collectors.joined import Loop, failed
from nodescope.devices.process_use import processes_by_gpu, processes_by_user, top_processes
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_native import PROCESSES, PROFILE
from nodescope.records.attributed import attributed
from nodescope.records.container import Attribution
from nodescope.records.gpu_engine import engines, process_engines
from nodescope.records.gpu_peer import peers
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuProcess
from nodescope.settings import Settings

ALL: Final = {**PROFILE, **PROCESSES}


class GpuCollector:
    """Everything that is known of the GPUs.

    *Source*: the newest snapshot of each vendor's sampler. *Units*: bytes, watts, volts, joules, hertz, seconds,
    degrees Celsius, ratios. *Absent when*: there is no driver of any vendor; a value where the GPU does not tell it;
    readings that are too old, while identity, state and age stay. *Cost*: see `Shown`. `top_processes`: how many
    processes of each GPU have series of their own; users always have. `left_out`: vendors whose sampler failed.
    """

    name: ClassVar[str] = "gpu"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(ALL)
    left_out: int = 0

    def __init__(self, loop: Loop, top_processes: int = 0) -> None:
        self._loop = loop
        self._top_processes = top_processes
        self._shown = Shown(ALL if top_processes else PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = failed(self._loop)
        return self._shown.families(snapshot, self._with_sums)

    def _with_sums(self, records: tuple[Any, ...]) -> Iterable[Any]:
        """What was sampled, and what is summed up of it; of processes the greatest alone."""
        gpus = [record for record in records if type(record) is Gpu]
        verdicts = [record for record in records if type(record) is GpuHealth]
        processes = [record for record in records if type(record) is GpuProcess]
        shown = top_processes(processes, self._top_processes)
        return (
            *(record for record in records if type(record) is not GpuProcess),
            *engines(gpus),
            *peers(gpus),
            *statuses(gpus, verdicts),
            *processes_by_gpu(gpus, processes),
            *processes_by_user(processes),
            *shown,
            *process_engines(shown),
            *attributed(record for record in records if type(record) is Attribution),
        )


def build(host: Host, settings: Settings, loop: Loop) -> GpuCollector:
    return GpuCollector(loop, settings["collector.gpu.processes"])
