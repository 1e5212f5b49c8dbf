"""Requests to a Docker Engine, or podman's service of the same API, on its Unix socket.

Source: Docker Engine API reference (GET /version, /containers/json, /containers/{id}/json, /events); RFC 9112.
HTTP/1.1 is spoken on the bare socket: the docker package costs 19 MB of memory, this less than 1. Only GET is sent.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import Final

from nodescope.containers.http_answer import AnswerParser
from nodescope.kernel.file import GONE, Absent, Malformed, text

READ_BYTES: Final = 65_536
MAX_LINE_BYTES: Final = 1024 * 1024
MAX_MESSAGE_CHARACTERS: Final = 200
MAX_REFUSAL_BYTES: Final = 4096
"""So much of an error's body is looked at."""
MAX_PATH_BYTES: Final = 107

_NOBODY_LISTENS: Final = frozenset({*GONE, errno.ECONNREFUSED})
_UCRED: Final = struct.Struct("iII")
"""Process, user and group."""
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


class EngineFailed(Exception):
    """The engine is there and does not answer as it should. One sentence says why and what to do."""


class EngineDenied(EngineFailed):
    """This user may not open the engine's socket."""


NOT_FOUND: Final = 404
NO_SUCH: Final = b"no such container"
"""podman answers 500 about a container that goes while it is asked for."""


class EngineRefused(EngineFailed):
    """The engine answered with an error. `status`: that of HTTP; 404: there is no such container."""

    def __init__(self, source: str, status: int, body: bytes) -> None:
        body = body[:MAX_REFUSAL_BYTES]
        said = " ".join(text(body).split())[:MAX_MESSAGE_CHARACTERS]
        super().__init__(f"{source}: the engine answered {status}: {said}")
        self.status = NOT_FOUND if NO_SUCH in body.lower() else status


class EngineClient:
    """GET requests, one after the other, on one connection that is kept; for one thread.

    All methods raise `Absent` where nobody listens, `EngineDenied`, `EngineRefused` (any status but 200),
    `EngineFailed` (deadline passed, connection lost, answer too long) and `Malformed`.
    """

    def __init__(self, path: str, owner: int | None = None) -> None:
        """`owner`: the user who is to have opened the socket; None for any."""
        self.path = path
        self._owner = owner
        self._kept: socket.socket | None = None

    def get(self, target: str, timeout_s: float, max_bytes: int) -> bytes:
        """The body of the answer. `timeout_s` is for all of it."""
        deadline = time.monotonic() + timeout_s
        source = f"{self.path}{target}"
        reused = self._kept is not None
        try:
            return self._exchange(target, source, deadline, max_bytes)
        except _Stale:
            # An engine that was restarted, or was tired of waiting, has closed the kept connection.
            if not reused:
                raise EngineFailed(f"{source}: the engine closed the connection without an answer") from None
        try:
            return self._exchange(target, source, deadline, max_bytes)
        except _Stale:
            raise EngineFailed(f"{source}: the engine closed the connection without an answer") from None

    def stream(self, target: str, timeout_s: float) -> LineStream:
        """The lines of an answer that does not end, on a connection of their own. Does not wait for its head."""
        opened = connect(self.path, timeout_s, self._owner)
        try:
            opened.settimeout(timeout_s)
            opened.sendall(_request(target))
            opened.setblocking(False)
        except OSError as error:
            opened.close()
            raise EngineFailed(f"{self.path}{target}: {error.strerror or error}") from error
        return LineStream(opened, f"{self.path}{target}")

    def close(self) -> None:
        """Closes the kept connection; the next request makes one anew."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _exchange(self, target: str, source: str, deadline: float, max_bytes: int) -> bytes:
        connection = self._kept or connect(self.path, max(deadline - time.monotonic(), 0.001), self._owner)
        self._kept = None
        reader = AnswerParser(source)
        try:
            body = _received(connection, target, reader, source, deadline, max_bytes)
            if reader.reusable:
                self._kept = connection
        finally:
            if self._kept is None:
                connection.close()
        if reader.status != 200:
            raise EngineRefused(source, reader.status, body)
        return body


class LineStream:
    """Lines of a body that does not end, such as /events. `fileno` is to be polled; `lines` never waits."""

    def __init__(self, opened: socket.socket, source: str) -> None:
        self._socket = opened
        self._reader = AnswerParser(source)
        self._source = source
        self._partial = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def lines(self) -> list[bytes]:
        """Whole lines that have come. Raises `EngineFailed` where it has ended, `EngineRefused`, `Malformed`."""
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise EngineFailed(f"{self._source}: {error.strerror or error}") from error
        body = self._reader.feed(data)
        status = self._reader.status
        if status not in (0, 200):
            raise EngineRefused(self._source, status, body)
        # Pieces without a line end add up; those with one give lines.
        whole, found, rest = body.rpartition(b"\n")
        lines = (self._partial + whole).split(b"\n") if found else []
        self._partial = rest if found else self._partial + body
        if len(self._partial) > MAX_LINE_BYTES:
            raise Malformed(self._source, f"{len(self._partial)}", f"lines of at most {MAX_LINE_BYTES} bytes")
        if not data or self._reader.complete:
            self._reader.complete = True
        return lines

    @property
    def ended(self) -> bool:
        """Whether the engine has ended it: no more lines will come."""
        return self._reader.complete

    def close(self) -> None:
        self._socket.close()


class _Stale(Exception):
    """A connection ended before the first byte of an answer."""


def connect(path: str, timeout_s: float, owner: int | None = None) -> socket.socket:
    """A connection to a Unix socket. Raises `Absent`, `EngineDenied`, `EngineFailed`, also of another's than `owner`.

    Source: unix(7), SO_PEERCRED: the user who listens, through whatever links the path leads.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout_s)
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise EngineFailed(f"{path}: a socket's path has at most {MAX_PATH_BYTES} bytes: mount it on a shorter one")
        opened.connect(path)
        listener = _UCRED.unpack(opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1]
        if owner not in (None, listener):
            raise EngineFailed(f"{path}: user {listener} listens there, expected user {owner}, whose folder it is in")
    except OSError as error:
        opened.close()
        if error.errno in _NOBODY_LISTENS:
            raise Absent(path) from error
        if error.errno in _DENIED:
            raise EngineDenied(
                f"{path}: permission refused: run as root, or add this user to the group that owns the socket "
                "(docker) and start nodescope anew"
            ) from error
        raise EngineFailed(f"{path}: cannot connect: {error.strerror or error}") from error
    except EngineFailed:
        opened.close()
        raise
    return opened


def _request(target: str) -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: engine\r\nUser-Agent: nodescope\r\nAccept: application/json\r\n\r\n".encode()
    )


def _received(
    connection: socket.socket, target: str, reader: AnswerParser, source: str, deadline: float, max_bytes: int
) -> bytes:
    """Sends the request and takes the whole answer. Raises `_Stale` where not one byte of it came."""
    pieces: list[bytes] = []
    length = 0
    begun = False
    try:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.sendall(_request(target))
        while not reader.complete:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(left_s)
            data = connection.recv(READ_BYTES)
            if not data and not begun:
                raise _Stale
            begun = True
            pieces.append(reader.feed(data))
            length += len(pieces[-1])
            if length > max_bytes:
                raise EngineFailed(f"{source}: the answer is longer than {max_bytes} bytes")
            if not data:
                reader.end()
    except TimeoutError:
        raise EngineFailed(f"{source}: no whole answer in time: the engine hangs or is overloaded") from None
    except OSError as error:
        if not begun and error.errno in (errno.EPIPE, errno.ECONNRESET):
            raise _Stale from None
        raise EngineFailed(f"{source}: the connection was lost: {error.strerror or error}") from error
    return b"".join(pieces)


def readable(fds: list[int], timeout_s: float) -> set[int]:
    """Which of these descriptors have something to read, or have ended, within `timeout_s`."""
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return {fd for fd, _ in poller.poll(max(timeout_s, 0.0) * 1000)}
