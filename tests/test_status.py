"""What the agent says of itself."""

from __future__ import annotations

import time

import pytest

from nodescope import status


def test_uptime_does_not_follow_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock is set back by years uptime is what it was, and the start is told as it was at the start."""
    started, at = time.time(), time.monotonic() - 5
    monkeypatch.setattr(time, "time", lambda: started - 1e9)
    told = status.process(started, at)
    assert told["started_seconds"] == round(started, 3)
    assert told["uptime_seconds"] == pytest.approx(5, abs=1)
