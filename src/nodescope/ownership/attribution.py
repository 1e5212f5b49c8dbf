"""Splits what each GPU has and uses among those who hold it, so that the parts sum to the GPU's own figure exactly.

Memory is measured: the driver tells that of each process. Utilisation, and power and energy above idle, go by each
holder's share of the processes' SM samples, else of their memory, else equally among those who have processes on it,
else among those who claim it. What it draws idle, and what no one holds, is "unattributed". A partition's memory and
utilisation are attributed as the partition's, or as the GPU's where no partition tells its own; power and energy, which
only the whole GPU has, as the GPU's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from nodescope.ownership.energy import Meter
from nodescope.ownership.holder import NOBODY, Holder
from nodescope.ownership.shares import proportions, split
from nodescope.ownership.weights import (
    ESTIMATED,
    MEASURED,
    SHARED,
    Parts,
    Use,
    busy,
    claimed,
    parts_of,
    parts_of_divided,
    uses,
)
from nodescope.records.container import Attribution, DeviceClaim
from nodescope.records.gpu_snapshot import Gpu, GpuInstance, GpuProcess

MEMORY: Final = "memory_bytes"
UTILIZATION: Final = "utilization_ratio"
POWER: Final = "power_watts"
ENERGY: Final = "energy_joules"
GRAIN: Final = 2.0**-20
"""Ratio and watts; the parts of holders are whole multiples."""
BYTE: Final = 1.0
MAX_METERS: Final = 256
_MILLI: Final = 1000
_PERCENT: Final = 100


class _Divided(NamedTuple):
    """The partitions of a GPU, none where it is whole; of each the holders' uses and parts, and the whole GPU's.

    `use`: also that of processes whose partition is not known, as the GPU's. `present`: the keys of all who use or
    claim any of it.
    """

    instances: Sequence[GpuInstance]
    use: dict[str, dict[Holder, Use]]
    inner: dict[str, Parts]
    whole: Parts
    present: set[str]


class Attributor:
    """Keeps the energy counters from cycle to cycle. One thread at a time.

    `left_out`: GPUs beyond the greatest number of meters.
    """

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self.left_out = 0

    def attribute(
        self,
        records: Iterable[Any],
        owners: Mapping[int, Holder],
        claims: Iterable[DeviceClaim],
        now_seconds: float,
    ) -> tuple[Attribution, ...]:
        """The parts of every GPU in a snapshot's `records`, whose processes are `owners`' (by pid).

        `now_seconds`: of the monotonic clock, when the ages in the snapshot were worked out.
        """
        records = tuple(records)
        gpus = {record.identity.uuid: record for record in records if isinstance(record, Gpu)}
        names: dict[str, Holder] = {}
        used = uses((record for record in records if isinstance(record, GpuProcess)), owners, names)
        holders = claimed(claims, names)
        instances: dict[str, list[GpuInstance]] = {}
        for record in records:
            if isinstance(record, GpuInstance):
                instances.setdefault(record.identity.uuid, []).append(record)
        found: list[Attribution] = []
        for uuid, gpu in gpus.items():
            divided = _divide(uuid, instances.get(uuid, ()), used, holders)
            found += _memory(gpu, divided)
            found += _utilization(gpu, divided)
            found += self._power_and_energy(gpu, divided, now_seconds)
        self._forget(gpus)
        return tuple(found)

    def _power_and_energy(self, gpu: Gpu, divided: _Divided, now: float) -> list[Attribution]:
        meter = self._meters.get(gpu.identity.uuid)
        if meter is None:
            if len(self._meters) >= MAX_METERS:
                return []
            meter = self._meters[gpu.identity.uuid] = Meter()
        meter.watch_idle(gpu.reading, all(busy(known) == 0 for known in divided.instances or (gpu,)))
        meter.advance(gpu.reading, now - (gpu.age_seconds or 0.0), divided.whole)
        found = []
        if gpu.reading.power_milliwatts is not None:
            watts = gpu.reading.power_milliwatts / _MILLI
            above = max(0.0, watts - meter.idle_watts(gpu.reading))
            label = divided.whole.attribution if meter.idle_known else ESTIMATED
            parts = {holder: part * above / watts for holder, part in divided.whole.parts.items()} if watts > 0 else {}
            # What it draws idle.
            parts.setdefault(NOBODY, 0.0)
            found = _rows(gpu.identity.uuid, POWER, watts, Parts(parts, label), GRAIN)
        if meter.started:
            found += [
                _row(gpu.identity.uuid, holder, ENERGY, attribution, joules)
                for holder, attribution, joules in meter.counters(divided.present, now)
            ]
        return found

    def _forget(self, gpus: Mapping[str, Gpu]) -> None:
        """Meters of GPUs that are gone stay, for they may come back, while there is room."""
        self.left_out = sum(uuid not in self._meters for uuid in gpus)
        if len(self._meters) >= MAX_METERS:
            self._meters = {uuid: meter for uuid, meter in self._meters.items() if uuid in gpus}


def _divide(
    uuid: str,
    instances: Sequence[GpuInstance],
    used: Mapping[str, dict[Holder, Use]],
    holders: Mapping[str, tuple[Holder, ...]],
) -> _Divided:
    uuids = [known.instance.uuid for known in instances] or [uuid]
    use = {one: used.get(one, {}) for one in (*uuids, uuid)}
    inner = {one: parts_of(use[one], holders.get(one, ())) for one in uuids}
    whole = parts_of_divided(instances, inner) if instances else inner[uuid]
    present = {holder.key for one in use for holder in (*use[one], *holders.get(one, ()))}
    return _Divided(instances, use, inner, whole, present)


def _memory(gpu: Gpu, divided: _Divided) -> list[Attribution]:
    if all(known.shared is None or known.shared.memory_used_bytes is None for known in divided.instances):
        return _memory_of(gpu.identity.uuid, gpu.reading.memory_used_bytes, tuple(divided.use.values()))
    found: list[Attribution] = []
    for instance in divided.instances:
        if instance.shared is None:
            continue
        # Compute instances of one GPU instance share its memory, which the first of them stands for.
        within = [
            divided.use[known.instance.uuid]
            for known in divided.instances
            if known is instance
            or (
                not known.first
                and known.instance.gpu_instance_id is not None
                and known.instance.gpu_instance_id == instance.instance.gpu_instance_id
            )
        ]
        found += _memory_of(instance.instance.uuid, instance.shared.memory_used_bytes, within)
    return found


def _memory_of(device: str, used_bytes: int | None, uses: Sequence[Mapping[Holder, Use]]) -> list[Attribution]:
    """Each holder's processes' memory. Where they have more than the device, they share what it has."""
    if used_bytes is None:
        return []
    known: dict[Holder, float] = {}
    holders = dict.fromkeys(holder for use in uses for holder in use)
    for use in uses:
        for holder, one in use.items():
            if one.memory_bytes is not None:
                known[holder] = known.get(holder, 0) + max(0.0, one.memory_bytes)
    if holders and not known:
        return _rows(device, MEMORY, used_bytes, Parts(proportions(dict.fromkeys(holders, 1.0)), ESTIMATED), BYTE)
    if sum(known.values()) > used_bytes:
        parts = proportions({holder: float(taken) for holder, taken in known.items()})
        return _rows(device, MEMORY, used_bytes, Parts(parts, SHARED), BYTE)
    rows = [_row(device, holder, MEMORY, MEASURED, taken) for holder, taken in known.items() if holder is not NOBODY]
    rest = used_bytes - sum(taken for holder, taken in known.items() if holder is not NOBODY)
    return [*rows, _row(device, NOBODY, MEMORY, MEASURED, rest)]


def _utilization(gpu: Gpu, divided: _Divided) -> list[Attribution]:
    percents = {known.instance.uuid: percent for known in divided.instances if (percent := busy(known)) is not None}
    if percents:
        told = [(uuid, percent, divided.inner[uuid]) for uuid, percent in percents.items()]
    else:
        percent = busy(gpu)
        told = [] if percent is None else [(gpu.identity.uuid, percent, divided.whole)]
    return [row for uuid, percent, parts in told for row in _rows(uuid, UTILIZATION, percent / _PERCENT, parts, GRAIN)]


def _rows(device: str, quantity: str, total: float, parts: Parts, grain: float) -> list[Attribution]:
    """The parts of `total`, one of them what is left. Nothing where the device tells what cannot be."""
    if not 0 <= total < math.inf:
        return []
    known = {holder: part for holder, part in parts.parts.items() if holder is not NOBODY}
    found, left = split(total, known, grain)
    if known and NOBODY not in parts.parts:
        # All of it is someone's: what was cut off is no part for no one.
        greatest = max(found, key=lambda holder: found[holder])
        found[greatest], left = found[greatest] + left, 0.0
    rows = [_row(device, holder, quantity, parts.attribution, value) for holder, value in found.items()]
    return [*rows, _row(device, NOBODY, quantity, parts.attribution if known else MEASURED, left)]


def _row(device: str, holder: Holder, quantity: str, attribution: str, value: float) -> Attribution:
    return Attribution(
        device=device,
        holder=holder.key,
        quantity=quantity,
        attribution=attribution,
        value=float(value),
        container=holder.container,
        pod_name=holder.pod_name,
        pod_namespace=holder.pod_namespace,
        user=holder.user,
        slurm_job=holder.slurm_job,
    )
