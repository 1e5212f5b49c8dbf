"""What is known of a runtime's containers: each thing that happens to one is told once, and what nobody heard too.

`Lifecycle` is fed by a runtime's events and, at every connect and now and then, by its whole list. An event that the
list already told of makes no second one; what the list tells and no event did is marked inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from nodescope.records.container import Container, ContainerEvent

MAX_KNOWN: Final = 20_000
"""Containers that are kept in mind; a runtime that has more tells of the others by its lists alone."""

STOPPED: Final = frozenset({"exited", "dead"})
LIVE: Final = frozenset({"running", "paused", "restarting"})


class Heard(NamedTuple):
    """What a runtime's event says. `kind`: of `ContainerEvent`, and "resumed". `pid`: of the first process."""

    id: str
    kind: str
    time_seconds: float
    namespace: str | None = None
    name: str | None = None
    pid: int | None = None
    exit_code: int | None = None


Key = tuple[str | None, str]
"""(namespace, id): containerd's ids are unique within a namespace alone."""


class Known(NamedTuple):
    """What is kept of a container. `state`: of `Container`. `oom_killed`: that it was told, since it last started."""

    name: str | None
    state: str
    pid: int | None = None
    exit_code: int | None = None
    finished_seconds: float | None = None
    oom_killed: bool = False


class Lifecycle:
    """The containers of one runtime. For one thread; `known` may be read by others."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.known: dict[Key, Known] = {}
        self.heard_count = 0
        self.inferred_count = 0
        self.dropped_count = 0
        self._listed = False
        # Of whom something was told before the first list: what that says of them is compared, not taken as it is.
        self._heard: set[Key] = set()

    def seed(self, containers: Iterable[Container]) -> None:
        """What was known before the agent started: the first list is compared with it, else it is taken as it is."""
        self.known = {_key(container): _known(container) for container in containers}
        self._listed = True

    def hear(self, heard: Heard) -> tuple[ContainerEvent, ...]:
        """The events that `heard` makes: none where it is known already."""
        key = (heard.namespace, heard.id)
        before = self.known.get(key)
        step = _STEPS[heard.kind](before, heard)
        if step is None:
            return ()
        kind, after = step
        self._remember(key, after)
        if not self._listed and len(self._heard) < MAX_KNOWN:
            self._heard.add(key)
        self.heard_count += 1
        name = after.name if after else heard.name or (before.name if before else None)
        return (self._event(heard.id, kind, heard.time_seconds, name, heard.exit_code),)

    def reconcile(self, containers: Iterable[Container], now_seconds: float) -> tuple[ContainerEvent, ...]:
        """The events that nobody heard, by a whole list. To be called when all events before the list are heard.

        Times: as the runtime tells them, else `now_seconds`.
        """
        listed = {_key(container): container for container in containers}
        events: list[ContainerEvent] = []
        for key, container in listed.items():
            before = self.known.get(key)
            if self._listed or key in self._heard:
                events += self._missed(container, before, now_seconds)
            after = _known(container)
            if before is not None:
                after = _with_memory(before, after)
            self._remember(key, after)
        for key in [key for key in self.known if key not in listed]:
            gone = self.known.pop(key)
            if gone.state in LIVE:
                events.append(self._event(key[1], "exited", now_seconds, gone.name, inferred=True))
            events.append(self._event(key[1], "deleted", now_seconds, gone.name, inferred=True))
        self._listed = True
        self._heard.clear()
        self.inferred_count += len(events)
        return tuple(events)

    def _missed(self, now: Container, before: Known | None, now_seconds: float) -> list[ContainerEvent]:
        kinds: list[tuple[str, float | None]] = []
        again = before is not None and before.state not in ("created", *STOPPED) and before.pid != now.pid
        if before is None:
            kinds.append(("created", now.created_seconds))
        ran_before = before is not None and before.state != "created"
        if now.state in ("running", "paused"):
            if again and before is not None and before.pid is not None and now.pid is not None:
                kinds += [("exited", None), ("restarted", now.started_seconds)]
            elif before is None or before.state in ("created", *STOPPED):
                kinds.append(("restarted" if ran_before else "running", now.started_seconds))
            elif before.state == "paused" and now.state == "running":
                kinds.append(("running", None))
            if now.state == "paused" and (before is None or before.state != "paused"):
                kinds.append(("paused", None))
        elif now.state == "created" and before is not None and before.state in LIVE:
            kinds.append(("exited", None))
        elif now.state in STOPPED and (before is None or before.state not in STOPPED):
            if now.oom_killed and not (before and before.oom_killed):
                kinds.append(("oom_killed", now.finished_seconds))
            kinds.append(("exited", now.finished_seconds))
        # A code is the last run's: of one between two lists only that it ended is known.
        last_code = now.exit_code if now.state in STOPPED else None
        return [
            self._event(now.id, kind, at or now_seconds, now.name, last_code if kind == "exited" else None, True)
            for kind, at in kinds
        ]

    def _remember(self, key: Key, after: Known | None) -> None:
        if after is None:
            self.known.pop(key, None)
        elif key in self.known or len(self.known) < MAX_KNOWN:
            self.known[key] = after
        else:
            self.dropped_count += 1

    def _event(
        self, id_: str, kind: str, at: float, name: str | None, exit_code: int | None = None, inferred: bool = False
    ) -> ContainerEvent:
        return ContainerEvent(
            runtime=self.runtime,
            id=id_,
            kind=kind,
            time_seconds=at,
            name=name,
            exit_code=exit_code,
            inferred=inferred,
        )


def _key(container: Container) -> Key:
    return container.namespace, container.id


def _known(container: Container) -> Known:
    return Known(
        container.name,
        container.state,
        container.pid,
        container.exit_code,
        container.finished_seconds,
        container.oom_killed,
    )


def _with_memory(before: Known, after: Known) -> Known:
    """`after`, with what a list does not say: that a container which has no process (any more) did run."""
    if after.state == "created" and before.state != "created":
        ended = before if before.state in STOPPED else before._replace(state="exited")
        return ended._replace(name=after.name)
    same_run = None in (before.pid, after.pid) or before.pid == after.pid
    return after._replace(oom_killed=after.oom_killed or (same_run and before.oom_killed))


Step = tuple[str, Known | None] | None


def _name(before: Known | None, heard: Heard) -> str | None:
    return heard.name or (before.name if before else None)


def _created(before: Known | None, heard: Heard) -> Step:
    return None if before else ("created", Known(heard.name, "created"))


def _running(before: Known | None, heard: Heard) -> Step:
    if before and before.state == "running" and (None in (before.pid, heard.pid) or before.pid == heard.pid):
        return None
    again = before is not None and before.state in STOPPED
    return ("restarted" if again else "running"), Known(_name(before, heard), "running", heard.pid)


def _resumed(before: Known | None, heard: Heard) -> Step:
    if before is None or before.state != "paused":
        return None
    return "running", before._replace(state="running")


def _paused(before: Known | None, heard: Heard) -> Step:
    if before is None or before.state in ("paused", *STOPPED):
        return None
    return "paused", before._replace(state="paused")


def _exited(before: Known | None, heard: Heard) -> Step:
    known = before or Known(heard.name, "running", heard.pid)
    other = heard.pid is not None and known.pid is not None and heard.pid != known.pid
    # Of a run before the one that is known: a list that was newer than this event told of it already.
    if known.state in STOPPED or other:
        return None
    return "exited", known._replace(state="exited", exit_code=heard.exit_code, finished_seconds=heard.time_seconds)


def _oom_killed(before: Known | None, heard: Heard) -> Step:
    # The kernel kills one process at a time: while a container runs each is news; after its end it is the same one.
    if before and before.state in STOPPED and before.oom_killed:
        return None
    return "oom_killed", (before or Known(heard.name, "running"))._replace(oom_killed=True)


def _deleted(before: Known | None, heard: Heard) -> Step:
    return ("deleted", None) if before else None


_STEPS: Final[dict[str, Callable[[Known | None, Heard], Step]]] = {
    "created": _created,
    "running": _running,
    "resumed": _resumed,
    "paused": _paused,
    "exited": _exited,
    "oom_killed": _oom_killed,
    "deleted": _deleted,
}
