"""Load curves: bounds, shape, and an integral that is exactly theirs."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.simulate.load import BLOCK_SECONDS, DAY_SECONDS, FEMTOSECONDS, SLOTS_PER_BLOCK, Load

SLOT_SECONDS = BLOCK_SECONDS // SLOTS_PER_BLOCK
SLOTS_PER_DAY = DAY_SECONDS // SLOT_SECONDS
SEEDS = st.integers(-(2**70), 2**70)
NAMES = st.text(max_size=8)
TIMES = st.floats(0.0, 3e9)


def slots(load: Load, first: int, count: int) -> list[float]:
    return [load.at(slot * SLOT_SECONDS) for slot in range(first, first + count)]


@given(SEEDS, NAMES, TIMES)
def test_bounds(seed: int, name: str, seconds: float) -> None:
    """Whatever the seed, the name and the time, a load is more than 0 and less than 1."""
    assert 0.0 < Load(seed, name).at(seconds) < 1.0


@given(SEEDS, NAMES, TIMES)
def test_reproducible(seed: int, name: str, seconds: float) -> None:
    """Two curves of the same seed and name are the same, in whatever order they are asked."""
    one, other = Load(seed, name), Load(seed, name)
    other.at(seconds / 2)
    assert one.at(seconds) == other.at(seconds)
    assert one.integral(seconds) == other.integral(seconds)


def test_seeds_and_names_differ() -> None:
    """Another seed or another name gives another curve."""
    curves = {tuple(slots(Load(seed, name), 0, 20)) for seed in (1, 2, -1) for name in ("cpu0", "cpu1", "eth0")}
    assert len(curves) == 9


@given(SEEDS, st.lists(TIMES, min_size=2, max_size=30))
def test_integral_never_goes_back(seed: int, times: list[float]) -> None:
    """Between any two times, the integral grows, by no more than the time and never by less than nothing."""
    load = Load(seed, "cpu0")
    for earlier, later in pairwise(sorted(times)):
        grown = load.integral(later) - load.integral(earlier)
        assert 0 <= grown <= (int(later * 1e6) - int(earlier * 1e6)) * FEMTOSECONDS // 10**6


@given(SEEDS, st.integers(0, 10**6), st.integers(1, 120))
def test_integral_is_the_curves(seed: int, first: int, count: int) -> None:
    """The integral over any slots is exactly the sum of their loads, each times its length."""
    load = Load(seed, "cpu0")
    grown = load.integral((first + count) * SLOT_SECONDS) - load.integral(first * SLOT_SECONDS)
    summed = sum(Fraction(round(at * 10**9), 10**9) for at in slots(load, first, count)) * SLOT_SECONDS
    assert Fraction(grown, FEMTOSECONDS) == summed


@given(SEEDS, st.integers(0, 10**6), st.integers(0, SLOT_SECONDS * 10**6 - 1))
def test_integral_within_a_slot(seed: int, slot: int, microseconds: int) -> None:
    """Within a slot the integral grows in proportion to time."""
    load = Load(seed, "cpu0")
    start = slot * SLOT_SECONDS
    seconds = start + microseconds / 10**6
    grown = load.integral(seconds) - load.integral(start)
    assert grown == round(load.at(start) * 10**9) * (int(seconds * 10**6) - start * 10**6)


def test_spikes() -> None:
    """In 2 % of a day's slots, once in each block, the load is three times that of the block; the others keep near."""
    load = Load(3, "cpu0")
    spikes = 0
    for first in range(0, SLOTS_PER_DAY, SLOTS_PER_BLOCK):
        block = slots(load, first, SLOTS_PER_BLOCK)
        usual = (sum(block) - max(block)) / (SLOTS_PER_BLOCK - 1)
        assert max(block) == pytest.approx(3 * usual)
        assert all(0.74 * usual < at < 1.26 * usual for at in block if at != max(block))
        spikes += 1
    assert spikes / SLOTS_PER_DAY == 0.02


def test_noise() -> None:
    """Within a block, loads are not all the same."""
    assert len(set(slots(Load(3, "cpu0"), 0, SLOTS_PER_BLOCK))) > SLOTS_PER_BLOCK / 2


def test_day_and_hour() -> None:
    """The load swings over the day and, less, over each hour."""
    load = Load(5, "cpu0")
    blocks = [load.mean((block + 1) * BLOCK_SECONDS, BLOCK_SECONDS) for block in range(DAY_SECONDS // BLOCK_SECONDS)]
    hours = [blocks[hour * 12 : hour * 12 + 12] for hour in range(24)]
    hourly_means = [sum(hour) / 12 for hour in hours]
    assert max(hourly_means) > 1.5 * min(hourly_means)
    assert all(0.03 < max(hour) - min(hour) < 0.15 for hour in hours)


def test_mean_before_boot() -> None:
    """A window that reaches back before boot counts that time as idle."""
    load = Load(1, "cpu0")
    assert load.mean(10.0, 100.0) == load.integral(10.0) / (100.0 * FEMTOSECONDS)
    assert load.mean(0.0, 60.0) == 0.0
