"""When a child is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.limits import BackOff, Limits, doubled


def test_failures_in_a_row_double_the_wait() -> None:
    """1, 2, 4 ... seconds, at most the longest; a minute of health starts anew."""
    back_off = BackOff(1, 10, 60)
    waits = []
    for now in (0, 100, 200, 300, 400):
        back_off.failed(now)
        waits.append(back_off.next_at - now)
    assert waits == [1, 2, 4, 8, 10]
    back_off.well(500)
    back_off.well(550)
    back_off.failed(559)
    assert back_off.next_at == 569
    back_off.well(600)
    back_off.failed(660)
    assert back_off.next_at == 661
    back_off.failed(700, 60)
    assert back_off.next_at == 760
    back_off.clear()
    assert back_off.next_at < 0


@given(st.integers(-5, 10_000))
def test_no_number_of_failures_is_too_great(times: int) -> None:
    """The wait lies between the first and the longest, whatever the count."""
    assert 1 <= doubled(1, 600, times) <= 600


def test_a_slow_sampler_may_be_silent_for_longer() -> None:
    """Three intervals, and five seconds at least."""
    assert Limits().silence_s(0.1) == 5
    assert Limits().silence_s(10) == 30
