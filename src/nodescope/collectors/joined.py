"""Several samplers' loops shown as one: one that fails or has nothing costs the others nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from nodescope.host import Absent
from nodescope.sampler import Snapshot
from nodescope.sampling import bare

log = logging.getLogger(__name__)


class Loop(Protocol):
    """What a collector shows, and who measures starts and stops: a `SamplerLoop`, or several of them."""

    @property
    def snapshot(self) -> Snapshot | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def first(self, deadline: float) -> bool: ...

    def fresh(self) -> Snapshot: ...

    def age_seconds(self) -> float | None: ...


class Joined:
    """`loops`: those that are shown, in order.

    `failed`: how many of them failed when they were last asked while others had something to show. The newest snapshot
    of all is the same object until one of them has a new one.
    """

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._loops = tuple(loops)
        self._of: tuple[Snapshot, ...] = ()
        self._joined: Snapshot | None = None
        self.failed = 0
        self._told = ""

    @property
    def snapshot(self) -> Snapshot | None:
        """The records of all, however old."""
        known = [snapshot for loop in self._loops if (snapshot := loop.snapshot) is not None]
        return _joined(known) if known else None

    def start(self) -> None:
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        for loop in self._loops:
            loop.stop()

    def first(self, deadline: float) -> bool:
        """Whether the first sample of each is complete, waiting for it until `deadline` (monotonic)."""
        self.start()
        return all(loop.first(deadline) for loop in self._loops)

    def fresh(self) -> Snapshot:
        """The newest of those that have something to show.

        Where none has: raises the error of the first that failed, else the `Absent` of the first.
        """
        found: list[Snapshot] = []
        absent: Absent | None = None
        error: Exception | None = None
        failed = 0
        for loop in self._loops:
            try:
                found.append(loop.fresh())
            except Absent as why:
                # Of each, shown or not: its loop keeps it, and it the frames and with them the answer being made.
                bare(why)
                absent = absent or why
            except Exception as why:  # noqa: BLE001  one sampler's failure, whatever it is, is its own
                bare(why)
                failed += 1
                error = error or why
        if not found:
            self.failed = 0
            try:
                raise error or absent or Absent("anything to sample")
            finally:
                # Else this frame holds them, and they the frames of all who called.
                del error, absent
        self.failed = failed
        self._tell(error)
        return self._newest(tuple(found))

    def age_seconds(self) -> float | None:
        """Seconds since the oldest newest snapshot of those that found something, None where none did."""
        ages = [
            age
            for loop in self._loops
            if (snapshot := loop.snapshot) is not None and snapshot.records and (age := loop.age_seconds()) is not None
        ]
        return max(ages, default=None)

    def _tell(self, error: Exception | None) -> None:
        """One line for each change: the collector itself is well."""
        text = "" if error is None else f"{type(error).__name__}: {error}"
        if bool(text) != bool(self._told):
            log.warning("of %d samplers %d cannot be shown: %s", len(self._loops), self.failed, text or "all are back")
        self._told = text

    def _newest(self, found: tuple[Snapshot, ...]) -> Snapshot:
        if self._joined is None or [id(one) for one in found] != [id(one) for one in self._of]:
            self._of, self._joined = found, _joined(found)
        return self._joined


def failed(loop: Loop) -> int:
    """How many of the samplers of `loop` failed while others had something to show."""
    return loop.failed if isinstance(loop, Joined) else 0


def _joined(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of all records, as old as the oldest; of one alone that one."""
    if len(snapshots) == 1:
        return snapshots[0]
    return Snapshot(
        tuple(record for snapshot in snapshots for record in snapshot.records),
        min(snapshot.time_seconds for snapshot in snapshots),
        min(snapshot.monotonic_seconds for snapshot in snapshots),
    )
