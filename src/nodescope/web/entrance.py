"""The entrance: listening sockets, and room for those who come.

Source: accept(2) ("Error handling"), listen(2), epoll(7).
"""

from __future__ import annotations

import errno
import logging
import select
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from nodescope.web.connection import READABLE, Connection
from nodescope.web.places import NEVER, WAITING, Places

if TYPE_CHECKING:
    from nodescope.web.serving import Serving

MAX_ACCEPTS: Final = 64
OUT_OF_DESCRIPTORS_PAUSE_S: Final = 1.0
WARNING_INTERVAL_S: Final = 60.0

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = logging.getLogger(__name__)


class Entrance:
    """Takes connections in, each as a place that waits for a request.

    `connect(socket, peer)` makes one, or raises `OSError`; `close(connection, reason)` lets one go.

    `again_at`: when to `listen` again after descriptors ran out, on the monotonic clock.
    """

    def __init__(
        self,
        server: Serving,
        places: Places,
        epoll: select.epoll,
        sockets: Sequence[socket.socket],
        connect: Callable[[socket.socket, str], Connection],
        close: Callable[[Connection, str], None],
    ) -> None:
        self.again_at = NEVER
        self._server = server
        self._counts = server.counts
        self._places = places
        self._epoll = epoll
        self._connect = connect
        self._close = close
        self._listening = {sock.fileno(): sock for sock in sockets}
        self._warn_again_at = 0.0
        for fd in self._listening:
            epoll.register(fd, READABLE | select.EPOLLONESHOT)

    def __contains__(self, fd: int) -> bool:
        return fd in self._listening

    def listen(self) -> None:
        """Waits for the next to come. Under the lock of the places."""
        self.again_at = NEVER
        for fd in self._listening:
            self._epoll.modify(fd, READABLE | select.EPOLLONESHOT)

    def accept(self, fd: int) -> None:
        """Takes in who has come to a listening socket."""
        for _ in range(MAX_ACCEPTS):
            try:
                sock, peer = self._listening[fd].accept()
            except BlockingIOError:
                return
            except OSError as error:
                # The kernel looks for a descriptor before it looks whether anybody is there.
                if error.errno in _EXHAUSTED and not (_is_called(fd) and self._free_a_descriptor(error)):
                    return
                # Else the peer went away between its call and our answer.
                continue
            self._counts.accept()
            if len(self._places) < self._server.limits.max_connections or self._make_room():
                self._admit(sock, peer)
            else:
                self._counts.closed("no room")
                sock.close()

    def _admit(self, sock: socket.socket, peer: object) -> None:
        sock.setblocking(False)
        remote = str(peer[0]) if isinstance(peer, tuple) else "unix"
        try:
            connection = self._connect(sock, remote)
            with self._places.lock:
                # Its event finds it in its place, for whoever wakes by it waits for the lock.
                self._epoll.register(connection.fd, READABLE | select.EPOLLONESHOT)
                self._places.add(connection, self._server.limits)
        except (OSError, MemoryError) as error:
            log.debug("connection from %s: %s", remote, error)
            self._counts.closed("handshake")
            sock.close()

    def _make_room(self) -> bool:
        """Closes the connection that has kept us waiting longest; never one with a request in work."""
        for state in WAITING:
            oldest = self._places.claim_oldest(state)
            if oldest is not None:
                self._close(oldest, "evicted")
                return True
        return False

    def _free_a_descriptor(self, error: OSError) -> bool:
        """False where none could be freed, and listening pauses."""
        now = monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + WARNING_INTERVAL_S
            log.warning("a connection was not accepted (%s); raise the limit on open files", error.strerror)
        if self._make_room():
            return True
        self.again_at = now + OUT_OF_DESCRIPTORS_PAUSE_S
        return False


def _is_called(fd: int) -> bool:
    """Whether anybody waits at a listening socket."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(0))
