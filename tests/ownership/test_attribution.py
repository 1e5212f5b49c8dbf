"""How a GPU is divided among its holders, by example."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.ownership.attribution import ENERGY, MAX_METERS, MEMORY, POWER, UTILIZATION, Attributor
from nodescope.ownership.energy import KEPT_SECONDS, MAX_COUNTERS
from nodescope.ownership.holder import Holder
from nodescope.ownership.weights import MAX_HOLDERS
from nodescope.records.container import Attribution, DeviceClaim
from tests.ownership.gpus import MIG, NVIDIA, PARTS, A, C, amd, gpu, instance, nvidia, process

ONE = Holder("c1", "c1", "train", pod_name="p", pod_namespace="n", user="ada", slurm_job="7")
TWO = Holder("c2", "c2", "serve")
OWNERS = {1: ONE, 2: TWO, 3: ONE}
Parts = dict[str, tuple[float, str]]


def parts(rows: tuple[Attribution, ...], quantity: str, device: str = A) -> Parts:
    return {
        row.holder: (row.value, row.attribution) for row in rows if (row.device, row.quantity) == (device, quantity)
    }


def claim(device: str, name: str) -> DeviceClaim:
    return DeviceClaim(device=device, kind="gpu", evidence="cdi", container_id=name)


def attribute(*records: Any, claims: tuple[DeviceClaim, ...] = ()) -> tuple[Attribution, ...]:
    return Attributor().attribute(records, OWNERS, claims, 100.0)


def test_memory_is_measured() -> None:
    """Each holder has the memory of all its processes, and what is left, the driver's own, is no one's."""
    rows = attribute(
        gpu(NVIDIA[0], memory_used_bytes=1000),
        process(NVIDIA[0], 1, memory_used_bytes=300),
        process(NVIDIA[0], 3, memory_used_bytes=100),
        process(NVIDIA[0], 2, memory_used_bytes=200),
        process(NVIDIA[0], 99, memory_used_bytes=50),
    )
    assert parts(rows, MEMORY) == {
        "c1": (400, "measured"), "c2": (200, "measured"), "unattributed": (400, "measured"),
    }  # fmt: skip
    row = rows[0]
    assert (row.container, row.pod_name, row.pod_namespace, row.user, row.slurm_job) == ("train", "p", "n", "ada", "7")


def test_memory_that_is_too_much() -> None:
    """Processes that have more than the GPU share what it has, and that is no longer measured."""
    rows = attribute(
        gpu(NVIDIA[0], memory_used_bytes=100),
        process(NVIDIA[0], 1, memory_used_bytes=300),
        process(NVIDIA[0], 2, memory_used_bytes=100),
    )
    assert parts(rows, MEMORY) == {"c1": (75, "shared"), "c2": (25, "shared"), "unattributed": (0, "shared")}


def test_memory_that_is_not_told() -> None:
    """Where the driver tells no process's memory it is divided equally, as an estimate."""
    rows = attribute(gpu(NVIDIA[0], memory_used_bytes=100), process(NVIDIA[0], 1), process(NVIDIA[0], 2))
    assert parts(rows, MEMORY) == {"c1": (50, "estimated"), "c2": (50, "estimated"), "unattributed": (0, "estimated")}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"sm_utilization_percent": 60, "memory_used_bytes": 1}, {"sm_utilization_percent": 20}, (0.6, 0.2, "shared")),
        ({"sm_utilization_percent": 0, "memory_used_bytes": 1}, {"memory_used_bytes": 3}, (0.2, 0.6, "shared")),
        ({}, {}, (0.4, 0.4, "estimated")),
    ],
)
def test_utilisation(first: dict[str, int], second: dict[str, int], expected: tuple[float, float, str]) -> None:
    """It goes by SM samples, else by memory, else equally."""
    rows = attribute(
        gpu(NVIDIA[0], utilization_percent=80), process(NVIDIA[0], 1, **first), process(NVIDIA[0], 2, **second)
    )
    one, two, label = expected
    found = parts(rows, UTILIZATION)
    assert {key: (round(value, 5), how) for key, (value, how) in found.items()} == {
        "c1": (one, label), "c2": (two, label), "unattributed": (0, label),
    }  # fmt: skip
    assert sum(value for value, _ in found.values()) == 0.8


def test_claims_count_where_no_process_is_seen() -> None:
    """Who claims a GPU has what it does; where no one does, it is no one's."""
    busy = gpu(NVIDIA[0], utilization_percent=50)
    rows = attribute(busy, claims=(claim(A, "c1"), claim(A, "c2")))
    assert parts(rows, UTILIZATION) == {
        "c1": (0.25, "estimated"), "c2": (0.25, "estimated"), "unattributed": (0, "estimated"),
    }  # fmt: skip
    assert parts(attribute(busy), UTILIZATION) == {"unattributed": (0.5, "measured")}


def test_who_is_alone_has_all() -> None:
    """Of what is wholly someone's nothing is left for no one by rounding: who is alone has the GPU's own figure."""
    rows = attribute(gpu(NVIDIA[0], utilization_percent=70), process(NVIDIA[0], 1, sm_utilization_percent=3))
    assert parts(rows, UTILIZATION) == {"c1": (0.7, "shared"), "unattributed": (0, "shared")}


def test_idle_power_is_no_ones() -> None:
    """Above what the GPU was seen to draw idle it is shared; before that a tenth of its limit is taken, an estimate."""
    attributor = Attributor()
    busy = (
        gpu(NVIDIA[0], power_milliwatts=500_000, utilization_percent=100, power_limit_milliwatts=700_000),
        process(NVIDIA[0], 1, sm_utilization_percent=90),
    )
    assert parts(attributor.attribute(busy, OWNERS, (), 1), POWER) == {
        "c1": (430, "estimated"), "unattributed": (70, "estimated"),
    }  # fmt: skip
    idle = gpu(NVIDIA[0], power_milliwatts=100_000, utilization_percent=0)
    assert parts(attributor.attribute((idle,), OWNERS, (), 2), POWER) == {"unattributed": (100, "measured")}
    assert parts(attributor.attribute(busy, OWNERS, (), 3), POWER) == {
        "c1": (400, "shared"), "unattributed": (100, "shared"),
    }  # fmt: skip


def test_a_partitioned_gpu_at_rest() -> None:
    """A GPU whose partitions do nothing, all of them, draws what it draws idle; one of which nobody knows does not."""
    attributor = Attributor()
    whole = gpu(NVIDIA[2], power_milliwatts=90_000, power_limit_milliwatts=700_000)
    quiet = [instance(whole, part, profiling={"graphics_util": 0.0}) for part in PARTS]
    unknown = instance(whole, PARTS[2])
    busy = instance(whole, PARTS[0], profiling={"graphics_util": 50.0})
    user = process(NVIDIA[2], 1, instance_uuid=MIG[0], memory_used_bytes=1)
    hot = gpu(NVIDIA[2], power_milliwatts=390_000, power_limit_milliwatts=700_000)
    attributor.attribute((whole, *quiet[:2], unknown), OWNERS, (), 1)
    assert parts(attributor.attribute((hot, busy, user), OWNERS, (), 2), POWER, C)["unattributed"] == (70, "estimated")
    attributor.attribute((whole, *quiet), OWNERS, (), 3)
    assert parts(attributor.attribute((hot, busy, user), OWNERS, (), 4), POWER, C) == {
        "c1": (300, "shared"), "unattributed": (90, "shared"),
    }  # fmt: skip


def joules(attributor: Attributor, now: float, counter: int | None, *pids: int, **more: Any) -> Parts:
    reading = {"energy_millijoules": counter, "power_milliwatts": 300_000, "utilization_percent": 90.0, **more}
    processes = [process(NVIDIA[0], pid, sm_utilization_percent=50) for pid in pids]
    return parts(attributor.attribute((gpu(NVIDIA[0], **reading), *processes), OWNERS, (), now), ENERGY)


def test_energy() -> None:
    """It counts from the first reading; idle energy and gaps are no one's; after a reset it goes on."""
    attributor = Attributor()
    assert joules(attributor, 0, 5_000_000, power_milliwatts=100_000, utilization_percent=0.0) == {
        "unattributed": (0, "measured")
    }
    assert joules(attributor, 1, 5_300_000, 1) == {"c1": (200, "shared"), "unattributed": (100, "measured")}
    assert joules(attributor, 1, 5_300_000, 1) == {"c1": (200, "shared"), "unattributed": (100, "measured")}
    assert joules(attributor, 2, 5_600_000, 1, 2) == {
        "c1": (300, "shared"), "c2": (100, "shared"), "unattributed": (200, "measured"),
    }  # fmt: skip
    assert joules(attributor, 102, 35_600_000, 1)["unattributed"] == (30_200, "measured")
    assert joules(attributor, 103, 300_000, 1)["c1"] == (500, "shared")
    assert joules(attributor, 104, 200_000, 1)["c1"] == (600, "shared")
    assert joules(attributor, 105, None, 1, power_milliwatts=None)["c1"] == (600, "shared")


def test_energy_without_a_counter() -> None:
    """Power over time stands for it, as an estimate."""
    attributor = Attributor()
    joules(attributor, 0, None, 1, power_milliwatts=100_000, utilization_percent=0.0)
    assert joules(attributor, 2, None, 1) == {"c1": (400, "estimated"), "unattributed": (200, "estimated")}


def test_a_jump_back_that_cannot_be_a_reset() -> None:
    """A counter that goes back to more than any GPU could have used since has counted nothing."""
    attributor = Attributor()
    joules(attributor, 0, 5_000_000_000)
    assert joules(attributor, 1, 4_999_999_999) == {"unattributed": (0, "measured")}


def test_who_has_gone_is_shown_for_a_while() -> None:
    """The counter of a holder that has gone stays as it was, then becomes a part of that of all departed."""
    attributor = Attributor()
    joules(attributor, 0, 0, power_milliwatts=0, utilization_percent=0.0)
    joules(attributor, 1, 300_000, 1)
    assert joules(attributor, 31, 300_000)["c1"] == (300, "shared")
    gone = joules(attributor, 32 + KEPT_SECONDS, 300_000)
    assert gone == {"departed": (300, "shared"), "unattributed": (0, "measured")}


def test_there_are_no_more_counters_than_may_be() -> None:
    """Holders that come and go are bounded, at one time and over time, and nothing of what they used is lost."""
    attributor = Attributor()
    total = 0
    for cycle in range(5):
        first = cycle * 1000
        owners = {pid: Holder(f"c{pid}") for pid in range(first, first + MAX_HOLDERS + 50)}
        total += 1_000_000
        records = (
            gpu(NVIDIA[0], energy_millijoules=total),
            *(process(NVIDIA[0], pid, sm_utilization_percent=1) for pid in owners),
        )
        rows = parts(attributor.attribute(records, owners, (), cycle), ENERGY)
        assert len(rows) <= MAX_COUNTERS + 2
        assert sum(value for value, _ in rows.values()) == (total - 1_000_000) / 1000
    assert rows["departed"][0] > 0


def test_partitions_are_attributed_each() -> None:
    """Memory and utilisation are the partition's, two compute instances share memory; power is the whole GPU's."""
    whole = gpu(NVIDIA[2], power_milliwatts=100_000, power_limit_milliwatts=0)
    rows = attribute(
        whole,
        instance(whole, PARTS[0], memory_used_bytes=100, profiling={"graphics_util": 50.0}),
        instance(whole, PARTS[1], 0, memory_used_bytes=100, profiling={"graphics_util": 0.0}),
        instance(whole, PARTS[2], memory_used_bytes=10, profiling={"graphics_util": 100.0}),
        process(NVIDIA[2], 1, instance_uuid=MIG[0], memory_used_bytes=60),
        process(NVIDIA[2], 2, instance_uuid=MIG[1], memory_used_bytes=30),
    )
    assert parts(rows, MEMORY, MIG[0]) == {
        "c1": (60, "measured"), "c2": (30, "measured"), "unattributed": (10, "measured"),
    }  # fmt: skip
    assert parts(rows, MEMORY, MIG[1]) == {}
    assert parts(rows, MEMORY, MIG[2]) == {"unattributed": (10, "measured")}
    assert parts(rows, UTILIZATION, MIG[0]) == {"c1": (0.5, "shared"), "unattributed": (0, "shared")}
    assert parts(rows, UTILIZATION, MIG[2]) == {"unattributed": (1, "measured")}
    # 32 multiprocessors half busy and 16 wholly busy did the same.
    assert parts(rows, POWER, C) == {"c1": (50, "estimated"), "unattributed": (50, "estimated")}
    assert parts(rows, MEMORY, C) == {}


def test_partitions_that_tell_nothing_of_their_own() -> None:
    """Where only the whole GPU tells its memory and how busy it is, those are divided among all that are on it."""
    whole = gpu(NVIDIA[2], memory_used_bytes=100, utilization_percent=80)
    rows = attribute(
        whole,
        *(instance(whole, part) for part in PARTS),
        process(NVIDIA[2], 1, instance_uuid=MIG[0], memory_used_bytes=30),
        process(NVIDIA[2], 3, instance_uuid=MIG[2], memory_used_bytes=30),
        process(NVIDIA[2], 2, memory_used_bytes=20),
    )
    assert parts(rows, MEMORY, C) == {"c1": (60, "measured"), "c2": (20, "measured"), "unattributed": (20, "measured")}
    assert {row.device for row in rows} == {C}
    assert sum(value for value, _ in parts(rows, UTILIZATION, C).values()) == 0.8


def test_a_gpu_that_tells_nothing() -> None:
    """A lost GPU has no parts of what it does not tell, and costs its neighbour nothing."""
    rows = attribute(gpu(amd("x", 1)), gpu(NVIDIA[0], utilization_percent=1), process(NVIDIA[0], 1))
    assert {row.device for row in rows} == {A}
    assert attribute(gpu(NVIDIA[0], utilization_percent=float("nan"), power_milliwatts=-5)) == ()


def test_there_are_no_more_meters_than_may_be() -> None:
    """GPUs beyond the limit have no power and energy, and are counted; those that are gone make room."""
    attributor = Attributor()
    many = [gpu(nvidia(f"GPU-{n}", n), power_milliwatts=1000) for n in range(MAX_METERS + 3)]
    attributor.attribute(many, {}, (), 1)
    assert attributor.left_out == 3
    attributor.attribute(many[-3:], {}, (), 2)
    assert parts(attributor.attribute(many[-3:], {}, (), 3), POWER, f"GPU-{MAX_METERS}") != {}
    assert attributor.left_out == 0
