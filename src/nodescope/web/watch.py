"""Watches over the requests that workers have in hand, for those that take too long."""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING, Final

from nodescope.web.alarm import Alarm
from nodescope.web.connection import READABLE
from nodescope.web.places import NEVER

if TYPE_CHECKING:
    from nodescope.web.connection import Connection

_UNKNOWN: Final = -1.0


class Watch:
    """Requests in work, in the order in which they were begun. All methods are called under the lock of the places.

    `after_s`: how long a request may be in work before it is overdue, None for any time.
    """

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._in_work: dict[int, Connection] = {}
        # From the start: with the first request there may be no descriptor left for it.
        self._alarm: Alarm | None = Alarm()
        self._alarm_at = NEVER
        epoll.register(self._alarm.fd, READABLE | select.EPOLLONESHOT)

    def __contains__(self, fd: int) -> bool:
        return self._alarm is not None and fd == self._alarm.fd

    def begin(self, connection: Connection, after_s: float | None) -> None:
        """A worker has taken the connection's request."""
        connection.begun_at, connection.asked_again, connection.work = monotonic(), False, None
        self._in_work[connection.fd] = connection
        # Those begun before it are the first to be overdue.
        if self._alarm_at == NEVER and after_s is not None and self._alarm is not None:
            self._alarm_at = connection.begun_at + after_s
            self._alarm.set(after_s)
        else:
            self._set(after_s)

    def end(self, connection: Connection, after_s: float | None) -> None:
        """Its request is answered."""
        self._in_work.pop(connection.fd, None)
        if not self._in_work and self._alarm is not None:
            self._alarm_at = NEVER
            self._alarm.set(None)
        else:
            self._set(after_s)

    def overdue(self, after_s: float | None) -> list[Connection]:
        """The alarm has gone off: those whose time is up, each once."""
        now = monotonic()
        found = []
        while self._next_at(after_s) <= now:
            connection = next(each for each in self._in_work.values() if not each.asked_again)
            if connection.work is None or not connection.work.admitted:
                # Whether it may ask at all is not known yet: looked at again as if it had begun now.
                self._begin_anew(connection, now)
            else:
                connection.asked_again = True
                found.append(connection)
        if self._alarm is not None:
            self._alarm.read()
            self._alarm_at = _UNKNOWN
            self._set(after_s)
            self._epoll.modify(self._alarm.fd, READABLE | select.EPOLLONESHOT)
        return found

    def postpone(self, connection: Connection, after_s: float | None) -> None:
        """Has a request be overdue as if it had begun now."""
        self._begin_anew(connection, monotonic())
        self._set(after_s)

    def _begin_anew(self, connection: Connection, now: float) -> None:
        if self._in_work.pop(connection.fd, None) is not None:
            connection.begun_at, connection.asked_again = now, False
            self._in_work[connection.fd] = connection

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.close()
            self._alarm, self._alarm_at = None, NEVER
        self._in_work.clear()

    def _next_at(self, after_s: float | None) -> float:
        if after_s is not None:
            for connection in self._in_work.values():
                if not connection.asked_again:
                    return connection.begun_at + after_s
        return NEVER

    def _set(self, after_s: float | None) -> None:
        next_at = self._next_at(after_s)
        if next_at == self._alarm_at or self._alarm is None:
            return
        self._alarm_at = next_at
        self._alarm.set(None if next_at == NEVER else next_at - monotonic())
