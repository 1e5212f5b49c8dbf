"""The places of a listener's connections: in which state each is, who has it in hand, when its time is up."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodescope.web.connection import Connection
    from nodescope.web.limits import Limits

LINGER_S: Final = 1.0

READING, IDLE, BUSY, WRITING, LINGERING = range(5)
"""What a connection waits for: the rest of a request, the next one, its answer, its reader, the peer's end."""

WAITING: Final = (LINGERING, READING, IDLE, WRITING)
"""The states in which a connection waits for its peer, those first that are the first to make room for another."""
NEVER: Final = float("inf")


class Places:
    """Every open connection, by state; in each state, the one that entered first is the first to time out.

    A connection is `owned` by the one worker that has its event, its request or its end in hand; only the owner may
    touch it. Methods take the lock themselves, but for those that say "under the lock".
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ready: deque[Connection] = deque()
        self._connections: dict[int, Connection] = {}
        self._in: tuple[dict[int, Connection], ...] = tuple({} for _ in range(5))

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def busy(self) -> int:
        return len(self._in[BUSY])

    def add(self, connection: Connection, limits: Limits) -> None:
        """Takes a new connection in, to read from. Under the lock."""
        connection.state = READING
        connection.deadline = monotonic() + limits.request_timeout_s
        self._connections[connection.fd] = self._in[READING][connection.fd] = connection

    def enter(self, connection: Connection, state: int, limits: Limits) -> None:
        """Moves it; the deadline runs from now. Under the lock."""
        del self._in[connection.state][connection.fd]
        # BUSY: the earliest moment at which it could be closed as idle, were it answered at once.
        patience_s = limits.idle_timeout_s if state in (IDLE, BUSY) else limits.request_timeout_s
        connection.state = state
        connection.deadline = monotonic() + (LINGER_S if state == LINGERING else patience_s)
        self._in[state][connection.fd] = connection

    def make_ready(self, connection: Connection, limits: Limits) -> None:
        """Lines it up for a worker. Its owner owns it on. Under the lock."""
        self.enter(connection, BUSY, limits)
        connection.ready_at = monotonic()
        self.ready.append(connection)

    def remove(self, connection: Connection) -> bool:
        """Lets it go. False where it was gone already."""
        with self.lock:
            if self._connections.pop(connection.fd, None) is None:
                return False
            del self._in[connection.state][connection.fd]
            return True

    def claim(self, fd: int) -> Connection | None:
        """Makes the caller the owner; None where there is another, or no such connection. Under the lock."""
        connection = self._connections.get(fd)
        if connection is None or connection.owned:
            return None
        connection.owned = True
        return connection

    def claim_oldest(self, state: int) -> Connection | None:
        """Makes the caller the owner of the one that has been in `state` longest."""
        with self.lock:
            for connection in self._in[state].values():
                if not connection.owned:
                    connection.owned = True
                    return connection
        return None

    def claim_late(self, now: float, limits: Limits) -> list[Connection]:
        """Makes the caller the owner of all whose time is up."""
        late = []
        with self.lock:
            while self.ready and self.ready[0].ready_at + limits.request_timeout_s <= now:
                late.append(self.ready.popleft())
            for state in WAITING:
                for connection in self._in[state].values():
                    if connection.deadline > now:
                        break
                    if not connection.owned:
                        connection.owned = True
                        late.append(connection)
        return late

    def earliest(self, now: float, limits: Limits) -> float:
        """The next deadline, `NEVER` where there is none. Under the lock."""
        earliest = self.ready[0].ready_at + limits.request_timeout_s if self.ready else NEVER
        for state in WAITING:
            for connection in self._in[state].values():
                # What another worker has in hand is that worker's to watch.
                if not connection.owned:
                    earliest = min(earliest, connection.deadline)
                    break
        for connection in self._in[BUSY].values():
            if connection.deadline > now:
                return min(earliest, connection.deadline)
        return earliest

    def unsent_bytes(self) -> int:
        """How much of all answers waits for readers."""
        with self.lock:
            return sum(len(connection.unsent) for connection in self._in[WRITING].values())

    def waiting(self) -> list[Connection]:
        """All that no worker answers now. Under the lock."""
        return [connection for state in WAITING for connection in self._in[state].values()] + list(self.ready)

    def answering(self) -> list[Connection]:
        """All that a worker answers now. Under the lock."""
        return list(self._in[BUSY].values())
