"""The parts of every quantity sum to the GPU's own figure, in every cycle, whatever happens."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from nodescope.ownership.attribution import ENERGY, MEMORY, POWER, UTILIZATION, Attributor
from nodescope.ownership.energy import MAX_WATTS
from nodescope.ownership.holder import Holder
from nodescope.records.container import Attribution, DeviceClaim
from tests.ownership.gpus import MIG, NVIDIA, PARTS, gpu, instance, process

GIB = 2**30
OWNERS = {
    1: Holder("c1", "c1", "train", pod_name="p", pod_namespace="n"),
    2: Holder("c1", "c1", "train", pod_name="p", pod_namespace="n"),
    3: Holder("c2", "c2", "serve"),
    4: Holder("user:ada", user="ada"),
    5: Holder("job:7", user="bob", slurm_job="7"),
}


class Cycle(NamedTuple):
    """One snapshot: seconds since the one before, what each GPU reads (None: lost), processes and claims."""

    elapsed: float
    memory: int | None
    percent: float | None
    milliwatts: int | None
    energy: int | None
    processes: list[tuple[int, int, float | None, int | None]]
    claims: list[str]


NUMBERS = st.none() | st.integers(0, 2000)
PROCESSES = st.lists(
    st.tuples(
        st.integers(1, 7), st.integers(0, 2), st.none() | st.floats(0, 100), st.none() | st.integers(0, 80 * GIB)
    ),
    max_size=8,
)
CYCLES = st.lists(
    st.builds(
        Cycle,
        st.sampled_from([0.0, 0.1, 1.0, 1.37, 30.0, 90.0, 400.0]),
        st.none() | st.integers(0, 141 * GIB),
        st.none() | st.just(0.0) | st.floats(0, 100),
        st.none() | st.integers(0, 800_000),
        st.none() | st.integers(0, 10**6) | st.integers(0, 2**52),
        PROCESSES,
        st.lists(st.sampled_from(["c1", "c2", "c3"]), max_size=3, unique=True),
    ),
    min_size=1,
    max_size=8,
)


def snapshot(cycle: Cycle, divided: bool) -> tuple[Any, ...]:
    identity = NVIDIA[2] if divided else NVIDIA[0]
    whole = gpu(
        identity, memory_used_bytes=cycle.memory, utilization_percent=None if divided else cycle.percent,
        power_milliwatts=cycle.milliwatts, energy_millijoules=cycle.energy, power_limit_milliwatts=700_000,
    )  # fmt: skip
    parts = [
        instance(whole, PARTS[0], memory_used_bytes=cycle.memory, utilization_percent=cycle.percent),
        instance(whole, PARTS[1], 0, memory_used_bytes=cycle.memory),
        instance(whole, PARTS[2], memory_used_bytes=0, profiling={"graphics_util": 12.3}),
    ]
    processes = [
        process(
            identity, pid, sm_utilization_percent=percent, memory_used_bytes=memory,
            instance_uuid=MIG[slot] if divided else None,
        )
        for pid, slot, percent, memory in cycle.processes
    ]  # fmt: skip
    return (whole, *(parts if divided else ()), *processes)


def sums(rows: tuple[Attribution, ...]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        assert row.value >= 0
        assert row.attribution in ("measured", "shared", "estimated")
        found[row.device, row.quantity] += row.value
    return found


def claims(cycle: Cycle, device: str) -> list[DeviceClaim]:
    return [
        DeviceClaim(device=device, kind="gpu", evidence="cdi", container_id=name, container=name)
        for name in cycle.claims
    ]


@given(CYCLES, st.booleans())
def test_what_is_now_sums_to_the_devices_own(cycles: list[Cycle], divided: bool) -> None:
    """Memory, utilisation and power of all holders and of no one sum exactly; what is not told has no row."""
    attributor, now = Attributor(), 1000.0
    for cycle in cycles:
        now += cycle.elapsed
        records = snapshot(cycle, divided)
        uuid = records[0].identity.uuid
        rows = attributor.attribute(records, OWNERS, claims(cycle, MIG[0] if divided else uuid), now)
        keys = [(row.device, row.holder, row.quantity, row.attribution) for row in rows]
        assert len(keys) == len(set(keys))
        device = MIG[0] if divided else uuid
        expected: dict[tuple[str, str], float | None] = {
            (device, MEMORY): cycle.memory,
            (device, UTILIZATION): None if cycle.percent is None else cycle.percent / 100,
            (uuid, POWER): None if cycle.milliwatts is None else cycle.milliwatts / 1000,
        }
        if divided:
            expected |= {(MIG[2], MEMORY): 0, (MIG[2], UTILIZATION): 12.3 / 100}
        found = {key: value for key, value in sums(rows).items() if key[1] != ENERGY}
        assert found == {key: value for key, value in expected.items() if value is not None}


@given(CYCLES, st.booleans())
def test_energy_sums_and_never_goes_back(cycles: list[Cycle], divided: bool) -> None:
    """Counters of all holders sum to what the GPU used since it was first seen; each that is shown only grows."""
    attributor, now = Attributor(), 1000.0
    counter: int | None = None
    read_at = now
    used = 0
    last: dict[tuple[str, str], float] = {}
    for cycle in cycles:
        now += max(cycle.elapsed, 0.01)
        energy = cycle.energy if cycle.energy is not None or counter is not None else 0
        records = snapshot(cycle._replace(energy=energy), divided)
        uuid = records[0].identity.uuid
        rows = [
            row
            for row in attributor.attribute(records, OWNERS, claims(cycle, MIG[2] if divided else uuid), now)
            if row.quantity == ENERGY
        ]
        if energy is not None:
            if counter is not None and energy >= counter:
                used += energy - counter
            elif counter is not None and energy <= MAX_WATTS * 1000 * (now - read_at):
                used += energy
            counter, read_at = energy, now
        assert sum(row.value for row in rows) == math.fsum(row.value for row in rows) == used / 1000
        found = {(row.holder, row.attribution): row.value for row in rows}
        assert len(found) == len(rows)
        assert all(value >= last.get(key, 0) for key, value in found.items())
        gone = sum(value for key, value in last.items() if key not in found)
        departed = sum(value for key, value in found.items() if key[0] == "departed")
        assert departed == gone + sum(value for key, value in last.items() if key[0] == "departed" and key in found)
        last = found
