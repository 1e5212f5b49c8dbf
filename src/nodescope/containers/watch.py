"""Follows one runtime that is spoken to by gRPC: connects, compares, hears, and begins again when it is lost.

Nothing is told twice and nothing is lost silently: after each connect the runtime's list is compared with what is
known, for no runtime replays its events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final, Protocol

from nodescope import threads
from nodescope.containers.grpc.channel import UNIMPLEMENTED, CallFailed
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.kept import KeptLife, KeptRuntime
from nodescope.containers.known import Emit, KnownContainers
from nodescope.containers.lifecycle import Heard, Key
from nodescope.kernel.file import Absent, Malformed
from nodescope.records.container import NOT_ASKED, Container, ContainerEvent, RuntimeStatus

WAIT_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 0.1
"""A stream's subscription begins a moment after it was asked for, in silence: what the list misses it has."""
SETTLED_SECONDS: Final = 2.0
"""For so long after a list events may still come that it included."""

RELIST_SECONDS: Final = 60.0
REFRESH_SECONDS: Final = 1.0
"""From what was heard of a container to the list that tells the rest of it; with more being heard, at most:"""
LATEST_SECONDS: Final = 5.0
OVERTAKING_SECONDS: Final = 0.5
"""For so long at most events that were on their way are heard before a list is compared with what is known."""

POLL_SECONDS: Final = 2.0
"""Between lists where the runtime has no events to subscribe to."""
RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
STEADY_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0

logger = logging.getLogger(__name__)


class Told(Protocol):
    """A runtime's events, one message after the other: see `grpc.channel.Stream`."""

    @property
    def ended(self) -> bool: ...

    def receive(self, timeout_s: float) -> bytes | None: ...

    def close(self) -> None: ...


class Client(Protocol):
    """What is asked of a runtime's client, in the thread of the watch alone."""

    @property
    def runtime(self) -> str:
        """Its name in records."""

    socket: str

    def version(self) -> tuple[str | None, str | None]:
        """Its version, and its API's."""

    def containers(self) -> tuple[Container, ...]:
        """All that there are."""

    def subscribe(self) -> Told:
        """Its events from now on."""

    def hear(self, data: bytes) -> Iterable[Heard]:
        """What a message of that stream tells."""

    def close(self) -> None:
        """Gives connections up."""


class Watch:
    """Follows the runtime in a thread of its own. `emit` takes events there, in order, each once."""

    def __init__(self, client: Client, emit: Emit, kept: KeptRuntime | None = None) -> None:
        """`kept`: the containers at the agent's last end, where that is known; else the first list makes no events."""
        self._client = client
        self._emit = emit
        self._known = KnownContainers(client.runtime, kept)
        self._state = "absent"
        self._reason = NOT_ASKED
        self._versions: tuple[str | None, str | None] = (None, None)
        self._connects = 0
        self._abandoned = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name=client.runtime, daemon=True)

    def start(self) -> None:
        """Begins to follow, and goes on until `close`."""
        threads.start(self._thread)

    def stop(self) -> None:
        """Lets it end, and does not wait for that."""
        self._stop.set()

    def close(self) -> None:
        """Ends within 2 s. May be called twice. Where the runtime hangs in a call, its thread ends with that, and tells
        nothing any more.
        """
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        self._abandoned = self._thread.is_alive()

    def status(self) -> RuntimeStatus:
        """How the runtime fares. From any thread."""
        known = self._known
        return RuntimeStatus(
            runtime=self._client.runtime,
            socket=self._client.socket,
            state=self._state,
            reason=self._reason,
            version=self._versions[0],
            api_version=self._versions[1],
            containers=len(known),
            events=known.heard_count,
            events_inferred=known.inferred_count,
            events_dropped=known.dropped_count,
            reconnects=max(0, self._connects - 1),
        )

    def containers(self) -> tuple[Container, ...]:
        """All that there are, listed a second after anything was heard. From any thread."""
        return self._known.all()

    def kept(self) -> list[KeptLife] | None:
        """What is to outlive the agent; None before the first list. From any thread."""
        return self._known.kept()

    def run(self, stop: threading.Event) -> None:
        """Returns within a few seconds of `stop`."""
        failures = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._follow(stop)
            except Absent:
                self._fares("absent", "there is no socket")
            except PermissionError:
                self._fares("denied", "may not be opened: run nodescope as root, or as a member of the socket's group")
            except (Unreachable, CallFailed, Malformed, OSError) as error:
                self._fares("failed", str(error))
            except Exception as error:  # such as MemoryError: nobody else would ever follow it again
                logger.exception("following %s at %s failed", self._client.runtime, self._client.socket)
                self._fares("failed", f"following it failed: {type(error).__name__}: {error}")
            self._client.close()
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            stop.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1] if failures else RETRY_SECONDS[0])

    def _follow(self, stop: threading.Event) -> None:
        self._versions = self._client.version()
        stream = self._client.subscribe()
        self._connects += 1
        # What the client learns at the first call: which runtime it is that speaks the CRI.
        self._known.is_of(self._client.runtime)
        try:
            if stop.wait(SETTLE_SECONDS):
                return
            self._compare()
            self._hear(stream, stop)
        except CallFailed as error:
            if error.code != UNIMPLEMENTED:
                raise
            self._poll(stop)
        finally:
            stream.close()

    def _hear(self, stream: Told, stop: threading.Event) -> None:
        now = time.monotonic()
        settled, due, latest = now + SETTLED_SECONDS, now + RELIST_SECONDS, now + RELIST_SECONDS
        while not stop.is_set():
            quiet = self._take(stream, min(WAIT_SECONDS, max(due - now, QUIET_SECONDS))) is None
            now = time.monotonic()
            if now >= settled:
                self._known.settled()
            if self._known.stale and due > now + REFRESH_SECONDS:
                due, latest = now + REFRESH_SECONDS, now + LATEST_SECONDS
            # Compared when nothing waits to be heard; in a flood, at last anyway.
            if now < due or not (quiet or now >= latest):
                continue
            asked_at, listed = self._list()
            self._tell(self._known.reconcile(listed, asked_at, time.time(), self._newer(stream, asked_at)))
            now = time.monotonic()
            settled, due, latest = now + SETTLED_SECONDS, now + RELIST_SECONDS, now + RELIST_SECONDS

    def _newer(self, stream: Told, asked_at: float) -> frozenset[Key]:
        """Of which containers something is heard that is newer than the list; what is older is heard here too."""
        until = time.monotonic() + OVERTAKING_SECONDS
        newer: set[Key] = set()
        while time.monotonic() < until and (heard := self._take(stream, SETTLE_SECONDS)) is not None:
            newer.update((one.namespace, one.id) for one in heard if one.time_seconds > asked_at)
        return frozenset(newer)

    def _take(self, stream: Told, timeout_s: float) -> tuple[Heard, ...] | None:
        """What is heard, once it is told; None where nothing came in time."""
        data = stream.receive(timeout_s)
        if data is None:
            if stream.ended:
                raise Unreachable(f"{self._client.socket}: the runtime ended the stream of its events")
            return None
        heard = tuple(self._client.hear(data))
        for one in heard:
            self._tell(self._known.hear(one))
        return heard

    def _poll(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._compare()
            stop.wait(POLL_SECONDS)

    def _compare(self) -> None:
        asked_at, listed = self._list()
        self._tell(self._known.reconcile(listed, asked_at, time.time()))

    def _list(self) -> tuple[float, tuple[Container, ...]]:
        """All containers, and the Unix time of just before they were asked for."""
        asked_at = time.time()
        listed = self._client.containers()
        self._fares("ok", "")
        return asked_at, listed

    def _tell(self, events: Iterable[ContainerEvent]) -> None:
        if not self._abandoned:
            self._known.tell(events, self._emit)

    def _fares(self, state: str, reason: str) -> None:
        if state != self._state and state != "absent":
            level = logging.INFO if state == "ok" else logging.WARNING
            logger.log(level, "%s at %s: %s", self._client.runtime, self._client.socket, reason or "connected")
        self._state, self._reason = state, reason
