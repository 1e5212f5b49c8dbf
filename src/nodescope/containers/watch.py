"""Follows one runtime that is spoken to by gRPC: connects, compares, hears, and begins again when it is lost.

Nothing is told twice and nothing is lost silently: after each connect the runtime's list is compared with what is
known, for no runtime replays its events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from nodescope.containers.grpc.channel import UNIMPLEMENTED, CallFailed, Stream
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.lifecycle import Heard, Lifecycle
from nodescope.kernel.file import Absent, Malformed
from nodescope.records.container import Container, ContainerEvent, RuntimeStatus

WAIT_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.1
"""A stream's subscription begins a moment after it was asked for, in silence: what the list misses it has."""
FIRST_LIST_SECONDS: Final = 5.0
RELIST_SECONDS: Final = 60.0
REFRESH_SECONDS: Final = 1.0
"""After something was heard."""

POLL_SECONDS: Final = 2.0
"""Between lists where the runtime has no events to subscribe to."""
RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
STEADY_SECONDS: Final = 30.0

logger = logging.getLogger(__name__)


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

    def subscribe(self) -> Stream:
        """Its events from now on."""

    def hear(self, data: bytes) -> Iterable[Heard]:
        """What a message of that stream tells."""

    def close(self) -> None:
        """Gives connections up."""


class Watch:
    """`run` follows the runtime until it is told to stop, in a thread of its own. `emit` is called there, in order."""

    def __init__(
        self, client: Client, emit: Callable[[ContainerEvent], None], known: Iterable[Container] | None = None
    ) -> None:
        """`known`: the containers at the agent's last end, where that is known; else the first list makes no events."""
        self._client = client
        self._emit = emit
        self._lifecycle = Lifecycle(client.runtime)
        if known is not None:
            self._lifecycle.seed(known)
        self._state = "absent"
        self._reason = "not connected yet"
        self._versions: tuple[str | None, str | None] = (None, None)
        self._connects = 0
        self._newest: tuple[Container, ...] = ()

    def status(self) -> RuntimeStatus:
        """How the runtime fares. From any thread."""
        life = self._lifecycle
        return RuntimeStatus(
            runtime=self._client.runtime,
            socket=self._client.socket,
            state=self._state,
            reason=self._reason,
            version=self._versions[0],
            api_version=self._versions[1],
            containers=len(life.known),
            events=life.heard_count,
            events_inferred=life.inferred_count,
            events_dropped=life.dropped_count,
            reconnects=max(0, self._connects - 1),
        )

    def containers(self) -> tuple[Container, ...]:
        """All that there were at the newest list, which is made a second after anything was heard. From any thread."""
        return self._newest

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
            self._client.close()
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            stop.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1] if failures else RETRY_SECONDS[0])

    def _follow(self, stop: threading.Event) -> None:
        self._versions = self._client.version()
        stream = self._client.subscribe()
        self._connects += 1
        # What the client learns at the first call: which runtime it is that speaks the CRI.
        self._lifecycle.runtime = self._client.runtime
        try:
            self._hear(stream, stop)
        except CallFailed as error:
            if error.code != UNIMPLEMENTED:
                raise
            self._poll(stop)
        finally:
            stream.close()

    def _hear(self, stream: Stream, stop: threading.Event) -> None:
        due, latest = time.monotonic(), time.monotonic() + FIRST_LIST_SECONDS
        wait = SETTLE_SECONDS
        while not stop.is_set():
            data = stream.receive(wait)
            if data is not None:
                for heard in self._client.hear(data):
                    self._tell(self._lifecycle.hear(heard))
            elif stream.ended:
                raise Unreachable(f"{self._client.socket}: the runtime ended the stream of its events")
            now = time.monotonic()
            if data is not None:
                due = min(due, now + REFRESH_SECONDS)
            # Compared when nothing waits to be heard: the list is newer than all that was. In a flood, at last anyway.
            if now >= due and (data is None or now >= latest):
                self._compare()
                wait, due = WAIT_SECONDS, time.monotonic() + RELIST_SECONDS
                latest = due + FIRST_LIST_SECONDS

    def _poll(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._compare()
            stop.wait(POLL_SECONDS)

    def _compare(self) -> None:
        containers = self._newest = self._client.containers()
        self._fares("ok", "")
        self._tell(self._lifecycle.reconcile(containers, time.time()))

    def _tell(self, events: Iterable[ContainerEvent]) -> None:
        for event in events:
            self._emit(event)

    def _fares(self, state: str, reason: str) -> None:
        if state != self._state and state != "absent":
            level = logging.INFO if state == "ok" else logging.WARNING
            logger.log(level, "%s at %s: %s", self._client.runtime, self._client.socket, reason or "connected")
        self._state, self._reason = state, reason
