"""Lives of containers: what a runtime tells of one, which event can follow which, and what nobody heard.

Pure, and the same for every runtime. An event that a container's state cannot take was known already, from a list or by
comparing, or came out of order: it makes no event; where it might be news the container is `doubted`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from nodescope.records.container import Container, ContainerEvent

LIVE: Final = frozenset({"running", "paused"})
"""With processes. "restarting" is not: its exit was told, and its next start will be."""
STOPPED: Final = frozenset({"exited", "dead", "restarting"})

JUDGED: Final = frozenset({"healthy", "unhealthy"})
"""Of these runtimes tell. That a check is "starting" follows from the start."""

FROM: Final = {
    "running": frozenset({"created", *STOPPED}),
    "resumed": frozenset({"paused"}),
    "paused": frozenset({"running"}),
    "exited": frozenset({"created", *LIVE}),
}
"""Kind that changes the state -> the states that it can follow."""

STARTED_ONCE: Final = frozenset({"cri-containerd", "cri-o"})
"""What the CRI starts again is another container. Its time of a start is not that of the runtime's event."""

START_FAILED: Final = 128
"""Exit code of the CRI's containers that could not be started. Engines show those as created, and tell no end."""

LATE_SECONDS: Final = 60.0
"""A start that comes after the end of what it started is less old than this; of another the clock was set back."""

Key = tuple[str | None, str]
"""(namespace, id): containerd's ids are unique within a namespace alone."""


class Heard(NamedTuple):
    """What a runtime says of a container.

    `kind`: of `ContainerEvent`, and "resumed"; "changed" and "checked" only mean that the container is to be looked at
    again, now or in a while. `pid`: of the first process. `image`: as the runtime has it.
    """

    id: str
    kind: str
    time_seconds: float
    namespace: str | None = None
    name: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    health: str | None = None
    image: str | None = None


def key_of(container: Container) -> Key:
    """By which a container is known."""
    return container.namespace, container.id


class Life:
    """What is known of one container. `record`: as looked at last, and brought up to date by events.

    `state`, `health`, `oom_killed`, `ran`, `pid`: as told by events so far; `record` may be ahead of them. `latest`:
    Unix time of the newest start or end that was told. `ended`: of the newest end that was heard.
    `included_until`: Unix time up to which what happened is in `record`; an event of before is no news.
    `doubted`: an event did not fit, so something else may have happened.
    """

    __slots__ = (
        "doubted",
        "ended",
        "health",
        "included_until",
        "latest",
        "oom_killed",
        "pid",
        "ran",
        "record",
        "state",
    )

    def __init__(self, record: Container, included_until: float) -> None:
        self.ran = self.oom_killed = self.doubted = False
        self.latest: float | None = None
        self.ended = 0.0
        self.pid: int | None = None
        self.record = record
        self.show(record, included_until)

    def show(self, record: Container, included_until: float) -> None:
        """All that `record` tells counts as told from now on."""
        times = (record.created_seconds, record.started_seconds, record.finished_seconds)
        self.included_until = max(included_until, *(time for time in times if time is not None and time > 0), 0.0)
        self.oom_killed = record.oom_killed or (self.oom_killed and not runs_anew(self, record))
        if record.state == "created" and self.ran:
            # containerd knows no more of a process that is gone than of one that never was.
            was = self.record
            record = msgspec.structs.replace(
                record, state="exited", exit_code=was.exit_code, finished_seconds=was.finished_seconds
            )
        self.record = record
        self.ran = self.ran or record.started_seconds is not None or record.state != "created"
        self.state = record.state
        self.health = record.health
        self.pid = record.pid or (self.pid if record.state in LIVE else None)
        known = [time for time in times[1:] if time is not None]
        self.latest = max(known) if known else self.latest
        self.doubted = False

    def hear(self, heard: Heard) -> tuple[str, ...]:
        """The kinds of events that this is in this life, none where it is no news; all but the last nobody heard.

        "restarted" is a later "running".
        """
        kind = heard.kind
        if kind == "health":
            return self._judged(heard.health)
        if kind == "oom_killed":
            # The kernel kills one process at a time: each is news while the container runs; after its end it is known.
            known = self.oom_killed and self.state in STOPPED
            self.oom_killed = True
            return () if known else (kind,)
        if kind == "deleted":
            return ("exited", kind) if self.state in LIVE else (kind,)
        if kind == "running" and self._is_another(heard) and self.state in LIVE:
            return ("exited", self._entered(heard))
        if not self._fits(heard):
            return ()
        began = kind == "exited" and self.state == "created" and heard.exit_code != START_FAILED
        unheard = ("running",) if began else ()
        return (*unheard, self._entered(heard))

    def _judged(self, health: str | None) -> tuple[str, ...]:
        if health == self.health:
            return ()
        self.health = health
        return ("health",)

    def _is_another(self, heard: Heard) -> bool:
        """Whether it is of another process than the one that is known to run."""
        return heard.pid is not None and self.pid is not None and heard.pid != self.pid

    def _fits(self, heard: Heard) -> bool:
        if heard.kind == "exited" and self._is_another(heard):
            return False
        late = heard.kind == "running" and 0 < self.ended - heard.time_seconds < LATE_SECONDS
        fits = self.state in FROM[heard.kind]
        same = heard.pid is not None and heard.pid == self.pid
        known = fits or same or heard.time_seconds <= (self.latest or 0.0)
        self.doubted = self.doubted or late or not known
        return fits and not late

    def _entered(self, heard: Heard) -> str:
        if heard.kind == "running":
            kind = "restarted" if self.ran else "running"
            # The runtime writes the time of the start down before it tells of it.
            self.ran, self.oom_killed, self.health, self.pid = True, False, None, heard.pid
            self.latest, self.state = heard.time_seconds, "running"
            return kind
        if heard.kind == "exited":
            self.pid, self.ran = None, True
            self.ended = heard.time_seconds
            self.latest = max(self.latest or 0.0, heard.time_seconds)
        self.state = "running" if heard.kind == "resumed" else heard.kind
        return self.state


def runs_anew(before: Life, now: Container) -> bool:
    """Whether it was started since, by the time of its start or by its process."""
    if None not in (before.pid, now.pid) and before.pid != now.pid:
        return True
    started = now.started_seconds
    if started is None or (before.ran and now.runtime in STARTED_ONCE):
        return False
    # Where nobody told when it started first, its time alone does not say that it has started again.
    return not before.ran if before.latest is None else started > before.latest


def brought_up_to_date(record: Container, heard: Heard) -> Container:
    """The record as an event changes it, until the container is looked at again."""
    at = heard.time_seconds
    if heard.kind == "resumed":
        return msgspec.structs.replace(record, state="running")
    if heard.kind == "running":
        return msgspec.structs.replace(
            record, state="running", started_seconds=at, exit_code=None, pid=heard.pid, oom_killed=False
        )
    if heard.kind == "exited":
        finished = max(at, record.finished_seconds or 0.0)
        return msgspec.structs.replace(
            record, state="exited", exit_code=heard.exit_code, finished_seconds=finished, pid=None
        )
    if heard.kind == "paused":
        return msgspec.structs.replace(record, state="paused")
    if heard.kind == "oom_killed":
        return msgspec.structs.replace(record, oom_killed=True)
    return msgspec.structs.replace(record, health=heard.health) if heard.kind == "health" else record


def missed(before: Life | None, now: Container | None, at: float) -> list[ContainerEvent]:
    """What happened to a container between what was known of it and what it is, in order, each marked inferred.

    `before`, `now`: None where it was not there. `at`: Unix time of what the runtime has no time for.
    An exit of which the runtime has forgotten the code, for the container runs again, has none.
    """
    if before is None:
        return _inferred(now, _all_of(now, at)) if now is not None else []
    if now is None:
        gone = ["exited"] if before.state in LIVE else []
        return _inferred(before.record, [(kind, at, None) for kind in (*gone, "deleted")])
    return _inferred(now, _between(before, now, at))


_Step = tuple[str, float, int | None]


def _all_of(now: Container, at: float) -> list[_Step]:
    """The life so far of a container that nobody has heard of."""
    steps: list[_Step] = [("created", now.created_seconds or at, None)]
    if _has_run(now):
        steps.append(("running", now.started_seconds or now.finished_seconds or at, None))
    if len(steps) > 1 or now.state in STOPPED:
        steps += _end_of(now, at, oom_known=False)
    if now.state == "paused":
        steps.append(("paused", at, None))
    if now.health in JUDGED:
        steps.append(("health", at, None))
    return steps


def _between(before: Life, now: Container, at: float) -> list[_Step]:
    steps: list[_Step] = []
    ran_anew = runs_anew(before, now)
    was_live = live = before.state in LIVE
    # One whose start the runtime gives no time for has started all the same if it lives now.
    if ran_anew or (now.state in LIVE and not live):
        if was_live:
            steps.append(("exited", now.started_seconds or at, None))
        steps.append(("restarted" if before.ran else "running", now.started_seconds or at, None))
        live = True
    elif before.state == "created" and now.state in STOPPED:
        if _has_run(now):
            steps.append(("running", now.finished_seconds or at, None))
        live = True
    fresh = live and not (was_live and not ran_anew)
    if live:
        steps += _end_of(now, at, oom_known=before.oom_killed and not fresh)
    if live and now.state == "paused" and (fresh or before.state != "paused"):
        steps.append(("paused", at, None))
    if not fresh and before.state == "paused" and now.state == "running":
        steps.append(("running", at, None))
    if now.health in JUDGED and (now.health != before.health or fresh):
        steps.append(("health", at, None))
    return steps


def _has_run(now: Container) -> bool:
    """Whether it has been started, be it that the runtime, as containerd, has no time for it."""
    if now.started_seconds is not None or now.state in LIVE:
        return True
    return now.state in STOPPED and now.exit_code != START_FAILED


def _end_of(now: Container, at: float, oom_known: bool) -> list[_Step]:
    """Of a life that was going on: how it ended, if it did."""
    steps: list[_Step] = []
    ended = now.state not in LIVE
    when = (now.finished_seconds if ended else None) or at
    if now.oom_killed and not oom_known:
        steps.append(("oom_killed", when, None))
    if ended:
        steps.append(("exited", when, now.exit_code))
    return steps


def _inferred(container: Container, steps: list[_Step]) -> list[ContainerEvent]:
    events = []
    latest = 0.0
    for kind, time_seconds, exit_code in steps:
        # The runtime's times may be of before a change of the clock; the order is known all the same.
        latest = max(latest, time_seconds)
        events.append(
            ContainerEvent(
                runtime=container.runtime,
                id=container.id,
                kind=kind,
                time_seconds=latest,
                namespace=container.namespace,
                name=container.name,
                exit_code=exit_code,
                health=container.health if kind == "health" else None,
                inferred=True,
            )
        )
    return events
