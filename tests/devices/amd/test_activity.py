"""Two sources of how busy a GPU is."""

from __future__ import annotations

import pytest

from nodescope.devices.amd.activity import STUCK_SAMPLES, Activity


@pytest.mark.parametrize(
    ("metrics", "busy", "value", "source"),
    [(7.0, 9.0, 7.0, 1), (7.0, None, 7.0, 1), (None, 9.0, 9.0, 2), (0.0, 0.0, 0.0, 1), (0.0, 9.0, 0.0, 1)],
)
def test_one_sample(metrics: float | None, busy: float | None, value: float, source: int) -> None:
    """gpu_metrics is believed where it says something; both are told."""
    chosen, told = Activity().chosen(metrics, busy)
    assert (chosen, told["utilization_source"]) == (value, source)
    assert told.get("gpu_metrics_activity_percent") == metrics
    assert told.get("gpu_busy_percent") == busy


def test_neither() -> None:
    """Without either there is nothing to tell."""
    assert Activity().chosen(None, None) == (None, {})


def test_stuck_at_zero() -> None:
    """Where gpu_metrics stays at 0 while the GPU is busy the other is believed, until gpu_metrics moves."""
    activity = Activity()
    said = [activity.chosen(0.0, 50.0)[0] for _ in range(STUCK_SAMPLES + 1)]
    assert said == [0.0] * (STUCK_SAMPLES - 1) + [50.0] * 2
    assert activity.chosen(0.0, 0.0)[0] == 0.0
    assert activity.chosen(3.0, 50.0)[0] == 3.0
    assert activity.chosen(0.0, 50.0)[0] == 0.0
