"""Runs at intervals, for those who wait only so long."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

from nodescope.devices.paced_runs import PacedRuns

LONG_S = 20.0


def test_each_run_is_waited_for_once() -> None:
    """A waiter gets a run that has ended since, else waits for the next one, and never longer than it said."""
    runs = PacedRuns("run", lambda: True, 3600.0, 3600.0)
    with runs.changed:
        assert runs.wait(LONG_S)
        assert runs.ended == 1
        begin = time.monotonic()
        assert runs.wait(0.05)
        assert time.monotonic() - begin >= 0.05
        assert runs.ended == 1


def test_failures_rest_longer() -> None:
    """After a failure the next run is due later; after a good one at the interval again."""
    results = iter([False, False, True, True, True])
    times: list[float] = []

    def run() -> bool:
        times.append(time.monotonic())
        return next(results)

    runs = PacedRuns("run", run, 0.05, 10.0)
    with runs.changed:
        while runs.ended < 4:
            runs.wait(LONG_S)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] >= 0.1
    assert gaps[1] >= 0.2
    assert gaps[2] >= 0.05


def test_a_run_that_takes_long() -> None:
    """Nobody waits longer than they said for a run that is under way, and there is never a second one beside it."""
    go, started = threading.Event(), []

    def run() -> bool:
        started.append(1)
        return go.wait(LONG_S)

    runs = PacedRuns("run", run, 0.01, 0.01)
    with runs.changed:
        for _ in range(3):
            assert runs.wait(0.02)
    assert (runs.ended, started) == (0, [1])
    go.set()
    runs.close(LONG_S)
    assert runs.ended == 1


def test_closed() -> None:
    """After the end nothing is run, and who waits is told so at once."""
    runs = PacedRuns("run", lambda: True, 0.01, 0.01)
    runs.close(LONG_S)
    with runs.changed:
        assert not runs.wait(LONG_S)
    assert runs.ended == 0
