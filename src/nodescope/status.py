"""What `/health` and `/api/v1/status` say, as plain data."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping

from nodescope import __version__
from nodescope.runner import Outcome

Last = Mapping[str, tuple[float, Outcome]]
"""Of each collector that has run: when its last run ended (Unix seconds), and how."""


def health(last: Last) -> dict[str, object]:
    """`status` is "ok", or "degraded" with the collectors that failed and why."""
    failing = {
        name: {"state": outcome.state, "reason": outcome.reason}
        for name, (_, outcome) in sorted(last.items())
        if outcome.state in ("failed", "hung")
    }
    return {"status": "degraded" if failing else "ok", "version": __version__, "failing": failing}


def collectors(last: Last, enabled: tuple[str, ...]) -> list[dict[str, object]]:
    """Each collector that is on: its state, and what its last run gave."""
    return [_collector(name, last.get(name)) for name in enabled]


def _collector(name: str, last: tuple[float, Outcome] | None) -> dict[str, object]:
    if last is None:
        return {"name": name, "state": "not run yet"}
    finished, outcome = last
    return {
        "name": name,
        "state": outcome.state,
        "reason": outcome.reason,
        "duration_seconds": round(outcome.duration_seconds, 6),
        "last_run_seconds": round(finished, 3),
        "series": sum(len(family.rows) for family in outcome.families),
    }


def process(started_seconds: float, started_monotonic_seconds: float) -> dict[str, object]:
    """Of this process. When it was started is told by both clocks: the first may have been set since."""
    return {
        "version": __version__,
        "python_version": platform.python_version(),
        "pid": os.getpid(),
        "started_seconds": round(started_seconds, 3),
        "uptime_seconds": round(time.monotonic() - started_monotonic_seconds, 3),
    }
