"""OpenTelemetry's states of a GPU."""

from __future__ import annotations

import pytest

from nodescope.collectors.gpu.status import STATES, statuses
from nodescope.records.gpu_snapshot import GpuHealth
from tests.collectors.gpu.gpu_snapshot import gpu, identity


@pytest.mark.parametrize(
    ("state", "values", "status"),
    [
        ("ok", [], "ok"),
        ("ok", [0, 1, 0], "degraded"),
        ("ok", [1, 2], "failed"),
        ("ok", [3, 0], "ok"),
        ("lost", [0], "failed"),
        ("reset_required", [], "failed"),
        ("denied", [2], None),
        ("starting", [], None),
    ],
)
def test_state(state: str, values: list[int], status: str | None) -> None:
    """A GPU that answers is as its worst verdict; one that does not has failed; of one unknown there is nothing."""
    verdicts = [GpuHealth(identity=identity(), component=f"c{value}", state="", value=value) for value in values]
    other = GpuHealth(identity=identity(5), component="memory", state="critical", value=2)
    found = {made.state: made.value for made in statuses([gpu(0, state=state)], [*verdicts, other])}
    assert found == ({name: int(name == status) for name in STATES} if status else {})
