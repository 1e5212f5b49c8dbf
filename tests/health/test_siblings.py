"""GPUs beside the others of their model that do the same."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.records.gpu_snapshot import GpuHealth
from tests.health.gpus import Judge, gpu

BUSY: dict[str, Any] = {"utilization_percent": 98, "memory_utilization_percent": 40, "power_milliwatts": 600_000}


def quarter_hour(odd: dict[int, dict[str, Any]], count: int = 8, minutes: int = 15) -> dict[tuple[str, str], GpuHealth]:
    """The verdicts on busy GPUs after some minutes; `odd`: what differs, by GPU."""
    judge, found = Judge(), {}
    for _ in range(minutes):
        found = judge.verdicts(*(gpu(number, **{**BUSY, **odd.get(number, {})}) for number in range(count)))
        judge.after(60)
    return found


def slow(found: dict[tuple[str, str], GpuHealth]) -> list[str]:
    return [uuid for (uuid, component), one in found.items() if component == "clocks" and one.state == "warning"]


def test_one_that_is_slower_than_its_siblings() -> None:
    """A GPU more than 15 % below the median clock of seven busy siblings is told apart, after some minutes."""
    odd = {3: {"clock_sm_megahertz": 1500}}
    found = quarter_hour(odd)
    assert slow(found) == ["GPU-3"]
    assert "the GPU runs at 1500 MHz, they at 1900 MHz" in found["GPU-3", "clocks"].reason
    assert "siblings=7" in found["GPU-3", "clocks"].evidence
    assert slow(quarter_hour(odd, minutes=5)) == []


@pytest.mark.parametrize(
    "odd",
    [
        {3: {"clock_sm_megahertz": 1650}},
        {3: {"clock_sm_megahertz": 1500, "power_limit_enforced_milliwatts": 400_000}},
        {3: {"clock_sm_megahertz": 1500, "throttle_reasons": 0x2}},
        {3: {"clock_sm_megahertz": 1500, "throttle_reasons": 0x4, "power_milliwatts": 700_000}},
        {3: {"clock_sm_megahertz": 1500, "utilization_percent": 60}},
        {number: {"clock_sm_megahertz": 1500} for number in (0, 1, 2, 3)},
        {number: {"clock_sm_megahertz": 1500} for number in range(8)},
        {number: {"clock_sm_megahertz": 1300 + 90 * number} for number in range(8)},
        {3: {"clock_sm_megahertz": 1500, "model": "NVIDIA H100"}},
        {number: {"utilization_percent": 3} for number in range(4)} | {5: {"clock_sm_megahertz": 1500}},
    ],
    ids=["near", "limit", "set", "heavier", "idle", "half", "all", "scattered", "model", "few"],
)
def test_what_is_no_fault(odd: dict[int, dict[str, Any]]) -> None:
    """Neither a lower limit, a setting, a heavier job, another job on half a node nor too few siblings is one."""
    assert slow(quarter_hour(odd)) == []


def test_at_the_power_limit_like_the_others() -> None:
    """Where all are at the limit and take the same power, one that runs much slower for it is told apart."""
    capped = {number: {"throttle_reasons": 0x4} for number in range(8)}
    assert slow(quarter_hour({**capped, 3: {"throttle_reasons": 0x4, "clock_sm_megahertz": 1500}})) == ["GPU-3"]


def after_an_hour(odd: dict[int, dict[str, Any]]) -> dict[tuple[str, str], GpuHealth]:
    """An hour as usual, then a quarter of one in which some differ."""
    judge, found = Judge(), {}
    for minute in range(75):
        differs = odd if minute >= 60 else {}
        found = judge.verdicts(*(gpu(number, **{**BUSY, **differs.get(number, {})}) for number in range(8)))
        judge.after(60)
    return found


def test_what_all_do_is_not_the_fault_of_one() -> None:
    """Clocks or power that changed on all GPUs of a node alike are a setting or another job, not a fault."""
    for change in ({"clock_sm_megahertz": 1500}, {"power_milliwatts": 300_000}):
        found = after_an_hour(dict.fromkeys(range(8), change))
        assert {one.state for one in found.values()} == {"ok"}


def test_power_beside_its_own_and_the_siblings() -> None:
    """A GPU whose power left both its own and its siblings' at the same load is told apart."""
    found = after_an_hour({2: {"power_milliwatts": 300_000}})
    odd = [key for key, one in found.items() if one.state == "warning" and key[1] != "all"]
    assert odd == [("GPU-2", "power")]
    assert "power_siblings_watts=600" in found["GPU-2", "power"].evidence
