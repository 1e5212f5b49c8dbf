"""AMD GPUs under the names of the conductor GPU exporter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_conductor import PROFILE, profile
from nodescope.records.gpu_sampling import ConductorCounts, GpuSampling
from nodescope.records.gpu_snapshot import DroppedReadings, GpuSource
from nodescope.settings import Settings

NODE_NAME: Final = "NODE_NAME"
"""The environment name that gives the label node; else the host's own name does."""


class GpuConductorCollector:
    """What the conductor's exporter shows of AMD GPUs, from sysfs instead of rocm-smi's text.

    *Source*: the newest snapshot of the sampler of AMD's GPUs. *Units*: percent, watts, bytes, degrees Celsius,
    seconds. *Absent when*: amdgpu is not loaded; a value that the GPU does not tell. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_conductor"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop, node: str) -> None:
        self._loop = loop
        self._shown = Shown(profile(node))

    def collect(self) -> list[Family]:
        return self._shown.families(self._loop.fresh(), with_counts)


def with_counts(records: tuple[Any, ...]) -> Iterator[Any]:
    """What was sampled, and its errors summed up."""
    yield from records
    sampling = next((record for record in records if type(record) is GpuSampling), None)
    if sampling is not None:
        yield ConductorCounts(
            collection=sampling.failures,
            validation=sum(record.count for record in records if type(record) is DroppedReadings),
            commands=sum(record.hung_calls for record in records if type(record) is GpuSource),
        )


def build(host: Host, settings: Settings, loop: Loop) -> GpuConductorCollector:
    return GpuConductorCollector(loop, os.environ.get(NODE_NAME) or os.uname().nodename)
