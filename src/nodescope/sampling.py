"""Runs a sampler in the background and keeps its newest snapshot; renders snapshots as families."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar, Final, TypeVar

from nodescope import threads
from nodescope.host import Absent
from nodescope.metric import Family, Metric
from nodescope.profiles import View
from nodescope.sampler import Sampler, Snapshot

AGE_LIMIT_INTERVALS: Final = 3

log = logging.getLogger(__name__)

_Error = TypeVar("_Error", bound=Exception)


class NoSnapshot(Exception):
    """There is no snapshot young enough to show. Says since when and why."""


class SamplerLoop:
    """One sampler, one daemon thread, one snapshot that is swapped in whole.

    A sample that hangs holds this thread alone: the snapshot ages, and is no longer shown after
    `AGE_LIMIT_INTERVALS` intervals. `stop` never waits for a sample; `close` then gives up what the sampler keeps open.
    `grace_s`: how long the first sample may take before that it is missing counts as a failure.
    """

    def __init__(self, sampler: Sampler, close: Callable[[], None] = lambda: None, grace_s: float = 0.0) -> None:
        self.sampler = sampler
        self._close = close
        self._grace_until = time.monotonic() + grace_s
        self.snapshot: Snapshot | None = None
        self._error: Exception | None = None
        self._state = threading.Condition()
        self._wanted = False
        self._started_at: float | None = None
        self._completed = 0
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._refused = False

    def start(self) -> None:
        with self._state:
            # A thread can end for want of memory between two samples.
            if (self._thread is None or not self._thread.is_alive()) and not self._stopped:
                self._wanted = True
                self._started_at = None
                thread = threading.Thread(target=self._run, name=f"sampler-{self.sampler.name}", daemon=True)
                try:
                    threads.start(thread)
                except RuntimeError as error:
                    # Whoever asks for a snapshot tries again.
                    if not self._refused:
                        log.warning("sampler %s has no thread to run in: %s", self.sampler.name, error)
                    self._refused = True
                else:
                    if self._refused:
                        log.info("sampler %s has a thread again", self.sampler.name)
                    self._thread, self._refused = thread, False

    def stop(self) -> None:
        with self._state:
            self._stopped = True
            self._state.notify_all()
        self._close()

    def first(self, deadline: float) -> bool:
        """Whether the first sample is complete, waiting for it until `deadline` (monotonic) or the end."""
        self.start()
        with self._state:
            self._state.wait_for(lambda: self._completed > 0 or self._stopped, deadline - time.monotonic())
            return self._completed > 0

    def fresh(self) -> Snapshot:
        """The newest snapshot; where the sampler allows it, one that began after this call if it comes in time.

        Raises `Absent` or the sampler's own error where the last sample ended in it, `NoSnapshot` where the newest
        is too old.
        """
        self.start()
        if self.sampler.demand_wait_s > 0:
            self._demand(self.sampler.demand_wait_s)
        with self._state:
            error, snapshot, started_at = self._error, self.snapshot, self._started_at
        if error is not None:
            try:
                raise bare(error)
            finally:
                # Else this frame holds the error, and that the frames of all who called.
                del error
        now = time.monotonic()
        limit = AGE_LIMIT_INTERVALS * self.sampler.interval_s
        if snapshot is not None and now - snapshot.monotonic_seconds <= limit:
            return snapshot
        if snapshot is None and now < self._grace_until:
            raise Absent(f"the first sample of {self.sampler.name}")
        running = "" if started_at is None else f"; a sample has been running for {now - started_at:.1f} s"
        raise NoSnapshot(f"{self.sampler.name}: no sample in the last {limit:g} s{running}")

    def age_seconds(self) -> float | None:
        """Seconds since the newest snapshot, None where there is none."""
        snapshot = self.snapshot
        return None if snapshot is None else time.monotonic() - snapshot.monotonic_seconds

    def _demand(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        with self._state:
            # A sample under way may have begun before this call: the one after it is surely fresh.
            goal = self._completed + (1 if self._started_at is None else 2)
            self._wanted = True
            self._state.notify_all()
            while self._completed < goal and not self._stopped:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return
                self._state.wait(remaining)

    def _run(self) -> None:
        while True:
            with self._state:
                if not self._wanted and not self._stopped:
                    self._state.wait(self.sampler.rest_s)
                if self._stopped:
                    return
                self._wanted = False
                self._started_at = time.monotonic()
            snapshot, error = self._sample()
            with self._state:
                if snapshot is not None:
                    self.snapshot = snapshot
                self._error = error
                self._started_at = None
                self._completed += 1
                self._state.notify_all()

    def _sample(self) -> tuple[Snapshot | None, Exception | None]:
        try:
            records = self.sampler.sample()
        except Absent as absent:
            return Snapshot((), time.time(), time.monotonic()), bare(absent)
        except Exception as error:
            log.debug("sampler %s failed", self.sampler.name, exc_info=True)
            return None, bare(error)
        return Snapshot(records, time.time(), time.monotonic()), None


def bare(error: _Error) -> _Error:
    """`error` without the frames it came through: kept, they would hold what they had open; raised again, they grow."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class SnapshotCollector:
    """A collector that renders a sampler's newest snapshot through a profile's rows."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    left_out: int = 0

    def __init__(self, loop: SamplerLoop, view: View) -> None:
        self.loop = loop
        self.view = view

    def collect(self) -> list[Family]:
        return self.view.render(self.loop.fresh().records)
