"""Least, greatest and mean over a sliding window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.window import MAX_SAMPLES, QUANTITIES, Windows
from nodescope.records.gpu import GpuReport
from nodescope.records.gpu_snapshot import GpuWindow, Spread
from tests.devices.gpu_reports import report


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_window_of_three_samples() -> None:
    """Every quantity has its extremes and mean; a sample leaves as soon as it is as old as the window is long."""
    clock = Clock()
    windows = Windows(2.0, clock)
    for second, watts in enumerate((500, 900, 100, 700)):
        clock.seconds = float(second + 1)
        window = windows.added(report(clock.seconds, power_milliwatts=watts))
    assert (window.seconds, window.samples) == (2.0, 2)
    assert window.power_milliwatts == Spread(100, 700, 400)
    assert window.temperature_celsius == Spread(60, 60, 60)
    assert all(getattr(window, name) is not None for name in QUANTITIES)


def test_what_is_unknown_is_in_no_mean() -> None:
    """A sample counts for the quantities that it has; of one that no sample has there is no spread."""
    clock = Clock()
    windows = Windows(30.0, clock)
    windows.added(report(1.0, utilization_percent=None, clock_sm_megahertz=None))
    window = windows.added(report(2.0, utilization_percent=50, clock_sm_megahertz=None))
    assert window.samples == 2
    assert window.utilization_percent == Spread(50, 50, 50)
    assert window.clock_sm_megahertz is None


def test_a_sample_counts_once() -> None:
    """The same report again, an older one and one that was never sampled add nothing."""
    windows = Windows(30.0, Clock())
    for sample in (report(5.0), report(5.0), report(4.0, power_milliwatts=1), GpuReport(uuid="GPU-1", state="lost")):
        window = windows.added(sample)
    assert window.samples == 1
    assert window.power_milliwatts == Spread(650_000, 650_000, 650_000)


def test_a_gpu_that_no_longer_answers_leaves_its_window() -> None:
    """By the clock the last samples leave the window though the report stays the same."""
    clock = Clock()
    windows = Windows(10.0, clock)
    clock.seconds = 5.0
    windows.added(report(5.0))
    clock.seconds = 15.1
    assert windows.added(report(5.0)) == GpuWindow(seconds=10.0)


def test_vanished_gpus_are_forgotten() -> None:
    """A GPU that was not asked about for as long as the window, and at least a minute, is no longer kept."""
    clock = Clock()
    windows = Windows(30.0, clock)
    windows.added(report(0.5, "GPU-1"))
    for second in (40.0, 61.0):
        clock.seconds = second
        windows.added(report(second, "GPU-2"))
    assert list(windows._gpus) == ["GPU-2"]


def test_more_samples_than_are_kept() -> None:
    """Beyond 3600 samples the oldest leave, and the window says how long it still is."""
    clock = Clock()
    windows = Windows(3600.0, clock)
    for number in range(1, MAX_SAMPLES + 11):
        clock.seconds = number / 10
        window = windows.added(report(clock.seconds, power_milliwatts=number))
    assert window.samples == MAX_SAMPLES
    assert window.seconds == pytest.approx(360.0)
    assert window.power_milliwatts == Spread(11, 3610, 1810.5)


@given(
    st.lists(st.tuples(st.floats(0.01, 4), st.none() | st.floats(0, 1000) | st.integers(0, 2**40)), max_size=60),
    st.floats(1, 20),
)
def test_any_samples_have_the_extremes_of_their_window(steps: list[tuple[float, float | None]], seconds: float) -> None:
    """After each sample the window is what a look at all samples gives."""
    clock = Clock()
    windows = Windows(seconds, clock)
    seen: list[tuple[float, float | None]] = []
    for step, value in steps:
        clock.seconds += step
        seen.append((clock.seconds, value))
        window = windows.added(report(clock.seconds, power_milliwatts=value))
        kept = [value for at, value in seen if at > clock.seconds - seconds]
        known = [value for value in kept if value is not None]
        assert window.samples == len(kept)
        spread = window.power_milliwatts
        if spread is None:
            assert known == []
        else:
            assert (spread.min, spread.max) == (min(known), max(known))
            assert spread.mean == pytest.approx(sum(known) / len(known), rel=1e-9, abs=1e-3)
