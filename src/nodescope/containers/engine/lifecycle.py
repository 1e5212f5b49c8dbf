"""Lives of containers: which events can follow which, and what must have happened where nobody listened.

Pure. A heard event that a container's state cannot take was known already, from a list or by comparing: it is left out.
"""

from __future__ import annotations

from typing import Final

from nodescope.records.container import Container, ContainerEvent

LIVE: Final = frozenset({"running", "paused"})
"""With processes. "restarting" is not: its exit was told, and its next start will be."""

JUDGED: Final = frozenset({"healthy", "unhealthy"})
"""Of these engines tell. That a check is "starting" follows from the start."""

FROM: Final = {
    "running": frozenset({"created", "paused", "restarting", "exited", "dead"}),
    "paused": frozenset({"running"}),
    "exited": frozenset({"created", "running", "paused"}),
}
"""Kind that changes the state to its own name -> the states that it can follow."""


class Life:
    """What is known of one container. `record`: as inspected last, and brought up to date by events.

    `state`, `health`, `oom_killed`, `started`, `ran`: as told by events so far; `record` may be ahead of them.
    `included_until`: Unix time up to which what happened is in `record`; an event of before is no news.
    """

    __slots__ = ("health", "included_until", "oom_killed", "ran", "record", "started", "state")

    def __init__(self, record: Container, included_until: float) -> None:
        self.show(record, included_until)

    def show(self, record: Container, included_until: float) -> None:
        """All that `record` tells counts as told from now on."""
        self.record = record
        self.state = record.state
        self.health = record.health
        self.oom_killed = record.oom_killed
        self.started = record.started_seconds
        self.ran = record.started_seconds is not None or record.state != "created"
        times = (record.created_seconds, record.started_seconds, record.finished_seconds)
        self.included_until = max(included_until, *(time for time in times if time is not None and time > 0), 0.0)

    def hear(self, event: ContainerEvent) -> str | None:
        """The kind of event that this is in this life ("restarted" for a later "running"); None where it is no news."""
        kind = event.kind
        if kind == "health":
            if event.health == self.health:
                return None
            self.health = event.health
        elif kind in FROM:
            if self.state not in FROM[kind]:
                return None
            if kind == "running" and self.state != "paused":
                kind = "restarted" if self.ran else kind
                # The engine writes the time of the start down before it tells of it.
                self.ran, self.oom_killed, self.health, self.started = True, False, None, event.time_seconds
            self.state = event.kind
        elif kind == "oom_killed":
            self.oom_killed = True
        elif kind == "created":
            return None
        return kind


def missed(before: Life | None, now: Container | None, at: float) -> list[ContainerEvent]:
    """What happened to a container between what was known of it and what it is, in order, each marked inferred.

    `before`, `now`: None where it was not there. `at`: Unix time of what the engine has no time for.
    An exit of which the engine has forgotten the code, for the container runs again, has none.
    """
    if before is None:
        return _all_of(now, at) if now is not None else []
    if now is None:
        gone = ["exited"] if before.state in LIVE else []
        return _inferred(before.record, [(kind, at, None) for kind in (*gone, "deleted")])
    return _inferred(now, _between(before, now, at))


_Step = tuple[str, float, int | None]


def _all_of(now: Container, at: float) -> list[ContainerEvent]:
    """The life so far of a container that nobody has heard of."""
    steps: list[_Step] = [("created", now.created_seconds or at, None)]
    if now.started_seconds is not None or now.state in LIVE:
        steps.append(("running", now.started_seconds or at, None))
        steps += _end_of(now, at, oom_known=False)
        if now.state == "paused":
            steps.append(("paused", at, None))
    if now.health in JUDGED:
        steps.append(("health", at, None))
    return _inferred(now, steps)


def _between(before: Life, now: Container, at: float) -> list[_Step]:
    steps: list[_Step] = []
    known, started = before.started, now.started_seconds
    # Where nobody told when it started first, its time alone does not say that it has started again.
    ran_anew = started is not None and (not before.ran if known is None else started > known)
    was_live = live = before.state in LIVE
    # One whose start the engine gives no time for has started all the same if it lives now.
    if ran_anew or (now.state in LIVE and not live):
        if was_live:
            steps.append(("exited", started or at, None))
        steps.append(("restarted" if before.ran else "running", started or at, None))
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
        # The engine's times may be of before a change of the clock; the order is known all the same.
        latest = max(latest, time_seconds)
        events.append(
            ContainerEvent(
                runtime=container.runtime,
                id=container.id,
                kind=kind,
                time_seconds=latest,
                name=container.name,
                exit_code=exit_code,
                health=container.health if kind == "health" else None,
                inferred=True,
            )
        )
    return events
