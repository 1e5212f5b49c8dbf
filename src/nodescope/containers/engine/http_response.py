"""An HTTP/1.1 response, taken piece by piece as it comes off a socket.

Source: RFC 9112 (message syntax, chunked transfer coding). Every length is bounded; nothing here waits.
"""

from __future__ import annotations

from typing import Final

from nodescope.kernel.file import Malformed

MAX_HEAD_BYTES: Final = 65_536
MAX_CHUNK_LINE_BYTES: Final = 1024
MAX_LENGTH_DIGITS: Final = 15
MAX_CHUNK_DIGITS: Final = 8

_END_OF_HEAD: Final = b"\r\n\r\n"
_SOMETHING: Final = "something else"
"""Shown instead of bytes that may be a container's environment."""
_BODILESS: Final = frozenset({204, 304})
_HEXADECIMAL: Final = frozenset(b"0123456789abcdefABCDEF")


class ResponseReader:
    """One response. `feed` gives the bytes of the body that the new bytes hold; `status` is 0 until the head is whole.

    `complete`: the body has ended. `reusable`: the connection may carry another request then. Raises `Malformed`.
    """

    __slots__ = ("_buffer", "_chunked", "_left", "_source", "complete", "headers", "reusable", "status")

    def __init__(self, source: str) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self.reusable = False
        self._source = source
        self._buffer = b""
        self._chunked = False
        # Bytes of the body, or of this chunk with its line end, still to come; None: until the connection ends.
        self._left: int | None = 0

    def feed(self, data: bytes) -> bytes:
        """Takes what came; the part of the body that it holds."""
        self._buffer += data
        if not self.status and not self._take_head():
            return b""
        return self._take_chunks() if self._chunked else self._take_plain()

    def end(self) -> None:
        """The connection was closed. Raises `Malformed` where that cuts the response short."""
        if self.status and self._left is None:
            self.complete = True
        if not self.complete:
            raise Malformed(self._source, "its end", "a whole response; the connection was closed in it")

    def _take_head(self) -> bool:
        head, found, rest = self._buffer.partition(_END_OF_HEAD)
        if len(head) > MAX_HEAD_BYTES:
            raise Malformed(self._source, head, f"a head of at most {MAX_HEAD_BYTES} bytes")
        if not found:
            return False
        first, *lines = head.split(b"\r\n")
        version, _, rest_of_line = first.partition(b" ")
        code = rest_of_line[:3]
        if not version.startswith(b"HTTP/1.") or not code.isdigit() or not 200 <= int(code) <= 599:
            raise Malformed(self._source, first, "a status line of HTTP/1.1")
        self._buffer = rest
        self.status = int(code)
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers[name.strip().lower()] = value.strip()
        self._choose_framing()
        self.reusable = version == b"HTTP/1.1" and self.headers.get(b"connection", b"").lower() != b"close"
        return True

    def _choose_framing(self) -> None:
        if self.status in _BODILESS:
            self.complete = True
        elif self.headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
            self._chunked = True
        elif (length := self.headers.get(b"content-length")) is not None:
            if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
                raise Malformed(self._source, length, "a length in bytes as Content-Length")
            self._left = int(length)
        else:
            self._left = None

    def _take_plain(self) -> bytes:
        body, self._buffer = self._buffer, b""
        if self._left is None:
            return body
        body = body[: self._left]
        self._left -= len(body)
        self.complete = not self._left
        return body

    def _take_chunks(self) -> bytes:
        pieces: list[bytes] = []
        buffer, at = self._buffer, 0
        while not self.complete:
            left = self._left or 0
            if left > 2:
                piece = buffer[at : at + left - 2]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
            if left:
                at, left = self._skip_line_end(buffer, at, left)
            self._left = left
            if left or at == len(buffer):
                break
            end = buffer.find(b"\n", at, at + MAX_CHUNK_LINE_BYTES)
            if end < 0:
                if len(buffer) - at >= MAX_CHUNK_LINE_BYTES:
                    raise Malformed(self._source, _SOMETHING, "the length of a chunk")
                break
            self._left = self._length_of(buffer[at:end])
            at = end + 1
        self._buffer = buffer[at:]
        return b"".join(pieces)

    def _skip_line_end(self, buffer: bytes, at: int, left: int) -> tuple[int, int]:
        """Past what there is of the line end behind a chunk, of which `left` (at most 2) bytes are missing."""
        if left > 2:
            return at, left
        found = buffer[at : at + left]
        if not b"\r\n"[2 - left :].startswith(found):
            raise Malformed(self._source, _SOMETHING, "a line end behind a chunk")
        return at + len(found), left - len(found)

    def _length_of(self, line: bytes) -> int:
        """Of the chunk that follows, with its line end. The chunk of no bytes is the last; trailers are not read."""
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > MAX_CHUNK_DIGITS or not _HEXADECIMAL.issuperset(digits):
            raise Malformed(self._source, _SOMETHING, "the length of a chunk, hexadecimal")
        length = int(digits, 16)
        if not length:
            self.complete = True
            return 0
        return length + 2
