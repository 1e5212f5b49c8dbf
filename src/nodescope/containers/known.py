"""The containers of one runtime as they are known: brought up to date by events, and by lists after a gap.

Nothing here reads a socket or a clock. Each event is given once and in the order of its container's life.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from nodescope.containers.kept import KeptLife, KeptRuntime
from nodescope.containers.lifecycle import JUDGED, Heard, Key, Life, brought_up_to_date, key_of, missed
from nodescope.records.container import SHORT_ID_CHARACTERS, Container, ContainerEvent

MAX_CONTAINERS: Final = 8192
"""Of one runtime; of more it is counted how often something was heard or listed."""
MAX_DELETED: Final = 512
"""So many deleted containers are remembered, for who asks what an event was about."""

log = logging.getLogger(__name__)

Emit = Callable[[ContainerEvent], None]
"""Takes an event; called by the thread that follows the runtime."""


class Shown(NamedTuple):
    """A container as a list or an inspection shows it. `asked_at`: Unix time of just before it was asked for."""

    container: Container
    asked_at: float


class KnownContainers:
    """For one thread; `all`, `get`, `kept` and the counts may be asked for by others.

    `stale`: those to be looked at again, longest first; `stale_later`: in a while. `heard_count`: events heard and
    told; `inferred_count`: told and not heard; `dropped_count`: events and containers for which there was no room.
    `kept`: as they were when the agent ended; else the first list is what there is, and no event. `most`: containers.
    """

    def __init__(self, runtime: str, kept: KeptRuntime | None = None, most: int = MAX_CONTAINERS) -> None:
        self.runtime = kept.runtime if kept is not None else runtime
        self.stale: dict[Key, None] = {}
        self.stale_later: dict[Key, None] = {}
        self.heard_count = self.inferred_count = self.dropped_count = 0
        self._most = most
        self._lives: dict[Key, Life] = {}
        self._deleted: OrderedDict[Key, tuple[Container, float]] = OrderedDict()
        self._compared = False
        self._listed = kept is not None
        self._listed_at = 0.0
        self._settling = True
        for one in kept.lives[:most] if kept is not None else ():
            self._lives[one.namespace, one.id] = one.life(runtime)

    def __len__(self) -> int:
        return len(self._lives) if self._compared else 0

    def all(self) -> tuple[Container, ...]:
        """Newest records of those that exist; none before the first list, for what was kept may be gone."""
        return tuple(life.record for life in list(self._lives.values())) if self._compared else ()

    def get(self, key: Key) -> Container | None:
        """One that exists, or was deleted not long ago."""
        life = self._lives.get(key)
        if life is not None:
            return life.record
        deleted = self._deleted.get(key)
        return deleted[0] if deleted else None

    def kept(self) -> list[KeptLife] | None:
        """What is to outlive the agent; None before the first list: what was kept before stays in force."""
        if not self._compared:
            return None
        return [KeptLife.of(life) for life in list(self._lives.values())]

    def state_of(self, key: Key) -> str | None:
        """As told by events so far; None where it is not known."""
        life = self._lives.get(key)
        return life.state if life is not None else None

    def keys(self) -> set[Key]:
        return set(self._lives)

    def is_of(self, runtime: str) -> None:
        """Which runtime it is that answers. Of another one's containers nobody knows any more what becomes of them."""
        if runtime != self.runtime and self._lives:
            self._lives.clear()
            self.stale.clear()
            self.stale_later.clear()
            self._listed = self._compared = False
        self.runtime = runtime

    def settled(self) -> None:
        """No event of before the newest list can come any more: times do not tell what is news from now on."""
        self._settling = False

    def reconcile(
        self, containers: Iterable[Container], asked_at: float, at: float, newer: frozenset[Key] = frozenset()
    ) -> list[ContainerEvent]:
        """What was missed, by a list of all containers with all that is to be known of each.

        `newer`: those of which something was heard since the list: the next one is compared.
        """
        shown = {key_of(container): Shown(container, asked_at) for container in containers}
        gone = self._lives.keys() - shown.keys() - newer
        for key in newer:
            shown.pop(key, None)
        self.stale = {key: None for key in self.stale if key in newer}
        return self.compare(shown, gone, at)

    def compare(self, shown: dict[Key, Shown], gone: Iterable[Key], at: float) -> list[ContainerEvent]:
        """What was missed, by what a list of the runtime shows now. `gone`: those that are not there any more."""
        events: list[ContainerEvent] = []
        for key in gone:
            life = self._lives.get(key)
            if life is not None:
                events += self._named(missed(life, None, at))
                self._forget(key, life, at)
        for key, one in shown.items():
            events += self._show(key, one, at)
        self._listed = self._compared = self._settling = True
        self._listed_at = max((one.asked_at for one in shown.values()), default=self._listed_at)
        self.inferred_count += len(events)
        return sorted(events, key=lambda event: event.time_seconds)

    def hear(self, heard: Heard) -> tuple[ContainerEvent, ...]:
        """Takes what the runtime said; the events to tell, none where it is no news."""
        key = heard.namespace, heard.id
        life = self._lives.get(key)
        if heard.kind in ("changed", "checked"):
            if life is not None:
                (self.stale_later if heard.kind == "checked" else self.stale)[key] = None
            return ()
        if heard.kind == "created":
            return self._hear_of_new(key, heard) if life is None else ()
        if life is None:
            return self._doubt_unknown(key, heard)
        if self._settling and heard.time_seconds <= life.included_until:
            return ()
        kinds = life.hear(heard)
        if kinds and heard.kind == "deleted":
            self._forget(key, life, heard.time_seconds)
        elif kinds:
            life.record = brought_up_to_date(life.record, heard)
        if life.doubted or heard.kind in ("running", "exited"):
            self.stale[key] = None
        if not kinds:
            return ()
        self.heard_count += 1
        self.inferred_count += len(kinds) - 1
        name = heard.name or life.record.name
        before = (self._event(heard, kind, name, inferred=True) for kind in kinds[:-1])
        return (*before, self._event(heard, kinds[-1], name))

    def tell(self, events: Iterable[ContainerEvent], emit: Emit) -> None:
        """Gives all to `emit`; one that it fails for is counted as dropped, and costs the others nothing."""
        for event in events:
            try:
                emit(event)
            except Exception:  # whatever it is, the runtime shall be followed further
                self.dropped_count += 1
                log.exception("%s: an event of container %s could not be told", self.runtime, event.id)

    def refresh(self, container: Container, asked_at: float, at: float) -> list[ContainerEvent]:
        """Takes a newer look at one. Of podman, whose events name no health, a change of it is an event."""
        key = key_of(container)
        life = self._lives.get(key)
        if life is None or life.doubted:
            events = self._show(key, Shown(container, asked_at), at)
            self.inferred_count += len(events)
            return events
        life.record = container
        life.pid = life.pid or (container.pid if life.state == container.state else None)
        if container.health not in JUDGED or container.health == life.health or self.runtime != "podman":
            return []
        life.health = container.health
        self.heard_count += 1
        heard = Heard(container.id, "health", asked_at, container.namespace, health=container.health)
        return [self._event(heard, "health", container.name)]

    def _show(self, key: Key, one: Shown, at: float) -> list[ContainerEvent]:
        before = self._lives.get(key)
        if before is None and not self._has_room():
            return []
        events = self._named(missed(before, one.container, at)) if self._listed else []
        if before is not None:
            before.show(*one)
        else:
            self._lives[key] = Life(*one)
        return events

    def _hear_of_new(self, key: Key, heard: Heard) -> tuple[ContainerEvent, ...]:
        deleted = self._deleted.get(key)
        # containerd's ids are names, and may be given again.
        if (deleted and heard.time_seconds <= deleted[1]) or not self._has_room():
            return ()
        name = heard.name or heard.id[:SHORT_ID_CHARACTERS]
        container = Container(
            runtime=self.runtime,
            id=heard.id,
            name=name,
            namespace=heard.namespace,
            image=heard.image,
            state="created",
            created_seconds=heard.time_seconds,
        )
        self._lives[key] = life = Life(container, 0.0)
        # All that follows is news, be it of the same moment.
        life.included_until = 0.0
        self.stale[key] = None
        self.heard_count += 1
        return (self._event(heard, "created", heard.name),)

    def _doubt_unknown(self, key: Key, heard: Heard) -> tuple[ContainerEvent, ...]:
        """One of whose creation nobody told: it is looked at, unless it went before the newest list."""
        news = heard.kind != "deleted" and key not in self._deleted and heard.time_seconds > self._listed_at
        if news and self._has_room():
            self.stale[key] = None
        return ()

    def _named(self, events: list[ContainerEvent]) -> list[ContainerEvent]:
        """With the runtime's name that events which are heard have: containerd's containers may be the CRI's too."""
        return [msgspec.structs.replace(event, runtime=self.runtime) for event in events]

    def _event(self, heard: Heard, kind: str, name: str | None, inferred: bool = False) -> ContainerEvent:
        return ContainerEvent(
            runtime=self.runtime,
            id=heard.id,
            kind=kind,
            time_seconds=heard.time_seconds,
            namespace=heard.namespace,
            name=name,
            exit_code=heard.exit_code if not inferred else None,
            health=heard.health,
            inferred=inferred,
        )

    def _has_room(self) -> bool:
        if len(self._lives) < self._most:
            return True
        self.dropped_count += 1
        return False

    def _forget(self, key: Key, life: Life, at: float) -> None:
        del self._lives[key]
        self.stale.pop(key, None)
        self.stale_later.pop(key, None)
        self._deleted[key] = life.record, at
        if len(self._deleted) > MAX_DELETED:
            self._deleted.popitem(last=False)
