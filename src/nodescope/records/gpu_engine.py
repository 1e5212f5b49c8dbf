"""Records of what a GPU tells by names of its own: its engines, and causes of low clocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuProcess


class GpuEngine(msgspec.Struct, frozen=True, kw_only=True):
    """How busy one engine of a GPU is, in percent. `engine`: by its driver's name."""

    identity: GpuIdentity
    engine: str
    utilization_percent: float


class GpuThrottledTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long one cause has held a GPU's clocks down, a counter. `cause`: by its driver's name."""

    identity: GpuIdentity
    cause: str
    nanoseconds: int


class GpuProcessEngine(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has had of one engine of a GPU, a counter."""

    process: GpuProcess
    engine: str
    nanoseconds: int


def engines(gpus: Iterable[Gpu]) -> Iterator[GpuEngine | GpuThrottledTime]:
    """A record for each engine of each GPU, and for each cause of low clocks."""
    for gpu in gpus:
        for engine, percent in gpu.reading.engines.items():
            yield GpuEngine(identity=gpu.identity, engine=engine, utilization_percent=percent)
        for cause, nanoseconds in gpu.reading.throttled_ns.items():
            yield GpuThrottledTime(identity=gpu.identity, cause=cause, nanoseconds=nanoseconds)


def process_engines(processes: Iterable[GpuProcess]) -> Iterator[GpuProcessEngine]:
    """A record for each engine that each process has used."""
    for process in processes:
        for engine, nanoseconds in process.reading.engine_ns.items():
            yield GpuProcessEngine(process=process, engine=engine, nanoseconds=nanoseconds)
