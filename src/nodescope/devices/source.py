"""What a source of readings of GPUs is: a driver's library in a child process, sysfs, a tool, a simulated machine."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from nodescope.records.gpu import GpuIdentity, GpuReport, InstanceIdentity
from nodescope.records.gpu_snapshot import GpuSource


class Observed(NamedTuple):
    """The newest that a source knows. Every report is of one of `gpus`; a GPU without a report has said nothing yet.

    `generation`: counts up with each change of the inventory; 0 while nobody has looked what there is.
    """

    generation: int
    gpus: tuple[GpuIdentity, ...]
    instances: tuple[InstanceIdentity, ...]
    reports: tuple[GpuReport, ...]


def without_readings(known: Observed, state: str, reason: str) -> Observed:
    """The inventory, with a report of each GPU that says only why there is no reading."""
    return known._replace(reports=tuple(GpuReport(uuid=gpu.uuid, state=state, reason=reason) for gpu in known.gpus))


class Source(Protocol):
    """`observe` waits at most `timeout_s` for something newer than it gave last, then gives the newest there is.

    It raises `Absent` where there is no driver or no GPU, `SourceFailed` where there should be one and it cannot be
    read and nothing is known of it. `status` never waits. `close` gives the driver up within 2 s and may be called
    twice; after it nothing of ours holds a device node.
    """

    def observe(self, timeout_s: float) -> Observed: ...

    def status(self) -> GpuSource: ...

    def close(self) -> None: ...


class SourceFailed(Exception):
    """The driver is there and cannot be read. One sentence says why and what to do."""


class LibraryMissing(SourceFailed):
    """The driver's library is not installed, or not where it was said to be."""
