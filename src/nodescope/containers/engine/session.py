"""One connection to an engine: subscribes to its events first, lists and inspects then, and hears from then on.

*Cost*: an inspection (1 to 2 ms of the engine's, 0.1 ms of ours) for each container at connect and for each start and
end of one; a list each minute; nothing where nothing happens.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from nodescope.containers.engine.client import NOT_FOUND, EngineClient, EngineFailed, EngineRefused, LineStream
from nodescope.containers.engine.events import parse_event
from nodescope.containers.engine.inspect import parse_container, parse_list
from nodescope.containers.engine.room import LINE_BYTES, Room
from nodescope.containers.engine.version import Engine, negotiate
from nodescope.containers.known import KnownContainers, Shown
from nodescope.containers.lifecycle import Key, key_of
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container, ContainerEvent

MAX_VERSION_BYTES: Final = 1024 * 1024
MAX_PENDING_LINES: Final = 65_536
MAX_FAILED_INSPECTIONS: Final = 3
"""So many in a row, and the others of a pass are not tried: the engine hangs, and each costs its deadline."""

_FILTER: Final = "%7B%22type%22%3A%5B%22container%22%5D%7D"
"""{"type":["container"]}"""


class EngineSession:
    """For one thread. All methods raise what `EngineClient` raises; then the session is to be closed.

    `told`: what happened, to be taken by who follows, also after a failure. `malformed`: how many entries and
    inspections could not be read. `is_given_up`: asked between requests: then no other is made, and nothing compared.
    """

    def __init__(
        self,
        path: str,
        known: KnownContainers,
        labels: Collection[str],
        timeout_s: float,
        room: Room,
        owner: int | None = None,
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.engine: Engine | None = None
        self.malformed = 0
        self.told: list[ContainerEvent] = []
        self._client = EngineClient(path, owner)
        self._stream: LineStream | None = None
        self._known = known
        self._labels = labels
        self._timeout_s = timeout_s
        self._room = room
        self._is_given_up = is_given_up
        self._lines = 0
        self._pending: deque[bytes] = deque()
        self._unread: set[Key] = set()

    def open(self) -> Engine:
        """Learns what the engine is and subscribes to its events, from now on."""
        self.engine = negotiate(
            self._client.get("/version", self._timeout_s, MAX_VERSION_BYTES), f"{self._client.path}/version"
        )
        self._known.is_of(self.engine.runtime)
        # The engine may subscribe us a moment after it answers; it still knows what happened in that moment.
        since = f"{time.time():.9f}"
        self._stream = self._client.stream(self._target(f"events?since={since}&filters={_FILTER}"), self._timeout_s)
        return self.engine

    def fileno(self) -> int:
        """Of the events: readable when there are some. -1 where it is not open."""
        return self._stream.fileno() if self._stream is not None else -1

    def reconcile(self, everything: bool) -> None:
        """Lists, inspects and compares, for what was missed. `everything`: also what looks as it did."""
        source = self._target("containers/json?all=1")
        asked_at = time.time()
        listed = parse_list(
            self._client.get(source, self._timeout_s, self._room.list_bytes),
            self._known.runtime,
            self._labels,
            source,
        )
        self._lines = 0
        self.malformed += listed.malformed
        if not everything:
            self.hear()
        gone = self._known.keys() - {key_of(container) for container in listed.containers}
        if listed.malformed:
            gone = set()  # any of them may be one that cannot be read
        differing = self._with_room([entry for entry in listed.containers if everything or self._differs(entry)], gone)
        shown: dict[Key, Shown] = {}
        failed = 0
        for entry in differing:
            if self._is_given_up():
                return
            self._drain()
            key = key_of(entry)
            try:
                if failed < MAX_FAILED_INSPECTIONS:
                    shown[key] = self._inspect(entry.id)
                    self._unread.discard(key)
                    failed = 0
                    continue
            except (EngineFailed, Malformed) as error:
                if isinstance(error, EngineRefused) and error.status == NOT_FOUND:
                    gone.add(key)
                    continue
                failed += 1
            self.malformed += 1
            self._unread.add(key)
            shown[key] = Shown(self._as_listed(entry), asked_at)
        self.told += self._known.compare(shown, gone, time.time())

    def hear(self) -> None:
        """Hears what has come since. Raises `EngineFailed` where the engine has ended the stream, after all of it."""
        ended = self._drain()
        while self._pending:
            line = self._pending.popleft()
            try:
                heard = parse_event(line, "events")
            except Malformed:
                self._known.dropped_count += 1
                continue
            if heard is not None:
                self.told += self._known.hear(heard)
        if ended:
            raise EngineFailed(f"{self._client.path}: the engine has ended its stream of events")

    def refresh(self, most: int) -> None:
        """Inspects at most so many of those that have changed. One that cannot be stays as it is until the next list.

        Raises `EngineFailed` where several in a row cannot be inspected.
        """
        failed = 0
        for key in list(self._known.stale)[:most]:
            if self._is_given_up():
                return
            self._known.stale.pop(key, None)
            try:
                shown = self._inspect(key[1])
            except (EngineFailed, Malformed) as error:
                if not isinstance(error, EngineRefused) or error.status != NOT_FOUND:
                    self.malformed += 1
                    self._unread.add(key)
                    failed += 1
                if failed >= MAX_FAILED_INSPECTIONS:
                    raise EngineFailed(str(error)) from error
                continue
            failed = 0
            self.told += self._known.refresh(shown.container, shown.asked_at, time.time())

    def close(self) -> None:
        """May be called twice."""
        self._client.close()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _drain(self) -> bool:
        """Takes what the engine has sent, so that it need not wait and drop; whether it has ended the stream."""
        stream = self._stream
        while stream is not None and not stream.ended:
            lines = stream.lines()
            if not lines:
                break
            self._count(lines)
            self._pending.extend(line for line in lines if line.strip())
            if len(self._pending) > MAX_PENDING_LINES:
                self._known.dropped_count += len(self._pending)
                self._pending.clear()
                raise EngineFailed(f"{self._client.path}: more than {MAX_PENDING_LINES} events wait to be heard")
        return stream is None or stream.ended

    def _count(self, lines: Sequence[bytes]) -> None:
        self._lines += sum(1 + len(line) // LINE_BYTES for line in lines)
        if self._lines > self._room.lines:
            raise EngineFailed(f"{self._client.path}: more than {self._room.lines} lines of events since the last list")

    def _differs(self, entry: Container) -> bool:
        key = key_of(entry)
        return key in self._unread or _steady(entry.state) != _steady(self._known.state_of(key))

    def _with_room(self, entries: Sequence[Container], gone: Collection[Key]) -> list[Container]:
        """Those that are known, and of the others as many as there is room for: no other need be inspected."""
        known = self._known.keys()
        room = max(self._room.containers - len(known) + len(gone), 0)
        new = [entry for entry in entries if key_of(entry) not in known]
        self._known.dropped_count += max(len(new) - room, 0)
        dropped = {key_of(entry) for entry in new[room:]}
        return [entry for entry in entries if key_of(entry) not in dropped]

    def _as_listed(self, entry: Container) -> Container:
        """What the list tells, and what was known besides."""
        known = self._known.get(key_of(entry))
        if known is None:
            return entry
        return msgspec.structs.replace(known, name=entry.name, state=entry.state, labels=entry.labels)

    def _inspect(self, container_id: str) -> Shown:
        source = self._target(f"containers/{container_id}/json")
        asked_at = time.time()
        body = self._client.get(source, self._timeout_s, self._room.inspect_bytes)
        return Shown(parse_container(body, self._known.runtime, self._labels, source), asked_at)

    def _target(self, path: str) -> str:
        version = self.engine.api_version if self.engine is not None else ""
        return f"/v{version}/{path}"


def _steady(state: str | None) -> str | None:
    """One that waits to be started again has exited, as events tell it."""
    return "exited" if state in ("restarting", "dead") else state
