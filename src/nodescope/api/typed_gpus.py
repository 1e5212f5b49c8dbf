"""/api/v1/gpus: GPUs of every vendor in nodescope's own types. In a record what is not known is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import MAX_GPUS, MAX_INSTANCES, MAX_PROCESSES, Answer, chosen_gpus, limited
from nodescope.health.rule import ALL, RANKS, UNKNOWN
from nodescope.records.gpu import GpuIdentity, GpuReading, InstanceIdentity, InstanceReading, ProcessReading
from nodescope.records.gpu_snapshot import (
    Gpu,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
    GpuThrottle,
    GpuWindow,
)
from nodescope.records.kinds import of_kind


class InstanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A partition. `first`: whether it stands for what it shares with others of its GPU instance."""

    identity: InstanceIdentity
    first: bool
    reading: InstanceReading


class LinkCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many links there are, and how many of them are up. /api/v1/links has each."""

    total: int
    active: int


class HealthSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The GPU's state, which is that of "all", and each component's: "ok", "warning", "critical", "unknown".

    What merely was not judged makes no GPU unknown. /api/v1/health says why.
    """

    state: str
    components: dict[str, str]


class GpuAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU. `state`: "ok", "starting", "paused", "lost", "reset_required", "denied", "unresponsive" or "failed".

    `reason`: why. `up`: whether it answers and its reading is young enough to be shown. `processes`: those with the
    most memory; `processes_told`: whether it is known who uses it, else no process is not none. `throttle_reasons`:
    what holds its clocks down now.
    """

    identity: GpuIdentity
    state: str
    reason: str
    up: bool
    sampled_age_seconds: float | None
    reading: GpuReading
    window: GpuWindow
    instances: list[InstanceAnswer]
    instances_left_out: int
    processes: list[ProcessReading]
    processes_left_out: int
    processes_told: bool
    throttle_reasons: list[str]
    links: LinkCount
    health: HealthSummary


class GpusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs of a node, and the sources that they were read from. `left_out`: GPUs beyond the limit."""

    sampled_age_seconds: float | None
    left_out: int
    sources: list[GpuSource]
    gpus: list[GpuAnswer]


T = TypeVar("T", GpuInstance, GpuLink, GpuProcess, GpuThrottle, GpuHealth)


def gpus(node: Node, query: Query) -> Answer:
    """Every GPU that is asked for."""
    found = node.gpus()
    shown, left_out = limited(chosen_gpus(found.records, query), MAX_GPUS)
    parts = _Parts(found.records, node.health().records)
    vendor = query.get("vendor")
    sources = [source for source in of_kind(found.records, GpuSource) if vendor in (None, source.vendor)]
    answered = [parts.answer(gpu) for gpu in shown]
    return Answer(
        GpusAnswer(sampled_age_seconds=found.age_seconds, left_out=left_out, sources=sources, gpus=answered),
        found.age_seconds,
        left_out,
    )


class _Parts:
    """What belongs to each GPU, by its uuid."""

    def __init__(self, records: Iterable[object], verdicts: Iterable[object]) -> None:
        records = tuple(records)
        self._instances = _by_gpu(of_kind(records, GpuInstance))
        self._links = _by_gpu(of_kind(records, GpuLink))
        self._processes = _by_gpu(of_kind(records, GpuProcess))
        self._throttles = _by_gpu(of_kind(records, GpuThrottle))
        self._verdicts = _by_gpu(of_kind(verdicts, GpuHealth))

    def answer(self, gpu: Gpu) -> GpuAnswer:
        uuid = gpu.identity.uuid
        instances, instances_left_out = limited(self._instances.get(uuid, ()), MAX_INSTANCES)
        heaviest = sorted(self._processes.get(uuid, ()), key=_memory, reverse=True)
        processes, processes_left_out = limited(heaviest, MAX_PROCESSES)
        return GpuAnswer(
            identity=gpu.identity,
            state=gpu.state,
            reason=gpu.reason,
            up=bool(gpu.up),
            sampled_age_seconds=gpu.age_seconds,
            reading=gpu.reading,
            window=gpu.window,
            instances=[_instance(one) for one in instances],
            instances_left_out=instances_left_out,
            processes=[process.reading for process in processes],
            processes_left_out=processes_left_out,
            processes_told=bool(gpu.up) and gpu.processes_told,
            throttle_reasons=[one.reason for one in self._throttles.get(uuid, ()) if one.active],
            links=_count(self._links.get(uuid, ())),
            health=_summary(self._verdicts.get(uuid, ())),
        )


def worst(states: Iterable[str]) -> str:
    """The worst of several states; unknown where there is none."""
    return max(states, key=lambda state: RANKS.get(state, RANKS[UNKNOWN]), default=UNKNOWN)


def _by_gpu(records: Sequence[T]) -> Mapping[str, list[T]]:
    found: defaultdict[str, list[T]] = defaultdict(list)
    for record in records:
        found[record.identity.uuid].append(record)
    return found


def _instance(one: GpuInstance) -> InstanceAnswer:
    return InstanceAnswer(identity=one.instance, first=bool(one.first), reading=one.reading)


def _memory(process: GpuProcess) -> int:
    return process.reading.memory_used_bytes or 0


def _count(links: Sequence[GpuLink]) -> LinkCount:
    return LinkCount(total=len(links), active=sum(link.reading.active == 1 for link in links))


def _summary(verdicts: Sequence[GpuHealth]) -> HealthSummary:
    components = {verdict.component: verdict.state for verdict in verdicts}
    return HealthSummary(state=components.get(ALL) or worst(components.values()), components=components)
