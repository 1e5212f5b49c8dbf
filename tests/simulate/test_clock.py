"""Virtual time."""

from __future__ import annotations

import pytest

from nodescope.simulate.clock import VirtualClock


class FakeMonotonic:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_goes_on_at_its_speed() -> None:
    """Virtual time begins where told and goes on `speed` times as fast as the monotonic clock."""
    monotonic = FakeMonotonic()
    clock = VirtualClock(60.0, 10.0, monotonic)
    assert clock.now() == 60.0
    monotonic.seconds += 2.5
    assert clock.now() == 85.0


def test_steps() -> None:
    """A step moves it by virtual seconds, at speed 0 too, where nothing else does."""
    monotonic = FakeMonotonic()
    clock = VirtualClock(0.0, 0.0, monotonic)
    monotonic.seconds += 99.0
    assert clock.now() == 0.0
    clock.step(0.5)
    clock.step(3600.0)
    assert clock.now() == 3600.5


@pytest.mark.parametrize("number", [-1.0, float("nan"), float("inf")])
def test_refuses(number: float) -> None:
    """Start, speed and step are refused where they are negative or not finite, so time never goes back."""
    with pytest.raises(ValueError, match=r"start of the virtual clock in seconds: expected a finite number"):
        VirtualClock(number, 1.0)
    with pytest.raises(ValueError, match="speed of the virtual clock: expected a finite number of at least 0"):
        VirtualClock(0.0, number)
    clock = VirtualClock(0.0, 1.0)
    with pytest.raises(ValueError, match="step of the virtual clock in seconds: expected a finite number"):
        clock.step(number)
