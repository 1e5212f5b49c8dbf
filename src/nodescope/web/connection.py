"""One connection: its socket, what has arrived of the next request, what has still to be sent.

Nothing here blocks: the front waits for all connections at once (see `front`).
Source: socket(7), tcp(7); RFC 9112, 9 (connection management).
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from typing import TYPE_CHECKING, Final

from nodescope.web import head, reply
from nodescope.web._cheroot import HTTPConnection
from nodescope.web.message import Request, Response, text
from nodescope.web.work import Work

if TYPE_CHECKING:
    import ssl

    from nodescope.web.serving import Serving

RECEIVE_BYTES: Final = 8 * 1024
MAX_SEEN_BYTES: Final = 2 * 1024
MAX_DISCARDED_BYTES: Final = 256 * 1024

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT

_FAILED: Final = text(500, "Internal Server Error")

log = logging.getLogger(__name__)


class Connection(HTTPConnection):
    """A plain connection. `state`, `deadline`, `ready_at` and `owned` are the front's.

    `begun_at` and `asked_again` are those of the request in work. It has no file objects: the buffer stands in for
    rfile, `send` for wfile.
    """

    def __init__(self, server: Serving, sock: socket.socket, remote: str) -> None:
        self.server = server
        self.socket = sock
        self.fd = sock.fileno()
        self.remote_addr = remote
        self.state = 0
        self.deadline = 0.0
        self.ready_at = 0.0
        self.begun_at = 0.0
        self.owned = False
        self.asked_again = False
        self.work: Work | None = None
        self.closing = False
        self.served = False
        self.greeted = True
        self.context: ssl.SSLContext | None = None
        self.unsent = b""
        self.head: head.Head | None = None
        self.buffer = b""
        self._searched = 0
        self._seen: tuple[bytes, head.Head | None] = (b"", None)
        self._continued = False
        self._discarded = 0

    @property
    def started(self) -> bool:
        """Whether a part of the next request has arrived."""
        return bool(self.buffer)

    def greet(self) -> int:
        """Takes the next step before requests can be read: 0 when done, else the events to wait for."""
        return 0

    def receive(self) -> bool:
        """Reads what is there. False once the peer has said its last. Raises `OSError`."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        self.buffer += data
        return bool(data)

    def advance(self) -> bool:
        """Whether the buffer begins with a complete request: its head is in `head` then. Raises `BadRequest`."""
        raw, seen = self._seen
        if self.buffer == raw and seen is not None:
            # A scraper sends the same request each time.
            self.head = seen
        elif self.head is None and not self._find_head():
            return False
        found = self.head
        assert found is not None
        if len(self.buffer) >= found.length + found.body_bytes:
            return True
        if found.expects_continue and not self._continued:
            self._continued = True
            self.send(reply.CONTINUE)
        return False

    def take(self) -> tuple[head.Head, bytes]:
        """The complete request, taken off the buffer."""
        found, self.head = self.head, None
        assert found is not None
        after = found.length + found.body_bytes
        body = self.buffer[found.length : after]
        self.buffer = self.buffer[after:]
        self._searched = 0
        self._continued = False
        return found, body

    def send(self, *parts: bytes) -> None:
        """Sends what the socket takes now and keeps the rest in `unsent`. Raises `OSError`."""
        if self.unsent:
            self.unsent += b"".join(parts)
            return
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        if sent < sum(map(len, parts)):
            self.unsent = b"".join(parts)[sent:]

    def flush(self) -> None:
        """Sends more of `unsent`. Raises `OSError`."""
        waiting, self.unsent = self.unsent, b""
        self.send(waiting)

    def communicate(self) -> bool:
        """Has the request answered that is complete. Called by cheroot's worker; False where it is not to be kept."""
        server = self.server
        if self.served and self.context is not server.context:
            # Kept from other TLS settings than those in force: no answer, and its client calls again.
            return False
        found, body = self.take()
        request = Request(found.method, found.path, found.query, found.headers, self.remote_addr, body)
        self.work = work = Work(request, found)
        response, extra = _FAILED, ()
        try:
            response, extra = server.answer(work)
        except Exception:
            log.exception("a request of %s for %s could not be answered", self.remote_addr, found.path)
        finally:
            late = not work.claim()
            if late:
                server.come_late()
        if not late:
            self.reply(response, extra, found)
            self.served = True
        return True

    def reply(self, response: Response, extra: reply.Headers, request: head.Head | None) -> None:
        """Sends an answer to `request`; None where it could not be read. Sets `closing` as that demands."""
        self.closing = self.closing or request is None or not request.keep_alive or response is _FAILED
        minor = 1 if request is None else request.minor
        try:
            lines = reply.head(response, extra, minor, not self.closing)
        except ValueError:
            log.exception("an answer to %s could not be sent", self.remote_addr)
            self.reply(_FAILED, (), request)
            return
        parts = (lines,) if request is not None and request.method == "HEAD" else (lines, response.body)
        self.server.counts.answered(response.status)
        try:
            self.send(*parts)
        except OSError:
            # The peer is gone: nothing to say, and no one to say it to.
            self.unsent = b""
            self.closing = True

    def end_sending(self) -> None:
        """Tells the peer that nothing more will come."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def discard(self) -> bool:
        """Drops what arrives, so that closing does not take the last answer with it. False when enough was dropped."""
        try:
            data = socket.socket.recv(self.socket, RECEIVE_BYTES)
        except BlockingIOError:
            return True
        self._discarded += len(data)
        return bool(data) and self._discarded < MAX_DISCARDED_BYTES

    def abort(self) -> None:
        """Cuts the line, for a connection that a handler still holds."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Closes the socket."""
        self.socket.close()

    def close(self) -> None:
        """A worker is done with it, and it shall not be kept, unless it is in other hands by now."""
        if not self.server.is_late():
            self.closing = True
        self.server.put_conn(self)

    def _find_head(self) -> bool:
        if not self._searched and self.buffer[:2] == b"\r\n":
            # One empty line before a request is a known habit of old clients (RFC 9112, 2.2).
            self.buffer = self.buffer[2:]
        if not self.buffer or self.buffer == b"\r":
            return False
        length = head.end(self.buffer, max(0, self._searched - 3))
        if not length:
            self._searched = len(self.buffer)
            return False
        self.head = head.parse(self.buffer[:length])
        if length <= MAX_SEEN_BYTES:
            self._seen = (self.buffer[:length], self.head)
        return True
