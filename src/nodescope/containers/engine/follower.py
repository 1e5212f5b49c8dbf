"""Follows one engine on its socket: which containers it has now, and what happens to them.

A thread of its own keeps the connection; whoever asks waits for nothing. At every connect it lists and compares, for no
engine remembers all that it has told: Docker keeps 256 events, and none across its restart.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection
from typing import Final, NamedTuple

from nodescope import threads
from nodescope.containers.engine.client import EngineDenied, EngineFailed, readable
from nodescope.containers.engine.room import HOSTS, Room
from nodescope.containers.engine.session import EngineSession
from nodescope.containers.engine.version import Engine
from nodescope.containers.kept import KeptLife, KeptRuntime
from nodescope.containers.known import Emit, KnownContainers
from nodescope.kernel.file import Absent, Malformed
from nodescope.records.container import NOT_ASKED, Container, RuntimeStatus

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
    `steady_s`: a connection that lasted so long was a good one, and the next attempt comes as after the first failure.
    """

    request_s: float = 5.0
    list_s: float = 60.0
    first_retry_s: float = 0.2
    longest_retry_s: float = 10.0
    settling_s: float = 5.0
    steady_s: float = 30.0


class EngineFollower:
    """`path`: of the socket. `emit` takes events in order, each once, in the follower's own thread.

    `runtime`: what it is thought to be until it says so itself. `labels`: names of those that containers keep. `kept`:
    containers as they were when the agent ended, so that what happened since is told. While the engine does not answer,
    its containers are those it had: they may well run on. `room`: how much it may tell. `owner`: the
    user who is to listen there, None for any.
    """

    def __init__(
        self,
        path: str,
        emit: Emit,
        runtime: str = "docker",
        labels: Collection[str] = (),
        kept: KeptRuntime | None = None,
        pace: Pace | None = None,
        room: Room = HOSTS,
        owner: int | None = None,
    ) -> None:
        self._path = path
        self._emit = emit
        self._labels = frozenset(labels)
        self._known = KnownContainers(runtime, kept, room.containers)
        self._pace = pace or Pace()
        self._room = room
        self._owner = owner
        self._status = RuntimeStatus(runtime=runtime, socket=path, state="absent", reason=NOT_ASKED)
        self._malformed = self._connected = 0
        self._closing = self._closed = self._abandoned = False
        self._ended = True
        self._ending = threading.Lock()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name=f"engine {os.path.basename(path)}", daemon=True)

    def start(self) -> None:
        """Begins to follow, and goes on until `close`."""
        self._ended = False
        try:
            threads.start(self._thread)
        except RuntimeError:
            self._ended = True
            raise

    def stop(self) -> None:
        """Lets it end, and does not wait for that."""
        with self._ending:
            if not self._closing:
                self._closing = True
                os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Ends within 2 s. May be called twice. Where the engine hangs in a request, its thread ends with that, and
        tells nothing any more.
        """
        self.stop()
        with self._ending:
            if self._closed:
                return
            self._closed = True
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        with self._ending:
            self._abandoned = not self._ended
            if self._ended:
                os.close(self._wake_fd)

    def containers(self) -> tuple[Container, ...]:
        """All containers that there are, running or not, as known now."""
        return self._known.all()

    def container(self, container_id: str) -> Container | None:
        """One that there is, or was not long ago."""
        return self._known.get((None, container_id))

    def kept(self) -> list[KeptLife] | None:
        """What is to outlive the agent; None before the first list."""
        return self._known.kept()

    def status(self) -> RuntimeStatus:
        """How the engine fares, and how much was told, inferred and dropped."""
        status = self._status
        return RuntimeStatus(
            runtime=self._known.runtime,
            socket=self._path,
            state=status.state,
            reason=status.reason,
            version=status.version,
            api_version=status.api_version,
            containers=len(self._known),
            events=self._known.heard_count,
            events_inferred=self._known.inferred_count,
            events_dropped=self._known.dropped_count,
            reconnects=max(self._connected - 1, 0),
        )

    @property
    def left_out(self) -> int:
        """Entries and inspections that could not be read."""
        return self._malformed

    def _run(self) -> None:
        try:
            self._follow_always()
        finally:
            with self._ending:
                self._ended = True
                if self._abandoned:
                    os.close(self._wake_fd)

    def _follow_always(self) -> None:
        retry_s = self._pace.first_retry_s
        while not self._closing:
            began = time.monotonic()
            session = EngineSession(
                self._path,
                self._known,
                self._labels,
                self._pace.request_s,
                self._room,
                self._owner,
                lambda: self._closing,
            )
            try:
                self._follow_to_the_end(session)
            except Absent:
                self._note("absent", f"nothing listens on {self._path}")
            except EngineDenied as error:
                self._note("denied", str(error))
            except (EngineFailed, Malformed, OSError) as error:
                self._note("failed", str(error))
            except Exception as error:  # such as MemoryError: nobody else would ever follow it again
                log.exception("following %s failed", self._path)
                self._note("failed", f"{self._path}: following it failed: {type(error).__name__}: {error}")
            # One that fails each time after its first answers must not be asked for all of them five times a second.
            retry_s = self._pace.first_retry_s if time.monotonic() - began >= self._pace.steady_s else retry_s
            self._wait(-1, retry_s)
            retry_s = min(2 * retry_s, self._pace.longest_retry_s)

    def _follow_to_the_end(self, session: EngineSession) -> None:
        try:
            self._follow(session)
        finally:
            # What was heard until then has happened.
            self._tell(session)
            self._malformed += session.malformed
            session.close()

    def _follow(self, session: EngineSession) -> None:
        """One connection, until it fails or `close` is called."""
        engine = session.open()
        session.reconcile(everything=True)
        self._tell(session)
        self._connected += 1
        self._note("ok", "", engine)
        now = time.monotonic()
        list_at, settled_at = now + self._pace.list_s, now + self._pace.settling_s
        later_at = float("inf")
        while not self._closing:
            self._hear(session, min(list_at, settled_at, later_at) - time.monotonic())
            self._tell(session)
            now = time.monotonic()
            later_at = self._inspect_later(now, later_at)
            if now >= settled_at:
                self._known.settled()
                settled_at = float("inf")
            if now >= list_at:
                session.reconcile(everything=False)
                self._tell(session)
                list_at, settled_at = now + self._pace.list_s, now + self._pace.settling_s

    def _inspect_later(self, now: float, later_at: float) -> float:
        """When those are due that are to be inspected in a while; they are stale from then on."""
        if now >= later_at:
            self._known.stale.update(self._known.stale_later)
            self._known.stale_later.clear()
        if not self._known.stale_later:
            return float("inf")
        return later_at if now < later_at < float("inf") else now + LATER_SECONDS

    def _hear(self, session: EngineSession, timeout_s: float) -> None:
        """Hears for a short while; what happened is not told before the containers that it is about are inspected."""
        if not self._known.stale and not self._wait(session.fileno(), timeout_s):
            return
        tell_at = time.monotonic() + LONGEST_HELD_SECONDS
        session.hear()
        while self._known.stale and self._wait(session.fileno(), TOGETHER_SECONDS) and time.monotonic() < tell_at:
            session.hear()
        session.refresh(REFRESHED_AT_ONCE)

    def _wait(self, fd: int, timeout_s: float) -> bool:
        """Whether there is something to read, within `timeout_s`. Ends at once when `close` is called."""
        fds = [self._wake_fd] if fd < 0 else [self._wake_fd, fd]
        return fd in readable(fds, 0.0 if self._closing else timeout_s)

    def _tell(self, session: EngineSession) -> None:
        told, session.told = session.told, []
        if not self._abandoned:
            self._known.tell(told, self._emit)

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
