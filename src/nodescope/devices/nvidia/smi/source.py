"""NVIDIA GPUs as nvidia-smi tells of them, where the driver's library cannot be used.

A run costs up to a second of a CPU, so there is one each few seconds at most, in a thread of its own: nobody who reads
waits for a run longer than they said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import msgspec

from nodescope.devices.nvidia import procfs
from nodescope.devices.nvidia.frame import Inventory, Unopened
from nodescope.devices.nvidia.known_gpus import KnownGpus
from nodescope.devices.nvidia.smi.failure import HUNG, NO_DEVICES, NO_DRIVER, NO_LIBRARY, NO_PROGRAM, Unreadable
from nodescope.devices.nvidia.smi.log import Log
from nodescope.devices.nvidia.smi.program import UNTOLD, Read, SmiProgram
from nodescope.devices.nvidia.smi.records import NO_LISTING, Told, attached_gpus, driver_versions, told
from nodescope.devices.nvidia.smi.text import Listing
from nodescope.devices.paced_runs import PacedRuns
from nodescope.devices.source import LibraryMissing, Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuIdentity, GpuReport
from nodescope.records.gpu_snapshot import GpuSource

VENDOR: Final = "nvidia"
KIND: Final = "nvidia-smi"
LEAST_INTERVAL_S: Final = 5.0
RUN_LIMIT_S: Final = 10.0
LISTING_S: Final = 60.0
RETRY_SHARE: Final = 0.1
"""Of `LISTING_S`: where -L has failed it is run again so soon."""

LONGEST_REST_S: Final = 300.0
CLOSE_LIMIT_S: Final = 1.5

NOTHING: Final = Observed(0, (), (), ())
_ABSENT: Final = frozenset({NO_PROGRAM, NO_DRIVER, NO_DEVICES})


class SmiLimits(NamedTuple):
    """Seconds. `run_s`: one run may take, then it is killed. `listing_s`: how long what `-L` said of MIG devices is
    believed. `longest_rest_s`: between two tries, which double with each failure."""

    least_interval_s: float = LEAST_INTERVAL_S
    run_s: float = RUN_LIMIT_S
    listing_s: float = LISTING_S
    longest_rest_s: float = LONGEST_REST_S
    close_s: float = CLOSE_LIMIT_S


class SmiSource:
    """A `Source`. Where a run fails the last readings stay, with their time, and their GPUs' state says why.

    `program`: nvidia-smi, where it is not on the path or where it is commonly installed. `interval_s`: between two
    runs, `LEAST_INTERVAL_S` at least. `is_paused`: while it is true nothing is run, and what runs is ended, for
    nvidia-smi has the driver open. It is called in the thread of the run.
    """

    def __init__(
        self,
        host: Host,
        program: str = "",
        interval_s: float = LEAST_INTERVAL_S,
        limits: SmiLimits | None = None,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limits = limits or SmiLimits()
        self._interval_s = max(interval_s, self._limits.least_interval_s)
        self._host = host
        self._is_closed = False
        unwanted = lambda: self._is_closed or is_paused()  # noqa: E731
        self._program = SmiProgram(host, program, self._limits.run_s, unwanted)
        self._known = KnownGpus(host)
        self._listing: tuple[float, frozenset[object], Listing] = (float("-inf"), frozenset(), NO_LISTING)
        self._runs = PacedRuns(KIND, self._round, self._interval_s, self._limits.longest_rest_s)
        # What follows is read by others, under the lock of the condition.
        self._changed = self._runs.changed
        self._observed: Observed | None = None
        self._failure: Unreadable | None = None
        self._versions: dict[str, str] = {}
        self._hung = 0

    def observe(self, timeout_s: float) -> Observed:
        with self._changed:
            if not self._runs.wait(timeout_s):
                raise SourceFailed("nvidia-smi is not asked any more: the agent has given the driver up")
            if self._observed is not None:
                return self._observed
            if self._failure is None:
                return NOTHING
            kind, reason = self._failure.kind, str(self._failure)
        if kind in _ABSENT:
            raise Absent(reason)
        raise (LibraryMissing if kind == NO_LIBRARY else SourceFailed)(reason)

    def status(self) -> GpuSource:
        with self._changed:
            observed = self._observed or NOTHING
            state = "failed" if self._failure else "ok" if self._runs.ended else "starting"
            return GpuSource(
                vendor=VENDOR,
                kind=KIND,
                state=state,
                reason=str(self._failure or ""),
                interval_seconds=self._interval_s,
                driver_version=self._versions.get("driver_version"),
                cuda_version=self._versions.get("cuda_version"),
                generation=observed.generation,
                gpus=len(observed.gpus),
                starts=self._program.starts,
                hung_calls=self._hung,
            )

    def close(self) -> None:
        """No further run is started; one that is under way is ended."""
        self._is_closed = True
        self._runs.close(self._limits.close_s)

    def _round(self) -> bool:
        """One round, in a thread of its own; whether it went well."""
        observed = self._observed or NOTHING
        known = {gpu.pci_address: gpu for gpu in observed.gpus if gpu.pci_address}
        try:
            read = self._program.read(known.keys())
            now = time.monotonic()
            found = told(read.log, self._listed(read.log), now) if read.log is not None else ()
        except Unreadable as error:
            self._take_failure(error)
            return False
        attached = attached_gpus(read.log) if read.log is not None else 0
        fresh = self._inventoried((*found, *self._broken(read, known, observed)), observed, attached)
        with self._changed:
            self._failure = None
            self._observed = fresh
            if read.log is not None:
                self._versions = driver_versions(read.log)
        return True

    def _listed(self, log: Log) -> Listing:
        """What `-L` says, where it is needed: for MIG devices, and for indices where GPUs are missing."""
        first = told(log, NO_LISTING, 0.0)
        if not any(one.instances or one.identity.index is None for one in first):
            return NO_LISTING
        key = frozenset((one.identity.uuid, *one.instances) for one in first)
        until, listed_key, listing = self._listing
        if time.monotonic() >= until or key != listed_key:
            fresh = self._program.listing()
            failed = not fresh.indices
            # Where it fails, what has not changed keeps the names that it had.
            listing = listing if failed and key == listed_key else fresh
            believed_s = self._limits.listing_s * (RETRY_SHARE if failed else 1.0)
            self._listing = (time.monotonic() + believed_s, key, listing)
        return listing

    def _broken(self, read: Read, known: dict[str, GpuIdentity], observed: Observed) -> list[Told]:
        """GPUs that could not be opened, with the last that was read of them."""
        reports = {report.uuid: report for report in observed.reports}
        gone = []
        for address, (state, reason) in read.broken.items():
            identity = known.get(address) or procfs.identity(self._host, address)
            last = reports.get(identity.uuid) or GpuReport(uuid=identity.uuid)
            instances = tuple(one for one in observed.instances if one.gpu_uuid == identity.uuid)
            gone.append(Told(identity, instances, msgspec.structs.replace(last, state=state, reason=reason)))
        return gone

    def _inventoried(self, found: tuple[Told, ...], before: Observed, attached: int) -> Observed:
        """With the GPUs that are no longer told of, though their devices are there, and those that are only counted."""
        indices = {gpu.uuid: gpu.index for gpu in before.gpus}
        gpus: dict[str, Told] = {}
        for one in found:
            gpus.setdefault(one.identity.uuid, one)
        identities = tuple(_indexed(one.identity, indices) for one in gpus.values())
        instances = tuple(instance for one in gpus.values() for instance in one.instances)
        unopened = _untold(identities, attached)
        self._known.take(Inventory(generation=0, gpus=identities, instances=instances, unopened=unopened), 0)
        reports = (*(one.report for one in gpus.values()), *self._known.reports_of_lost())
        return Observed(self._known.generation, self._known.gpus, self._known.instances, reports)

    def _take_failure(self, error: Unreadable) -> None:
        """Without a driver, nothing is there; else the last that was known stays."""
        state = "unresponsive" if error.kind == HUNG else "failed"
        with self._changed:
            self._failure = error
            self._hung += error.kind == HUNG
            if error.kind in _ABSENT:
                self._observed = None
            elif self._observed is not None:
                reports = (
                    msgspec.structs.replace(one, state=state, reason=str(error)) for one in self._observed.reports
                )
                self._observed = self._observed._replace(reports=tuple(reports))


def _untold(told_of: Collection[GpuIdentity], attached: int) -> tuple[Unopened, ...]:
    """The GPUs that are counted and of which nothing is said. `attached`: how many there are."""
    state, reason = UNTOLD
    free: list[int | None] = list(range(attached))
    for gpu in told_of:
        if gpu.index is None:
            free = [None] * attached
            break
        if gpu.index in free:
            free.remove(gpu.index)
    missing = max(0, attached - len(told_of))
    return tuple(Unopened(index=index, state=state, reason=reason) for index in free[:missing])


def _indexed(identity: GpuIdentity, indices: dict[str, int | None]) -> GpuIdentity:
    """With the index that it had, where it is not told: while GPUs are missing there may be no list of all."""
    if identity.index is not None or indices.get(identity.uuid) is None:
        return identity
    return msgspec.structs.replace(identity, index=indices[identity.uuid])
