"""A keep-alive HTTP/1.1 client for one address: as little client as possible, so that a measured time is the server's.

Source: RFC 9112, sections 6 and 7 (Content-Length and chunked bodies).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

TIMEOUT_S: Final = 30.0
MAX_HEAD_BYTES: Final = 64 * 1024
_RECEIVE_BYTES: Final = 256 * 1024


class BadReply(Exception):
    """An answer that is not HTTP/1.1 with a length, or is not 200."""


class ScrapeClient:
    """One connection to 127.0.0.1:`port`. `headers` are sent with each request."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"Host: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in headers.items())]
        self._head_tail = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        self._buffer = b""

    def close(self) -> None:
        self._socket.close()

    def get(self, path: str) -> bytes:
        """The body as it was sent. Raises `BadReply` or `OSError`."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{self._head_tail}".encode())
        status, headers = self._head()
        if "chunked" in headers.get("transfer-encoding", ""):
            body = self._chunks()
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            raise BadReply(f"{path}: neither Content-Length nor chunks")
        if status != 200:
            raise BadReply(f"{path}: status {status}, {body[:200]!r}")
        return body

    def _head(self) -> tuple[int, dict[str, str]]:
        raw = self._until(b"\r\n\r\n")
        status_line, *lines = raw.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        return int(status_line.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in fields}

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            parts.append(self._take(size))
            self._take(2)
        while self._until(b"\r\n"):
            continue
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadReply(f"no {mark!r} within {MAX_HEAD_BYTES} bytes")
            self._receive()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _receive(self) -> None:
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise BadReply("the server closed the connection before its answer was complete")
        self._buffer += data
