"""HTTP/2 on a Unix socket, as a client: one connection, its frames, its two directions' windows.

Source: RFC 9113. Every length is bounded, every wait has a deadline, and what is half read at a deadline is kept for
the next call. Of what a frame holds nothing is ever shown: it may be a container's environment. Not for threads: one
connection, one thread.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections import deque
from typing import Final, NamedTuple

from nodescope.containers.grpc import hpack
from nodescope.kernel.file import Absent, Malformed

CONNECT_SECONDS: Final = 2.0
FRAME_BYTES: Final = 16_384
"""The longest frame that either side may send unless it said otherwise (RFC 9113, 4.2); nodescope never does."""
WINDOW_BYTES: Final = 1 << 20
DEFAULT_WINDOW_BYTES: Final = 65_535
HEADER_BLOCK_BYTES: Final = 64 * 1024
MAX_STREAM_ID: Final = (1 << 31) - 1
READ_BYTES: Final = 64 * 1024

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20
SETTINGS_ENABLE_PUSH: Final = 2
SETTINGS_INITIAL_WINDOW_SIZE: Final = 4

_FIXED_SIZES: Final = {RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}


class Unreachable(Exception):
    """Nobody answers on the socket, or no longer. The message says what was tried and what happened."""


class Event(NamedTuple):
    """What came for a stream. `headers` or `data`; `reset`: the error code with which the server gave it up."""

    stream: int
    headers: list[hpack.Header] | None = None
    data: bytes = b""
    ended: bool = False
    reset: int | None = None


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame on the wire (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def _length(payload: bytes | bytearray) -> str:
    return f"{len(payload)} bytes"


def connected(path: str) -> socket.socket:
    """A socket connected to `path`. Raises `Absent`, `PermissionError`, `Unreachable`."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    peer.settimeout(CONNECT_SECONDS)
    try:
        peer.connect(path)
    except OSError as error:
        peer.close()
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Absent(path) from error
        if isinstance(error, PermissionError):
            raise
        raise Unreachable(f"{path}: cannot connect: {error}") from error
    return peer


class Connection:
    """An open connection. After any exception of it but a deadline's it is to be closed."""

    def __init__(self, path: str) -> None:
        """Connects, and says what nodescope expects. Raises as `connected`."""
        self.path = path
        self.send_window = DEFAULT_WINDOW_BYTES
        self.going_away = False
        self.heard = time.monotonic()
        self.pinged: float | None = None
        self._stream = -1
        self._to_credit = 0
        self._decoder = hpack.Decoder(path)
        self._in = bytearray()
        self._block: tuple[int, int, bytearray] | None = None
        self._events: deque[Event] = deque()
        self._socket = connected(path)
        settings = struct.pack(">HIHI", SETTINGS_ENABLE_PUSH, 0, SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES)
        more = struct.pack(">I", WINDOW_BYTES - DEFAULT_WINDOW_BYTES)
        self._send(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more), CONNECT_SECONDS)

    def close(self) -> None:
        """Ends it; a thread that waits in `event` gets `Unreachable`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def spent(self, request_bytes: int) -> bool:
        """Whether no further request of that size can be sent on it."""
        return self.going_away or self.send_window < request_bytes or self._stream + 2 > MAX_STREAM_ID

    def request(self, headers: list[hpack.Header], body: bytes, timeout_s: float) -> int:
        """Sends a whole request on a new stream, and returns the stream's number.

        Headers and body are one frame each. Raises `Malformed` where they are longer: names in it are of the server.
        """
        block = hpack.encode(headers)
        if max(len(block), len(body)) > FRAME_BYTES:
            raise Malformed(self.path, _length(block), f"a request of at most {FRAME_BYTES} bytes")
        self._stream += 2
        self.send_window -= len(body)
        opening = frame(HEADERS, END_HEADERS, self._stream, block)
        self._send(opening + frame(DATA, END_STREAM, self._stream, body), timeout_s)
        return self._stream

    def ping(self) -> None:
        """Asks for a sign of life: `pinged` is when, until anything is heard."""
        self.pinged = time.monotonic()
        self._send(frame(PING, 0, 0, bytes(8)), CONNECT_SECONDS)

    def event(self, deadline: float) -> Event | None:
        """The next event of any stream; None where `deadline` (of `time.monotonic`) passed before there was one."""
        while not self._events:
            if not self._whole_frame():
                if not self._receive(deadline):
                    return None
                continue
            self._take_frame()
            if time.monotonic() > deadline and not self._events:
                return None
        return self._events.popleft()

    def _send(self, data: bytes, timeout_s: float) -> None:
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Unreachable(f"{self.path}: cannot send: {error}") from error

    def _receive(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise Unreachable(f"{self.path}: cannot read: {error}") from error
        if not data:
            raise Unreachable(f"{self.path}: the connection was closed by the other side")
        self.heard, self.pinged = time.monotonic(), None
        self._in += data
        return True

    def _whole_frame(self) -> bool:
        if len(self._in) < 9:
            return False
        size = int.from_bytes(self._in[:3], "big")
        if size > FRAME_BYTES:
            raise Malformed(self.path, bytes(self._in[:9]), f"an HTTP/2 frame of at most {FRAME_BYTES} bytes")
        return len(self._in) >= 9 + size

    def _take_frame(self) -> None:
        size = int.from_bytes(self._in[:3], "big")
        kind, flags = self._in[3], self._in[4]
        stream = int.from_bytes(self._in[5:9], "big") & MAX_STREAM_ID
        payload = bytes(self._in[9 : 9 + size])
        del self._in[: 9 + size]
        if self._block is not None and (kind, stream) != (CONTINUATION, self._block[0]):
            raise Malformed(self.path, _length(payload), "the rest of a header block")
        if _FIXED_SIZES.get(kind, size) != size:
            raise Malformed(self.path, _length(payload), f"{_FIXED_SIZES[kind]} bytes in a frame of type {kind}")
        if kind == DATA:
            self._data(flags, stream, payload)
        elif kind in (HEADERS, CONTINUATION):
            self._headers(kind, flags, stream, payload)
        elif kind == RST_STREAM:
            self._events.append(Event(stream, reset=int.from_bytes(payload, "big"), ended=True))
        elif kind == GOAWAY:
            self._goaway(payload)
        elif kind == PUSH_PROMISE:
            raise Malformed(self.path, _length(payload), "no pushed streams")
        else:
            self._control(kind, flags, stream, payload)

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._settings(payload)
            self._send(frame(SETTINGS, ACK, 0), CONNECT_SECONDS)
        elif kind == PING and not flags & ACK:
            self._send(frame(PING, ACK, 0, payload), CONNECT_SECONDS)
        elif kind == WINDOW_UPDATE and stream == 0:
            self.send_window += int.from_bytes(payload, "big") & MAX_STREAM_ID
        # All others, and types that are not known, are to be passed over (RFC 9113, 4.1 and 5.5).

    def _settings(self, payload: bytes) -> None:
        if len(payload) % 6:
            raise Malformed(self.path, _length(payload), "settings of 6 bytes each")
        for name, value in struct.iter_unpack(">HI", payload):
            # Each request is one frame and comes first on its stream: less room than that and none can be sent.
            if name == SETTINGS_INITIAL_WINDOW_SIZE and value < FRAME_BYTES:
                self.going_away = True

    def _goaway(self, payload: bytes) -> None:
        if len(payload) < 8:
            raise Malformed(self.path, _length(payload), "8 bytes in a GOAWAY frame")
        self.going_away = True
        served = int.from_bytes(payload[:4], "big") & MAX_STREAM_ID
        if served < self._stream:
            code = int.from_bytes(payload[4:8], "big")
            raise Unreachable(f"{self.path}: the server turned the call away, HTTP/2 error {code}")

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        if stream == 0 or stream > self._stream:
            raise Malformed(self.path, _length(payload), "data of a stream that was opened")
        ended = bool(flags & END_STREAM)
        self._to_credit += len(payload)
        # Padding counts too, and an ended stream needs no more room; the stream's own window is refilled with it.
        if self._to_credit >= WINDOW_BYTES // 4:
            credit = struct.pack(">I", self._to_credit)
            update = frame(WINDOW_UPDATE, 0, 0, credit) + (b"" if ended else frame(WINDOW_UPDATE, 0, stream, credit))
            self._to_credit = 0
            self._send(update, CONNECT_SECONDS)
        self._events.append(Event(stream, data=self._unpadded(flags, payload), ended=ended))

    def _headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS:
            if stream == 0 or stream > self._stream:
                raise Malformed(self.path, _length(payload), "headers of a stream that was opened")
            payload = self._unpadded(flags, payload)
            self._block = (stream, flags, bytearray(payload[5:] if flags & PRIORITY else payload))
        elif self._block is None:
            raise Malformed(self.path, _length(payload), "a header block that was begun")
        else:
            self._block[2].extend(payload)
        _, first_flags, block = self._block
        if len(block) > HEADER_BLOCK_BYTES:
            raise Malformed(self.path, _length(block), f"headers of at most {HEADER_BLOCK_BYTES} bytes")
        if flags & END_HEADERS:
            self._block = None
            headers = self._decoder.decode(bytes(block))
            self._events.append(Event(stream, headers, ended=bool(first_flags & END_STREAM)))

    def _unpadded(self, flags: int, payload: bytes) -> bytes:
        if not flags & PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            raise Malformed(self.path, _length(payload), "padding that is shorter than its frame")
        return payload[1 : len(payload) - payload[0]]
