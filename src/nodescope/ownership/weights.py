"""How much of a GPU each holder has: by process SM samples, else by process memory, else equally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.ownership.granted import ENVIRONMENT, strength
from nodescope.ownership.holder import NOBODY, Holder, of_claim
from nodescope.ownership.requested import is_all_by_variable
from nodescope.ownership.shares import proportions
from nodescope.records.container import DeviceClaim
from nodescope.records.gpu_snapshot import Gpu, GpuInstance, GpuProcess

MEASURED: Final = "measured"
SHARED: Final = "shared"
ESTIMATED: Final = "estimated"
MAX_HOLDERS: Final = 256
"""Holders of one device that are told of each; what more there are have count as no one known."""

_BUSY: Final = "graphics_util"


class Use(NamedTuple):
    """What the processes of a holder have of one device. None: the driver tells it of none of them."""

    sm_percent: float | None = None
    memory_bytes: float | None = None


class Parts(NamedTuple):
    """Parts of one, by holder; they sum to 1 at most. `attribution`: how they are known."""

    parts: dict[Holder, float]
    attribution: str


def uses(
    processes: Iterable[GpuProcess], owners: Mapping[int, Holder], names: dict[str, Holder]
) -> dict[str, dict[Holder, Use]]:
    """What each holder's processes have of each GPU or partition, by UUID. `names`: fills with holders by key."""
    found: dict[str, dict[Holder, Use]] = {}
    for process in processes:
        reading = process.reading
        by_holder = found.setdefault(reading.instance_uuid or process.identity.uuid, {})
        holder = owners.get(reading.pid, NOBODY)
        # One key is one holder, also where one process tells of more (its job) than another.
        holder = names.setdefault(holder.key, holder)
        if holder not in by_holder and len(by_holder) >= MAX_HOLDERS:
            holder = NOBODY
        known = by_holder.get(holder, Use())
        by_holder[holder] = Use(
            _added(known.sm_percent, reading.sm_utilization_percent),
            _added(known.memory_bytes, reading.memory_used_bytes),
        )
    return found


def claimed(claims: Iterable[DeviceClaim], names: dict[str, Holder]) -> dict[str, tuple[Holder, ...]]:
    """Who claims each device, by UUID; `names` as of `uses`.

    Who claims it only for a variable that says all has no part where evidence that is stronger names someone.
    """
    known = tuple(claims)
    firmly = {claim.device for claim in known if strength(claim.evidence) < strength(ENVIRONMENT)}
    found: dict[str, dict[Holder, None]] = {}
    for claim in known:
        if claim.device in firmly and is_all_by_variable(claim.evidence, claim.request):
            continue
        holders = found.setdefault(claim.device, {})
        if len(holders) < MAX_HOLDERS:
            holder = of_claim(claim)
            holders[names.setdefault(holder.key, holder)] = None
    return {device: tuple(holders) for device, holders in found.items()}


def parts_of(use: Mapping[Holder, Use], holders: Sequence[Holder]) -> Parts:
    """How a device is divided: among those with processes on it; where none are seen, among those who claim it."""
    for weights in (
        {holder: known.sm_percent or 0.0 for holder, known in use.items()},
        {holder: known.memory_bytes or 0.0 for holder, known in use.items()},
    ):
        found = proportions(weights)
        if found:
            return Parts(found, SHARED)
    return Parts(proportions(dict.fromkeys(use or holders, 1.0)), ESTIMATED)


def parts_of_divided(instances: Sequence[GpuInstance], inner: Mapping[str, Parts]) -> Parts:
    """How the power of a partitioned GPU is divided: by how busy its partitions are, then within each.

    Where no partition tells how busy it is, by its memory, then equally; then it is an estimate. What no one holds of
    a partition is no one's.
    """
    known = {instance.instance.uuid: instance for instance in instances}
    outer = proportions({uuid: (busy(instance) or 0.0) * _size(instance) for uuid, instance in known.items()})
    estimated = not outer
    outer = outer or proportions({uuid: _memory_bytes(instance) for uuid, instance in known.items()})
    outer = outer or proportions(dict.fromkeys(known, 1.0))
    found: dict[Holder, float] = {}
    for uuid, part in outer.items():
        within = inner.get(uuid, Parts({}, ESTIMATED))
        estimated = estimated or within.attribution == ESTIMATED
        for holder, share in (within.parts or {NOBODY: 1.0}).items():
            found[holder] = found.get(holder, 0.0) + part * share
    return Parts(found, ESTIMATED if estimated else SHARED)


def busy(known: Gpu | GpuInstance) -> float | None:
    """Utilisation in percent; of a partition that has none (NVIDIA), of its graphics engine."""
    percent = known.reading.utilization_percent
    return known.reading.profiling.get(_BUSY) if percent is None and isinstance(known, GpuInstance) else percent


def _size(known: GpuInstance) -> float:
    return float(known.instance.multiprocessors or known.instance.compute_units or 1)


def _memory_bytes(known: GpuInstance) -> float:
    return float((known.shared and known.shared.memory_used_bytes) or 0)


def _added(known: float | None, more: float | None) -> float | None:
    return known if more is None else more if known is None else known + more
