"""How each GPU is, in OpenTelemetry's states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nodescope.records.gpu_snapshot import Gpu, GpuHealth
from nodescope.records.gpu_use import GpuStatus

OK: Final = "ok"
DEGRADED: Final = "degraded"
FAILED: Final = "failed"
STATES: Final = (OK, DEGRADED, FAILED, "predicted_failure")
"""hw.state of a GPU. Nothing here predicts a failure: that state is told as 0."""

OF_STATE: Final = {"ok": OK, "lost": FAILED, "reset_required": FAILED, "unresponsive": FAILED, "failed": FAILED}
"""States of a GPU -> OpenTelemetry's. Of one that is denied or has not answered yet nothing is known."""

OF_VERDICT: Final = {1: DEGRADED, 2: FAILED}
"""The worst verdict on a GPU that answers -> OpenTelemetry's state."""

UNKNOWN_VERDICT: Final = 3


def statuses(gpus: Iterable[Gpu], verdicts: Iterable[GpuHealth]) -> Iterator[GpuStatus]:
    """One record for each state of each GPU of which something is known."""
    worst: dict[str, int] = {}
    for verdict in verdicts:
        if verdict.value < UNKNOWN_VERDICT:
            worst[verdict.identity.uuid] = max(verdict.value, worst.get(verdict.identity.uuid, 0))
    for gpu in gpus:
        state = OF_STATE.get(gpu.state)
        if state == OK:
            state = OF_VERDICT.get(worst.get(gpu.identity.uuid, 0), OK)
        if state is not None:
            for name in STATES:
                yield GpuStatus(identity=gpu.identity, state=name, value=int(name == state))
