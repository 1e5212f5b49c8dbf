"""gRPC on a Unix socket: unary calls, and calls whose answer is a stream.

Source: grpc/grpc doc/PROTOCOL-HTTP2.md. No compression, no TLS, no names to resolve: what the sockets of
runtimes and of the kubelet speak. The whole client costs 0.7 MB of memory, where grpcio costs 17 MB. All calls
only read, so one that finds its connection gone is made again on a new one, once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final

from nodescope.containers.grpc.connection import Connection, Event, Unreachable
from nodescope.kernel.file import Malformed, text

CALL_SECONDS: Final = 5.0
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Of one answer. gRPC's own default, 4 MiB, is less than the pods of a big node take."""
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
MAX_EMPTY_FRAMES: Final = 10_000
MAX_REASON_CHARACTERS: Final = 200
SILENCE_SECONDS: Final = 320.0
"""After which a stream asks for a sign of life. Servers in Go hang up on who pings more often than each 5 min."""
PONG_SECONDS: Final = 10.0

RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
STATUS_NAMES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")

Metadata = tuple[tuple[str, str], ...]


class CallFailed(Exception):
    """The server refused a call: `code` is gRPC's status."""

    def __init__(self, path: str, method: str, code: int, reason: str) -> None:
        name = STATUS_NAMES[code] if 0 <= code < len(STATUS_NAMES) else str(code)
        super().__init__(f"{path}: {method}: {name}: {reason[:MAX_REASON_CHARACTERS]}")
        self.code = code


def reason_of(headers: Mapping[bytes, bytes]) -> str:
    """The server's words, of which it writes all but printable ASCII as %XX."""
    return text(_PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), headers.get(b"grpc-message", b"")))


class _Answer:
    """Puts together what comes for one call: messages, and at last the status."""

    def __init__(self, path: str, method: str, max_bytes: int) -> None:
        self.ended = False
        self.messages: list[bytes] = []
        self._path = path
        self._method = method
        self._max_bytes = max_bytes
        self._in = bytearray()
        self._opened = False
        self._empty = 0

    def take(self, event: Event) -> None:
        """Raises `CallFailed`, `Malformed`, `Unreachable`."""
        if event.reset is not None:
            raise Unreachable(f"{self._path}: {self._method}: the server gave the call up, HTTP/2 error {event.reset}")
        if event.headers is not None:
            self._headers(dict(event.headers), event.ended)
        else:
            self._data(event.data)
        if event.ended and not self.ended:
            raise Malformed(self._path, b"", f"a grpc-status at the end of the answer to {self._method}")

    def _headers(self, headers: dict[bytes, bytes], ended: bool) -> None:
        status = headers.get(b":status", b"")
        if status.startswith(b"1"):
            return
        if not self._opened:
            kind = headers.get(b"content-type", b"")
            if status != b"200" or not kind.startswith(b"application/grpc"):
                raise Malformed(self._path, status + b" " + kind, "an answer of gRPC: is this its socket?")
            self._opened = True
        if not ended:
            return
        raw = headers.get(b"grpc-status", b"")
        if not raw.isdigit() or len(raw) > 9:
            raise Malformed(self._path, raw, f"a grpc-status at the end of the answer to {self._method}")
        if code := int(raw):
            raise CallFailed(self._path, self._method, code, reason_of(headers))
        if self._in:
            left = f"{len(self._in)} bytes of one"
            raise Malformed(self._path, left, f"a whole message at the end of the answer to {self._method}")
        self.ended = True

    def _data(self, data: bytes) -> None:
        if not self._opened:
            raise Malformed(self._path, f"{len(data)} bytes", "headers before data")
        self._empty = 0 if data else self._empty + 1
        if self._empty > MAX_EMPTY_FRAMES:
            raise Malformed(self._path, b"", f"at most {MAX_EMPTY_FRAMES} empty frames after each other")
        self._in += data
        while len(self._in) >= 5:
            size = int.from_bytes(self._in[1:5], "big")
            if self._in[0] or size > self._max_bytes:
                told = f"flag {self._in[0]} and {size} bytes"
                raise Malformed(self._path, told, f"a message, not compressed, of at most {self._max_bytes} bytes")
            if len(self._in) < 5 + size:
                return
            self.messages.append(bytes(self._in[5 : 5 + size]))
            del self._in[: 5 + size]


def _begin(connection: Connection, method: str, request: bytes, metadata: Metadata, timeout_s: float) -> int:
    headers = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", b"nodescope"),
        *((name.encode(), value.encode()) for name, value in metadata),
    ]
    return connection.request(headers, b"\0" + len(request).to_bytes(4, "big") + request, timeout_s)


class Channel:
    """Unary calls, one after the other, on a connection that is kept. For one thread at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reconnects = -1
        self._connection: Connection | None = None

    def close(self) -> None:
        """Gives the connection up; the next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def unary(
        self,
        method: str,
        request: bytes = b"",
        metadata: Metadata = (),
        timeout_s: float = CALL_SECONDS,
        max_bytes: int = MAX_MESSAGE_BYTES,
    ) -> bytes:
        """The answer to `method` ("/package.Service/Method").

        Raises `Absent`, `PermissionError`, `Unreachable` (a deadline too), `CallFailed`, `Malformed`.
        """
        deadline = time.monotonic() + timeout_s
        if self._connection is not None and self._connection.spent(len(request) + 5):
            self.close()
        kept = self._connection is not None
        try:
            return self._call(method, request, metadata, deadline, max_bytes)
        except Unreachable:
            if not kept or time.monotonic() >= deadline:
                raise
        return self._call(method, request, metadata, deadline, max_bytes)

    def _call(self, method: str, request: bytes, metadata: Metadata, deadline: float, max_bytes: int) -> bytes:
        answer = _Answer(self.path, method, max_bytes)
        try:
            if self._connection is None:
                self._connection = Connection(self.path)
                self.reconnects += 1
            stream = _begin(self._connection, method, request, metadata, deadline - time.monotonic())
            while not answer.ended:
                event = self._connection.event(deadline)
                if event is None:
                    raise Unreachable(f"{self.path}: {method}: no answer in time; is its server hung?")
                if event.stream == stream:
                    answer.take(event)
                if len(answer.messages) > 1:
                    raise Malformed(self.path, f"{len(answer.messages)}", f"one message in answer to {method}")
        except CallFailed:
            raise
        except BaseException:
            # Whatever else happened, this connection cannot be trusted: what is left of the answer may still come.
            self.close()
            raise
        if not answer.messages:
            raise Malformed(self.path, b"", f"a message in answer to {method}")
        return answer.messages[0]


class Stream:
    """A call whose answer is a stream, on a connection of its own. Read by one thread; `close` from any."""

    def __init__(self, path: str, method: str, request: bytes = b"", metadata: Metadata = ()) -> None:
        """Connects and asks; that it was refused is learnt from `receive`. Raises as `Channel.unary`."""
        self.path = path
        self.method = method
        self._answer = _Answer(path, method, MAX_EVENT_BYTES)
        self._connection = Connection(path)
        try:
            self._id = _begin(self._connection, method, request, metadata, CALL_SECONDS)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Ends the call: a `receive` that waits raises `Unreachable`."""
        self._connection.close()

    @property
    def ended(self) -> bool:
        """Whether the server ended the stream, well, and all of it was received."""
        return self._answer.ended and not self._answer.messages

    def receive(self, timeout_s: float) -> bytes | None:
        """The next message; None where there was none in time, or will be none (`ended`).

        Raises as `Channel.unary`; then it is to be closed.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answer.messages:
            if self._answer.ended:
                return None
            event = self._connection.event(deadline)
            if event is None:
                self._check_life()
                return None
            if event.stream == self._id:
                self._answer.take(event)
        return self._answer.messages.pop(0)

    def _check_life(self) -> None:
        now = time.monotonic()
        if self._connection.pinged is not None:
            if now - self._connection.pinged > PONG_SECONDS:
                raise Unreachable(f"{self.path}: {self.method}: no sign of life; is its server hung?")
        elif now - self._connection.heard > SILENCE_SECONDS:
            self._connection.ping()
