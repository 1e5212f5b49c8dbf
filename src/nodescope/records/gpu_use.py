"""Records that sum up others: who uses a GPU, and how it is."""

from __future__ import annotations

import msgspec

from nodescope.records.gpu import GpuIdentity


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """How many processes use a GPU that answers and says who uses it."""

    identity: GpuIdentity
    processes: int


class GpuUserUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of one user use of a GPU. A sum is of those that the driver tells; None: of none.

    `user`: None for those whose user is not known.
    """

    identity: GpuIdentity
    user: str | None
    processes: int
    memory_used_bytes: int | None = None
    sm_utilization_percent: float | None = None


class GpuStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a GPU is in one of OpenTelemetry's states: "ok", "degraded", "failed", "predicted_failure". `value`: 1 or
    0."""

    identity: GpuIdentity
    state: str
    value: int
