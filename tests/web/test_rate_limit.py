"""The token bucket."""

from __future__ import annotations

from time import monotonic

from nodescope.web.rate_limit import RateLimiter


def test_a_burst_passes_and_then_one_each_interval() -> None:
    """A full bucket gives its burst at once, then one token an interval, and never holds more than the burst."""
    limiter, start = RateLimiter(2.0, 3), monotonic()
    assert [limiter.allow(start) for _ in range(4)] == [True, True, True, False]
    assert [limiter.allow(start + 1.9), limiter.allow(start + 2.1), limiter.allow(start + 2.2)] == [False, True, False]
    assert [limiter.allow(start + 100) for _ in range(4)] == [True, True, True, False]


def test_no_burst_refuses_everything() -> None:
    """With a burst of 0 no request ever passes."""
    limiter = RateLimiter(0.001, 0)
    assert not limiter.allow(monotonic() + 1000)


def test_a_clock_that_stands_still_gives_no_tokens() -> None:
    """Moments out of order neither add nor take tokens."""
    limiter, start = RateLimiter(1.0, 1), monotonic() + 10
    assert [limiter.allow(start), limiter.allow(start - 5), limiter.allow(start)] == [True, False, False]
