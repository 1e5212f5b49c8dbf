"""Records of how the sampling of GPUs goes."""

from __future__ import annotations

import msgspec


class GpuSampling(msgspec.Struct, frozen=True, kw_only=True):
    """Of one vendor's sampler, since this agent's start. One in each snapshot.

    `failures`: samples in which the driver could not be read. `timed`: samples of which the source told how long
    reading took, and `seconds` all of that together. `newest_seconds`: Unix time of the newest sample that was no
    failure, None where there was none.
    """

    samples: int = 0
    failures: int = 0
    timed: int = 0
    seconds: float = 0.0
    newest_seconds: float | None = None


class ConductorCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Errors as the conductor's exporter counts them, since this agent's start.

    `collection`: samples in which the driver could not be read. `validation`: readings that were out of range.
    `commands`: reads that did not return in time, and runs of a tool that failed.
    """

    collection: int
    validation: int
    commands: int


class WorkerExporter(msgspec.Struct, frozen=True, kw_only=True):
    """The worker GPU exporter itself, which says that it runs whether or not there is a GPU."""
