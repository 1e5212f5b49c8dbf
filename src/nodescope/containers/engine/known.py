"""The containers of one engine as they are known: brought up to date by events, and by lists after a gap.

Nothing here reads a socket or a clock. Each event is given once and in the order of its container's life.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from nodescope.containers.engine.events import Heard
from nodescope.containers.engine.lifecycle import JUDGED, Life, missed
from nodescope.records.container import Container, ContainerEvent

MAX_CONTAINERS: Final = 8192
MAX_DELETED: Final = 512
"""So many deleted containers are remembered, for who asks what an event was about."""


class Shown(NamedTuple):
    """A container as a list or an inspection shows it. `asked_at`: Unix time of just before it was asked for."""

    container: Container
    asked_at: float


class KnownContainers:
    """`stale`: ids of those to be inspected again, longest first; `stale_later`: in a second.

    `left_out`: for which there was no room.
    """

    def __init__(self, runtime: str, known: Iterable[Container] = ()) -> None:
        self.runtime = runtime
        self.stale: dict[str, None] = {}
        self.stale_later: dict[str, None] = {}
        self.left_out = 0
        self._lives: dict[str, Life] = {c.id: Life(c, 0.0) for c in known}
        self._deleted: OrderedDict[str, Container] = OrderedDict()
        self._listed = bool(self._lives)
        self._settling = True

    def __len__(self) -> int:
        return len(self._lives)

    def all(self) -> tuple[Container, ...]:
        """Newest records of those that exist."""
        return tuple(life.record for life in list(self._lives.values()))

    def get(self, container_id: str) -> Container | None:
        """One that exists, or was deleted not long ago."""
        life = self._lives.get(container_id)
        return life.record if life is not None else self._deleted.get(container_id)

    def state_of(self, container_id: str) -> str | None:
        """As told by events so far; None where it is not known."""
        life = self._lives.get(container_id)
        return life.state if life is not None else None

    def ids(self) -> set[str]:
        return set(self._lives)

    def settled(self) -> None:
        """No event of before the newest list can come any more: times do not tell what is news from now on."""
        self._settling = False

    def compare(self, shown: Mapping[str, Shown], gone: Iterable[str], at: float) -> list[ContainerEvent]:
        """What was missed, by what the engine shows now. `gone`: ids that are not there any more.

        The very first list, of an engine of which nothing was known, is what there is and no event.
        """
        events: list[ContainerEvent] = []
        for container_id in gone:
            life = self._lives.get(container_id)
            if life is not None:
                events += missed(life, None, at)
                self._forget(container_id, life)
        for container_id, (container, asked_at) in shown.items():
            before = self._lives.get(container_id)
            if self._listed:
                events += missed(before, container, at)
            if before is not None:
                before.show(container, asked_at)
            elif self._has_room():
                self._lives[container_id] = Life(container, asked_at)
        self._listed = True
        self._settling = True
        return sorted(events, key=lambda event: event.time_seconds)

    def hear(self, heard: Heard) -> ContainerEvent | None:
        """Takes what the engine said; the event to tell, None where it is no news."""
        event = heard.event
        life = self._lives.get(heard.id)
        if event is None or event.kind == "created":
            return self._hear_of_new(heard, life)
        if life is None or (self._settling and event.time_seconds <= life.included_until):
            return None
        kind = life.hear(event)
        if kind is None:
            return None
        if kind == "deleted":
            self._forget(heard.id, life)
        else:
            life.record = brought_up_to_date(life.record, event)
            if event.kind in ("running", "exited"):
                self.stale[heard.id] = None
        return msgspec.structs.replace(event, kind=kind, name=event.name or life.record.name)

    def refresh(self, container: Container, asked_at: float) -> ContainerEvent | None:
        """Takes a newer inspection. Of podman, whose events name no health, a change of it is an event."""
        life = self._lives.get(container.id)
        if life is None:
            return None
        life.record = container
        if container.health not in JUDGED or container.health == life.health or self.runtime != "podman":
            return None
        life.health = container.health
        return ContainerEvent(
            runtime=self.runtime,
            id=container.id,
            kind="health",
            time_seconds=asked_at,
            name=container.name,
            health=container.health,
        )

    def _hear_of_new(self, heard: Heard, life: Life | None) -> ContainerEvent | None:
        event = heard.event
        if event is None:
            if life is not None:
                (self.stale_later if heard.later else self.stale)[heard.id] = None
            return None
        if life is not None or heard.id in self._deleted or not self._has_room():
            return None
        container = Container(
            runtime=self.runtime,
            id=heard.id,
            name=event.name or heard.id[:12],
            image=heard.image,
            state="created",
            created_seconds=event.time_seconds,
        )
        self._lives[heard.id] = Life(container, 0.0)
        self.stale[heard.id] = None
        return event

    def _has_room(self) -> bool:
        if len(self._lives) < MAX_CONTAINERS:
            return True
        self.left_out += 1
        return False

    def _forget(self, container_id: str, life: Life) -> None:
        del self._lives[container_id]
        self.stale.pop(container_id, None)
        self.stale_later.pop(container_id, None)
        self._deleted[container_id] = life.record
        if len(self._deleted) > MAX_DELETED:
            self._deleted.popitem(last=False)


def brought_up_to_date(record: Container, event: ContainerEvent) -> Container:
    """The record as the event changes it, until the container is inspected again."""
    time_seconds = event.time_seconds
    if event.kind == "running":
        started = record.started_seconds if record.state == "paused" else time_seconds
        return msgspec.structs.replace(record, state="running", started_seconds=started, exit_code=None)
    if event.kind == "exited":
        finished = max(time_seconds, record.finished_seconds or 0.0)
        return msgspec.structs.replace(
            record, state="exited", exit_code=event.exit_code, finished_seconds=finished, pid=None
        )
    if event.kind == "paused":
        return msgspec.structs.replace(record, state="paused")
    if event.kind == "oom_killed":
        return msgspec.structs.replace(record, oom_killed=True)
    return msgspec.structs.replace(record, health=event.health) if event.kind == "health" else record
