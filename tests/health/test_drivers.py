"""Verdicts on drivers that tell of no GPU."""

from __future__ import annotations

import pytest

from nodescope.health.drivers import driver_verdicts
from tests.cli.check_verdicts import source, verdict


@pytest.mark.parametrize(
    ("state", "expected"), [("failed", "critical"), ("abandoned", "critical"), ("paused", "unknown")]
)
def test_a_driver_without_gpus(state: str, expected: str) -> None:
    """It is judged as it would be on each of its GPUs, with what was read and what to do, by its vendor's name."""
    (found,) = driver_verdicts([source(state, "Driver Not Loaded")], [])
    assert (found.component, found.subject, found.state) == ("driver", "nvidia", expected)
    assert found.value == {"critical": 2, "unknown": 3}[expected]
    assert found.evidence == f"source_state={state}, source_reason=Driver Not Loaded"
    assert found.reason
    assert found.action


def test_a_driver_that_is_judged_elsewhere_or_well() -> None:
    """A driver that is well, and one whose GPUs are judged, have no verdict of their own."""
    assert driver_verdicts([source("ok")], []) == []
    assert driver_verdicts([source("failed")], [verdict(0, "driver", "critical")]) == []
