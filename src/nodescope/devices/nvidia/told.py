"""What a source tells others, made from its state: one value that is swapped in whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from nodescope.devices import source
from nodescope.devices.nvidia.frame import Hello, Xid
from nodescope.devices.nvidia.known_gpus import KnownGpus
from nodescope.devices.nvidia.quarantine import ALL, Skip
from nodescope.devices.source import Observed
from nodescope.records.gpu import GpuReport
from nodescope.records.gpu_snapshot import GpuSource

VENDOR: Final = "nvidia"

OnXid = Callable[[Xid], object]
OnChange = Callable[[str, str, Mapping[str, str]], object]
"""Kind, subject and attributes of an event."""


class Outlets(NamedTuple):
    """What is called as things happen, in the supervising thread. It must neither block nor raise."""

    on_xid: OnXid
    on_change: OnChange


class Trouble(NamedTuple):
    """Why there is no reading of any GPU. `since`: CLOCK_MONOTONIC of the first failure in a row."""

    since: float
    text: str
    error: type[Exception]


class Told(NamedTuple):
    """The newest that is known. `number` counts what was told.

    `observed` is None where nothing is known; `error` is raised then, and once CLOCK_MONOTONIC passes `kept_until`.
    """

    number: int
    status: GpuSource
    observed: Observed | None
    error: type[Exception]
    kept_until: float = float("inf")

    def given(self, now: float) -> Observed:
        """What `Source.observe` gives. Raises what it raises."""
        if self.observed is None or now >= self.kept_until:
            raise self.error(self.status.reason)
        return self.observed


class Counts:
    """Counters since the start of the agent."""

    __slots__ = ("abandoned", "hung_calls", "starts")

    def __init__(self) -> None:
        self.starts = 0
        self.hung_calls = 0
        self.abandoned = 0


def status(
    kind: str, state: str, reason: str, known: KnownGpus, counts: Counts, hello: Hello | None = None
) -> GpuSource:
    """The record of the source. `hello`: of the child that gives its readings now."""
    return GpuSource(
        vendor=VENDOR,
        kind=kind,
        state=state,
        reason=reason,
        driver_version=hello.driver_version if hello else None,
        library_version=hello.library_version if hello else None,
        cuda_version=hello.cuda_version if hello else None,
        generation=known.generation,
        gpus=len(known.gpus),
        starts=counts.starts,
        hung_calls=counts.hung_calls,
        abandoned=counts.abandoned,
    )


def observed(known: KnownGpus, reports: Iterable[GpuReport]) -> Observed:
    """The inventory, and those of `reports` that are of a GPU in it."""
    listed = {report.uuid: report for report in reports if known.is_listed(report.uuid)}
    return Observed(known.generation, known.gpus, known.instances, (*listed.values(), *known.reports_of_lost()))


def without_readings(known: KnownGpus, state: str, reason: str) -> Observed:
    """The inventory, with a report of each GPU that says only why there is no reading."""
    return source.without_readings(Observed(known.generation, known.gpus, known.instances, ()), state, reason)


def judged(report: GpuReport, skip: Skip, calls: tuple[str, ...], call_limit_s: float) -> GpuReport:
    """`report` with what its child cannot know. `calls`: those of its GPU that hung; `skip`: what the child leaves out.

    A GPU of which one call is left out is well, and the reason says which call that is.
    """
    if report.busy_seconds >= call_limit_s:
        reason = f"{report.busy_call or 'a call'} has not returned from the driver"
        return msgspec.structs.replace(report, state="unresponsive", reason=reason)
    left_out = skip.get(report.uuid)
    if left_out is None or report.state not in ("ok", "unresponsive"):
        return report
    if ALL in left_out:
        hung = " and ".join(call for call in calls if call != ALL) or "its calls"
        return msgspec.structs.replace(
            report, state="unresponsive", reason=f"{hung} did not return from the driver; it is tried again later"
        )
    reason = f"{left_out[0]} is left out, for it did not return from the driver; it is tried again later"
    state = "ok" if report.sampled_monotonic_seconds > 0 else "unresponsive"
    return msgspec.structs.replace(report, state=state, reason=reason)
