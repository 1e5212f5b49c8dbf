"""Follows one engine on its socket: which containers it has now, and what happens to them.

A thread of its own keeps the connection; whoever asks waits for nothing. At every connect it lists and compares, for no
engine remembers all that it has told: Docker keeps 256 events, and none across its restart.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from nodescope.containers.engine.client import EngineDenied, EngineFailed, readable
from nodescope.containers.engine.known import KnownContainers
from nodescope.containers.engine.session import EngineSession
from nodescope.containers.engine.version import Engine
from nodescope.kernel.file import Absent, Malformed
from nodescope.records.container import Container, ContainerEvent, RuntimeStatus

MAX_EVENTS: Final = 16_384
REFRESHED_AT_ONCE: Final = 32
TOGETHER_SECONDS: Final = 0.02
"""What happens within this time of an event is heard before a container is inspected for it: create and start."""
LONGEST_HELD_SECONDS: Final = 0.25
LATER_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Pace(NamedTuple):
    """Seconds: the deadline of a request, between two lists, before the first and at most before any new attempt.

    `settling_s`: for so long after a list events may still come that it included.
    """

    request_s: float = 5.0
    list_s: float = 60.0
    first_retry_s: float = 0.2
    longest_retry_s: float = 10.0
    settling_s: float = 5.0


class EngineFollower:
    """`path`: of the socket. `runtime`: what it is thought to be until it says so itself.

    `labels`: names of those that containers keep. `known`: containers as they were when the agent ended, so that what
    happened since is told. While the engine does not answer, its containers are those it had: they may well run on.
    """

    def __init__(
        self,
        path: str,
        runtime: str = "docker",
        labels: Collection[str] = (),
        known: Iterable[Container] = (),
        max_events: int = MAX_EVENTS,
        pace: Pace | None = None,
    ) -> None:
        self._path = path
        self._labels = frozenset(labels)
        self._known = KnownContainers(runtime, known)
        self._pace = pace or Pace()
        self._max_events = max_events
        self._events: deque[ContainerEvent] = deque()
        self._changed = threading.Condition()
        self._status = RuntimeStatus(runtime=runtime, socket=path, state="absent", reason="not asked yet")
        self._told = self._inferred = self._dropped = self._malformed = 0
        self._connected = 0
        self._closing = False
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name=f"engine {os.path.basename(path)}", daemon=True)

    def start(self) -> None:
        """Begins to follow, and goes on until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Ends within 2 s, unless the engine hangs in a request: the thread ends then with it. May be called twice."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake_fd, 1)
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            os.close(self._wake_fd)

    def containers(self) -> tuple[Container, ...]:
        """All containers that there are, running or not, as known now."""
        return self._known.all()

    def container(self, container_id: str) -> Container | None:
        """One that there is, or was not long ago."""
        return self._known.get(container_id)

    def take(self, timeout_s: float) -> list[ContainerEvent]:
        """Events in order, each once; waits at most `timeout_s` for the first."""
        with self._changed:
            if not self._events:
                self._changed.wait(timeout_s)
            taken = list(self._events)
            self._events.clear()
        return taken

    def status(self) -> RuntimeStatus:
        """How the engine fares, and how much was told, inferred and dropped."""
        status = self._status
        return RuntimeStatus(
            runtime=status.runtime,
            socket=self._path,
            state=status.state,
            reason=status.reason,
            version=status.version,
            api_version=status.api_version,
            containers=len(self._known),
            events=self._told,
            events_inferred=self._inferred,
            events_dropped=self._dropped,
            reconnects=max(self._connected - 1, 0),
        )

    @property
    def left_out(self) -> int:
        """Events, entries and inspections that could not be read, and containers for which there was no room."""
        return self._malformed + self._known.left_out

    def _run(self) -> None:
        try:
            self._keep_following()
        finally:
            if not self._closing:
                self._note("failed", f"{self._path}: what follows it has broken: restart nodescope, and report this")

    def _keep_following(self) -> None:
        retry_s = self._pace.first_retry_s
        while not self._closing:
            connected = self._connected
            session = EngineSession(self._path, self._known, self._labels, self._pace.request_s)
            try:
                self._follow(session)
            except Absent:
                self._note("absent", f"nothing listens on {self._path}")
            except EngineDenied as error:
                self._note("denied", str(error))
            except (EngineFailed, Malformed, OSError) as error:
                self._note("failed", str(error))
            finally:
                self._malformed += session.malformed
                session.close()
            retry_s = self._pace.first_retry_s if self._connected > connected else retry_s
            self._wait(-1, retry_s)
            retry_s = min(2 * retry_s, self._pace.longest_retry_s)

    def _follow(self, session: EngineSession) -> None:
        """One connection, until it fails or `close` is called."""
        engine = session.open()
        self._tell(session.reconcile(everything=True))
        self._connected += 1
        self._note("ok", "", engine)
        now = time.monotonic()
        list_at, settled_at = now + self._pace.list_s, now + self._pace.settling_s
        later_at = float("inf")
        while not self._closing:
            self._tell(self._happened(session, min(list_at, settled_at, later_at) - time.monotonic()))
            now = time.monotonic()
            later_at = self._inspect_later(now, later_at)
            if now >= settled_at:
                self._known.settled()
                settled_at = float("inf")
            if now >= list_at:
                self._tell(session.reconcile(everything=False))
                list_at, settled_at = now + self._pace.list_s, now + self._pace.settling_s

    def _inspect_later(self, now: float, later_at: float) -> float:
        """When those are due that are to be inspected in a while; they are stale from then on."""
        if now >= later_at:
            self._known.stale.update(self._known.stale_later)
            self._known.stale_later.clear()
        if not self._known.stale_later:
            return float("inf")
        return later_at if now < later_at < float("inf") else now + LATER_SECONDS

    def _happened(self, session: EngineSession, timeout_s: float) -> list[ContainerEvent]:
        """Events of a short while, held until the containers that they are about are inspected."""
        if not self._known.stale and not self._wait(session.fileno(), timeout_s):
            return []
        held: list[ContainerEvent] = []
        tell_at = time.monotonic() + LONGEST_HELD_SECONDS
        try:
            held += session.hear()
            while self._known.stale and self._wait(session.fileno(), TOGETHER_SECONDS) and time.monotonic() < tell_at:
                held += session.hear()
            held += session.refresh(REFRESHED_AT_ONCE)
        except (EngineFailed, Malformed):
            # What was heard until then has happened.
            self._tell(held)
            raise
        return held

    def _wait(self, fd: int, timeout_s: float) -> bool:
        """Whether there is something to read, within `timeout_s`. Ends at once when `close` is called."""
        fds = [self._wake_fd] if fd < 0 else [self._wake_fd, fd]
        return fd in readable(fds, 0.0 if self._closing else timeout_s)

    def _tell(self, events: list[ContainerEvent]) -> None:
        if not events:
            return
        with self._changed:
            for event in events:
                if len(self._events) >= self._max_events:
                    self._events.popleft()
                    self._dropped += 1
                self._events.append(event)
                self._told += 1
                self._inferred += event.inferred
            self._changed.notify_all()

    def _note(self, state: str, reason: str, engine: Engine | None = None) -> None:
        """Takes down how the engine fares; says it when that has changed, and only then."""
        before = self._status
        self._status = status = RuntimeStatus(
            runtime=engine.runtime if engine else before.runtime,
            socket=self._path,
            state=state,
            reason=reason,
            version=engine.version if engine else before.version,
            api_version=engine.api_version if engine else before.api_version,
        )
        if before.state == state:
            return
        if state == "ok":
            log.info("%s: following %s %s, API %s", self._path, status.runtime, status.version, status.api_version)
        elif state != "absent" or before.state == "ok":
            log.warning("containers: %s; tried again from time to time", reason)
