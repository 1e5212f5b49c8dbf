"""The front: where workers wait for whole requests.

It stands in place of cheroot's connection manager and of its queue. All idle workers sleep in one epoll; the one that
an event wakes accepts, shakes hands, collects bytes or sends on, without ever blocking on a client, and leaves with a
connection only when a whole request is there. The last worker at the front never leaves: a client that is slow, silent
or mute costs a place, and a handler that hangs costs a worker, but someone is always there for the next request.
Nothing ticks: workers sleep until a socket has something to say or a deadline passes, and a request wakes one of them.
Source: epoll(7) (EPOLLONESHOT: one thread at a time has a connection), eventfd(2).
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from nodescope import threads
from nodescope.web._cheroot import SHUTDOWN
from nodescope.web.connection import READABLE, WRITABLE, Connection
from nodescope.web.entrance import Entrance
from nodescope.web.head import BadRequest
from nodescope.web.message import text
from nodescope.web.places import BUSY, IDLE, LINGERING, NEVER, READING, WRITING, Places
from nodescope.web.watch import Watch
from nodescope.web.work import Work

if TYPE_CHECKING:
    from nodescope.web.serving import Serving

MAX_UNSENT_BYTES: Final = 32 * 1024 * 1024

_ONCE: Final = select.EPOLLONESHOT

log = logging.getLogger(__name__)


class Front:
    """Where workers come for requests (`get`) and bring answered connections back (`put`)."""

    def __init__(
        self, server: Serving, sockets: Sequence[socket.socket], connect: Callable[[socket.socket, str], Connection]
    ) -> None:
        """`connect`: makes a connection over an accepted socket and its peer's address; raises `OSError`."""
        self._server = server
        self._counts = server.counts
        self._places = Places()
        self._lock = self._places.lock
        self._asleep: dict[int, float] = {}
        self.late: set[int] = set()
        self.replaced: set[threading.Thread] = set()
        self._away = 0
        self._stopping = False
        self._ended = False
        self._epoll = select.epoll()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wakeup, READABLE | _ONCE)
        self._watch = Watch(self._epoll)
        self._entrance = Entrance(server, self._places, self._epoll, sockets, connect, self._close)

    @property
    def open(self) -> int:
        return len(self._places)

    @property
    def busy(self) -> int:
        return self._places.busy

    def get(self) -> Any:
        """The next connection with a whole request, for the worker that calls; cheroot's end mark if it is to end."""
        if self.replaced and (me := threading.current_thread()) in self.replaced:
            self.replaced.discard(me)
            return SHUTDOWN
        slept_for: float | None = None
        while not self._stopping:
            if self._places.ready:
                taken = self._take(slept_for)
                if taken is not None:
                    return taken
            slept_for = deadline = self._wait()
            now = monotonic()
            if now >= deadline:
                self._expire(now)
                slept_for = None
        return SHUTDOWN

    def put(self, connection: Connection) -> None:
        """Takes a connection back from a worker that has answered on it, or has come too late to."""
        me = threading.get_ident()
        with self._lock:
            self._away -= 1
            if me in self.late:
                self.late.discard(me)
                if not self._server.requests.come_back(threading.current_thread()):
                    self.replaced.add(threading.current_thread())
                return
            self._watch.end(connection, self._server.limits.again_after_s)
        self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        try:
            self._after_answer(connection)
        except OSError:
            self._close(connection, "by peer")

    def stop(self) -> None:
        """Has every worker at the front leave, and those that come later."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                # Neither read again nor for one thread only: it wakes all.
                self._epoll.modify(self._wakeup, READABLE)
                os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """Lets go of everything; cuts the line of what a worker still holds. After `stop`."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            left = self._places.waiting()
            for connection in self._places.answering():
                connection.abort()
            self._epoll.close()
            os.close(self._wakeup)
            self._watch.close()
        for connection in left:
            self._close(connection, "stopped")

    # Workers: asleep, awake, away with a request.

    def _take(self, slept_for: float | None) -> Connection | None:
        """A whole request to leave with, unless no one else is at the front and no further worker can be started.

        `slept_for`: the deadline that this worker last slept for, if all that has happened since is one event.
        """
        ready = self._places.ready
        with self._lock:
            alone = self._server.requests.size - self._away <= 1
            if self._stopping or not ready or (alone and not self._server.requests.grow_by_one()):
                return None
            self._away += 1
            connection = ready.popleft()
            self._watch.begin(connection, self._server.limits.again_after_s)
            # Someone asleep must wake in time for what this worker would have woken for.
            if self._asleep:
                soonest = min(self._asleep.values())
                known = slept_for is not None and slept_for >= soonest
                if not known and self._earliest(monotonic()) < soonest:
                    os.eventfd_write(self._wakeup, 1)
        return connection

    def _wait(self) -> float:
        """Sleeps until there is one event, and attends to it; a second one is for the next worker.

        Returns the deadline until which it would have slept.
        """
        me = threading.get_ident()
        with self._lock:
            now = monotonic()
            wake_at = self._asleep[me] = self._earliest(now)
        found = self._epoll.poll(None if wake_at == NEVER else max(0.0, wake_at - now), 1)
        with self._lock:
            del self._asleep[me]
            connection = self._places.claim(found[0][0]) if found else None
        if connection is not None:
            self._step(connection)
        elif found:
            self._attend(found[0][0])
        return wake_at

    def _earliest(self, now: float) -> float:
        return min(self._entrance.again_at, self._places.earliest(now, self._server.limits))

    # A request that a worker has had for too long.

    def _give_again(self) -> None:
        with self._lock:
            overdue = [] if self._ended else self._watch.overdue(self._server.limits.again_after_s)
        for connection in overdue:
            work = connection.work
            if work is not None and work.request.method in ("GET", "HEAD"):
                thread = threading.Thread(None, self._answer_again, "web-again", (connection, work), daemon=True)
                if not threads.started(thread, "to answer a slow request once more"):
                    with self._lock:
                        if not self._ended and connection.work is work:
                            self._watch.postpone(connection, self._server.limits.again_after_s)

    def _answer_again(self, connection: Connection, work: Work) -> None:
        response, extra = self._server.answer(work, again=True)
        if work.claim():
            self._server.requests.hold_up()
            connection.reply(response, extra, work.head)
            connection.served = True
            with self._lock:
                self._watch.end(connection, self._server.limits.again_after_s)
            self._go_on(connection)
            with self._lock:
                # No worker knows of what this connection has next: its request, or a deadline.
                if not self._ended:
                    os.eventfd_write(self._wakeup, 1)

    # What an event leads to.

    def _attend(self, fd: int) -> None:
        """To what is no connection, or one that somebody else has in hand."""
        if fd == self._wakeup:
            with self._lock:
                if not self._stopping:
                    os.eventfd_read(fd)
                    self._epoll.modify(fd, READABLE | _ONCE)
        elif fd in self._watch:
            self._give_again()
        elif fd in self._entrance:
            try:
                self._entrance.accept(fd)
            finally:
                if self._entrance.again_at == NEVER:
                    self._listen()

    def _step(self, connection: Connection) -> None:
        try:
            if connection.state == WRITING:
                connection.flush()
                self._after_answer(connection)
            elif connection.state == LINGERING:
                self._linger(connection)
            elif connection.greeted or self._greet(connection):
                self._read(connection)
        except OSError as error:
            log.debug("connection from %s: %s", connection.remote_addr, error)
            self._close(connection, "by peer" if connection.greeted else "handshake")

    def _greet(self, connection: Connection) -> bool:
        events = connection.greet()
        if events:
            self._park(connection, READING, events)
            return False
        connection.greeted = True
        return True

    def _read(self, connection: Connection) -> None:
        if connection.receive():
            self._advance(connection)
        else:
            self._close(connection, "by peer")

    def _advance(self, connection: Connection) -> None:
        """On to a worker if a whole request is there, else waits for more."""
        try:
            complete = connection.advance()
        except BadRequest as bad:
            self._refuse(connection, bad.status, bad.reason)
            return
        if complete:
            with self._lock:
                self._places.make_ready(connection, self._server.limits)
        elif connection.state == READING or connection.started:
            self._park(connection, READING, READABLE)
        else:
            self._park(connection, IDLE, READABLE)

    def _after_answer(self, connection: Connection) -> None:
        if connection.unsent:
            self._park(connection, WRITING, WRITABLE)
            self._shed()
        elif connection.closing and connection.started:
            # What was not read would make the kernel take the answer back (RFC 9112, 9.6).
            self._start_linger(connection)
        elif connection.closing or self._stopping:
            self._close(connection, "done")
        elif connection.started:
            self._advance(connection)
        else:
            self._park(connection, IDLE, READABLE)

    def _refuse(self, connection: Connection, status: int, reason: str) -> None:
        """Answers what will get no worker, and hangs up."""
        connection.reply(text(status, reason), (), None)
        self._counts.refused()
        if connection.unsent:
            self._close(connection, "refused")
        else:
            self._start_linger(connection)

    def _start_linger(self, connection: Connection) -> None:
        connection.end_sending()
        self._park(connection, LINGERING, READABLE)

    def _linger(self, connection: Connection) -> None:
        if connection.discard():
            self._park(connection, LINGERING, READABLE)
        else:
            self._close(connection, "refused")

    # Deadlines and states.

    def _expire(self, now: float) -> None:
        if now >= self._entrance.again_at:
            self._listen()
        for connection in self._places.claim_late(now, self._server.limits):
            try:
                self._time_out(connection)
            except OSError:
                self._close(connection, "timeout")

    def _time_out(self, connection: Connection) -> None:
        if connection.state == BUSY:
            self._refuse(connection, 503, "every worker is busy, try again later")
            return
        if connection.state in (READING, WRITING):
            self._counts.timed_out()
        if connection.state == READING and connection.started:
            self._refuse(connection, 408, "the request did not arrive in time")
        else:
            self._close(connection, "idle" if connection.state == IDLE else "timeout")

    def _shed(self) -> None:
        """Drops the answers that have waited longest for their readers, until the rest is small enough to keep."""
        while self._places.unsent_bytes() > MAX_UNSENT_BYTES:
            oldest = self._places.claim_oldest(WRITING)
            if oldest is None:
                return
            self._close(oldest, "evicted")

    def _listen(self) -> None:
        with self._lock:
            if not self._stopping:
                self._entrance.listen()

    def _park(self, connection: Connection, state: int, events: int) -> None:
        """Waits for `events`; the deadline runs from when the state was entered. The caller owns it no longer."""
        with self._lock:
            if not self._ended:
                if connection.state != state:
                    self._places.enter(connection, state, self._server.limits)
                connection.owned = False
                self._epoll.modify(connection.fd, events | _ONCE)
                return
        self._close(connection, "stopped")

    def _close(self, connection: Connection, reason: str) -> None:
        """Closes what the caller owns."""
        if self._places.remove(connection):
            self._counts.closed(reason)
            connection.release()
