"""AMD GPUs under the names of the conductor GPU exporter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.gpu.node_name import node_name
from nodescope.collectors.joined import Loop
from nodescope.host import Absent, Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_conductor import PROFILE, profile
from nodescope.records.conductor import of_pods
from nodescope.records.gpu_sampling import ConductorCounts, GpuSampling
from nodescope.records.gpu_snapshot import DroppedReadings, GpuSource
from nodescope.settings import Settings

PODS_KEY: Final = "collector.gpu_conductor.kubernetes"

OF_COLLECTIONS: Final = (GpuSampling, ConductorCounts)
"""Records of how collections went, which is told also while there is nothing to collect from."""


class GpuConductorCollector:
    """What the conductor's exporter shows of AMD GPUs, from sysfs instead of rocm-smi's text.

    *Source*: the newest snapshot of the sampler of AMD's GPUs. *Units*: percent, watts, bytes, degrees Celsius,
    seconds. *Absent when*: amdgpu is not loaded, but for how collections went until then; a value that the GPU does not
    tell. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_conductor"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop, node: str, pods: bool = False) -> None:
        self._loop = loop
        self._pods = pods
        self._shown = Shown(profile(node, pods))
        self._collections: tuple[Any, ...] = (ConductorCounts(collection=0, validation=0, commands=0),)

    def collect(self) -> list[Family]:
        try:
            snapshot = self._loop.fresh()
        except Absent:
            # An alert on the time of the last collection is to fire when the driver goes.
            return self._shown.render(self._collections)
        return self._shown.families(snapshot, self._made)

    def _made(self, records: tuple[Any, ...]) -> tuple[Any, ...]:
        made = tuple(with_counts(records))
        collections = tuple(record for record in made if type(record) in OF_COLLECTIONS)
        self._collections = collections or self._collections
        return (*made, *of_pods(made)) if self._pods else made


def with_counts(records: tuple[Any, ...]) -> Iterator[Any]:
    """What was sampled, and its errors summed up."""
    yield from records
    sampling = next((record for record in records if type(record) is GpuSampling), None)
    if sampling is not None:
        yield ConductorCounts(
            collection=sampling.failures,
            validation=sum(record.count for record in records if type(record) is DroppedReadings),
            commands=sum(record.hung_calls + record.failed_runs for record in records if type(record) is GpuSource),
        )


def build(host: Host, settings: Settings, loop: Loop) -> GpuConductorCollector:
    return GpuConductorCollector(loop, node_name(), settings[PODS_KEY])
