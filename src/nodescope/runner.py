"""Runs the at-scrape collectors so that `/metrics` never waits for one of them.

One worker at a time runs collectors, in order; requests that ask for the same collectors while a pass is under way
share it. A collector that is slower than `HANDOVER_S` keeps its worker to itself while a fresh one takes the rest; one
that passes its deadline counts as failed until its read returns. Python cannot end a hung read, and daemon threads do
not hold up the exit: there is at most one such thread for each collector.

The worker is a thread of its own, or, with `here`, the thread that asks: waking another costs more than most reads.
Whoever asks so must have somebody else ask again when no answer comes (the listener has, see web/front.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from nodescope import threads
from nodescope.collector import Collector
from nodescope.host import Absent
from nodescope.metric import Family

HANDOVER_S: Final = 0.25
NEXT_HANDOVER_S: Final = 0.05
"""Once a collector hangs others are likely to, and the rest of the pass shall not wait for each of them."""
NOTHING_S: Final = 10.0
MAX_OPEN_PASSES: Final = 64
MAX_REASON_CHARACTERS: Final = 1000

log = logging.getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """How one run of a collector ended. `state` is "ok", "absent", "failed" or "hung". `lasting`: it had nothing to
    give, and that will do for a while."""

    collector: str
    state: str
    families: tuple[Family, ...]
    duration_seconds: float
    reason: str = ""
    left_out: int = 0
    lasting: bool = False

    @property
    def succeeded(self) -> bool:
        return self.state == "ok"


class TooManyPasses(Exception):
    """More different scrapes wait than `MAX_OPEN_PASSES`."""


class _Run:
    """One collector being run by one worker, for the pass that began it and those that came meanwhile."""

    __slots__ = ("name", "passes", "started_at", "worker")

    def __init__(self, name: str, worker: object, current: _Pass, started_at: float) -> None:
        self.name = name
        self.worker = worker
        self.passes = [current]
        self.started_at = started_at


class _Pass:
    """One walk over some collectors, shared by every request that waits for it."""

    __slots__ = ("names", "outcomes", "todo")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.todo = deque(names)
        self.outcomes: dict[str, Outcome] = {}

    @property
    def done(self) -> bool:
        return len(self.outcomes) == len(self.names)


class Runner:
    """Runs `collectors` by name. `timeout_s`: deadline of each. `on_change(outcome, before)`: called when a
    collector's state differs from its state before (None at first). `is_lasting(name)`: whether it is enough to ask a
    collector that had nothing to give, for its hardware is not there, each `nothing_s` seconds."""

    def __init__(
        self,
        collectors: Mapping[str, Collector],
        timeout_s: float,
        on_change: Callable[[Outcome, str | None], None] = lambda outcome, before: None,
        is_lasting: Callable[[str], bool] = lambda name: False,
        nothing_s: float = NOTHING_S,
    ) -> None:
        self.collectors = dict(collectors)
        self.timeout_s = timeout_s
        self.last: dict[str, tuple[float, Outcome]] = {}
        self._on_change = on_change
        self._is_lasting = is_lasting
        self._nothing_s = nothing_s
        self._nothing_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._finished = threading.Condition(self._lock)
        self._open: dict[tuple[str, ...], _Pass] = {}
        self._runs: dict[str, _Run] = {}
        self._worker: object | None = None
        self._waiting = 0
        self._stopped = False
        self._changes: deque[tuple[Outcome, str | None]] = deque()

    def scrape(self, names: tuple[str, ...], timeout_s: float, here: bool = False) -> list[Outcome]:
        """An outcome for each of `names`, in that order, within `timeout_s` seconds.

        `here`: this thread may be the worker, and then comes back late when a read hangs.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            current = self._join(names)
            try:
                self._see_through(current, deadline, here)
            finally:
                if self._open.get(names) is current:
                    del self._open[names]
            outcomes = [current.outcomes.get(name) or self._unfinished(name, timeout_s) for name in names]
        self._tell()
        return outcomes

    def stop(self) -> None:
        """Ends the workers that can be ended; never waits for one that hangs."""
        with self._lock:
            self._stopped = True
            self._worker = None
            self._wake()

    def _join(self, names: tuple[str, ...]) -> _Pass:
        current = self._open.get(names)
        if current is None:
            if len(self._open) >= MAX_OPEN_PASSES:
                raise TooManyPasses(f"{len(self._open)} different scrapes wait already; try again later")
            current = self._open[names] = _Pass(names)
        return current

    def _see_through(self, current: _Pass, deadline: float, here: bool) -> None:
        """Returns when the pass is done, at the deadline or after `stop`. The lock is held, but for the waits."""
        while not current.done and not self._stopped:
            now = time.monotonic()
            if now >= deadline:
                return
            wake_at = self._oversee(current, now) if self._runs or self._worker is not None else deadline
            if self._worker is None and current.todo:
                self._begin(current, here)
            elif not current.done:
                self._waiting += 1
                try:
                    self._finished.wait(min(deadline, wake_at) - now)
                finally:
                    self._waiting -= 1

    def _wake(self) -> None:
        if self._waiting:
            self._finished.notify_all()

    def _begin(self, current: _Pass, here: bool) -> None:
        """Makes this thread, or a new one, the worker. Called, and returns, with the lock held."""
        worker = object()
        if not here:
            # Where no thread can be started, that raises, and there is no worker.
            threads.start(threading.Thread(target=self._work_apart, args=(current, worker), name="scrape", daemon=True))
        self._worker = worker
        if here:
            self._work(current, worker)

    def _work_apart(self, current: _Pass, worker: object) -> None:
        with self._lock:
            self._work(current, worker)
        self._tell()

    def _tell(self) -> None:
        """Tells of changes without the lock: whoever is told may write a log that nobody reads."""
        while self._changes:
            try:
                change = self._changes.popleft()
            except IndexError:
                # Another thread has told the last one.
                return
            self._on_change(*change)

    def _work(self, current: _Pass, worker: object) -> None:
        """Runs what is left of a pass, until it is done or the worker is abandoned. The lock is held between runs."""
        try:
            while current.todo and self._worker is worker:
                name = current.todo.popleft()
                now = time.monotonic()
                known = name in self._runs or name in self._nothing_until
                if not known or self._is_free(name, current, now):
                    self._run(name, worker, current, now)
        finally:
            if self._worker is worker:
                self._worker = None
            self._wake()

    def _run(self, name: str, worker: object, current: _Pass, now: float) -> None:
        run = self._runs[name] = _Run(name, worker, current, now)
        self._lock.release()
        outcome = None
        try:
            outcome = self._collect(name)
        finally:
            self._lock.acquire()
            del self._runs[name]
            if outcome is None:
                outcome = Outcome(name, "failed", (), 0.0, "what ran it was ended")
            self._finish(outcome, run.passes)

    def _oversee(self, current: _Pass, now: float) -> float:
        """Hands over from slow runs, gives up on those past their deadline; returns when to look again."""
        slow = any(run.worker is not self._worker for run in self._runs.values())
        patience_s = NEXT_HANDOVER_S if slow else HANDOVER_S
        # A worker that has only just been started has no run yet to look at.
        wake_at = now + (self.timeout_s if self._worker is None else min(self.timeout_s, patience_s))
        for run in self._runs.values():
            age = now - run.started_at
            if run.worker is self._worker:
                if age < patience_s:
                    wake_at = min(wake_at, run.started_at + patience_s)
                    continue
                self._worker = None
            if run.name in current.names and run.name not in current.outcomes and run.name not in current.todo:
                if age < self.timeout_s:
                    wake_at = min(wake_at, run.started_at + self.timeout_s)
                else:
                    self._finish(self._hung(run, now), [current])
        return wake_at

    def _is_free(self, name: str, current: _Pass, now: float) -> bool:
        """Whether a collector is to be run for a pass.

        One that another pass is running gives this pass its outcome too; one still in an earlier hung run has failed;
        one that had nothing to give for good is not asked yet.
        """
        run = self._runs.get(name)
        if run is None:
            if now >= self._nothing_until.get(name, now):
                return True
            self._give(self.last[name][1], [current])
        elif now - run.started_at < self.timeout_s:
            run.passes.append(current)
        else:
            self._finish(self._hung(run, now), [current])
        return False

    def _finish(self, outcome: Outcome, passes: list[_Pass]) -> None:
        name = outcome.collector
        before = self.last.get(name)
        self.last[name] = (time.time(), outcome)
        if outcome.lasting:
            self._nothing_until[name] = time.monotonic() + self._nothing_s
        self._give(outcome, passes)
        if before is None or before[1].state != outcome.state:
            self._changes.append((outcome, before[1].state if before else None))

    def _give(self, outcome: Outcome, passes: list[_Pass]) -> None:
        for current in passes:
            current.outcomes.setdefault(outcome.collector, outcome)
            if current.done:
                if self._open.get(current.names) is current:
                    del self._open[current.names]
                self._wake()

    def _collect(self, name: str) -> Outcome:
        started_ns = time.monotonic_ns()
        try:
            collector = self.collectors[name]
            families = tuple(collector.collect())
        except Absent as absent:
            reason = _shown(f"{absent} is not there")
            # A sampler keeps its error: with the frames that this came through it would keep the last answer too.
            absent.__traceback__ = None
            return Outcome(name, "absent", (), _seconds_since(started_ns), reason, 0, self._is_lasting(name))
        except Exception as error:
            log.debug("collector %s failed", name, exc_info=True)
            reason = _shown(f"{type(error).__name__}: {error}")
            error.__traceback__ = None
            return Outcome(name, "failed", (), _seconds_since(started_ns), reason)
        left_out = collector.left_out
        lasting = not families and not left_out and self._is_lasting(name)
        return Outcome(name, "ok", families, _seconds_since(started_ns), "", left_out, lasting)

    def _hung(self, run: _Run, now: float) -> Outcome:
        age = now - run.started_at
        return Outcome(run.name, "hung", (), age, "a read that began earlier has not returned")

    def _unfinished(self, name: str, timeout_s: float) -> Outcome:
        return Outcome(name, "hung", (), timeout_s, f"not finished within the scrape's {timeout_s:g} s")


def _seconds_since(started_ns: int) -> float:
    # As a whole number of nanoseconds it has few digits to spell.
    return (time.monotonic_ns() - started_ns) / 1e9


def _shown(reason: str) -> str:
    """`reason` short, and without the bytes of a path that are no text: it goes into JSON, logs and to terminals."""
    plain = reason[:MAX_REASON_CHARACTERS].encode("utf-8", "replace").decode()
    return plain if plain.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in plain)
