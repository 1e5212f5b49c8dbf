"""Answers of an HTTP/1.1 server, taken piece by piece as they come off a connection.

Source: RFC 9112. Every length is bounded; nothing here waits. Small and of its own, for http.client brings the e-mail
package with it: seven megabytes. Of a body nothing is ever shown: it may hold a container's environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.kernel.file import Malformed

MAX_HEAD_BYTES: Final = 65_536
MAX_LINE_BYTES: Final = 1024
"""Of a chunk's length and of a trailer."""
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_LENGTH_DIGITS: Final = 15
MAX_CHUNK_DIGITS: Final = 8
MAX_INTERIM: Final = 8
MAX_TRAILERS: Final = 64
RECEIVE_BYTES: Final = 65_536

_END_OF_HEAD: Final = b"\r\n\r\n"
_SOMETHING: Final = "something else"
_BODILESS: Final = frozenset({204, 304})
_DIGITS: Final = frozenset(b"0123456789")
_HEXADECIMAL: Final = frozenset(b"0123456789abcdefABCDEF")


class AnswerParser:
    """One answer. `feed` gives the bytes of the body that the new bytes hold; `status` is 0 until the head is whole.

    `complete`: the body has ended. `reusable`: the connection may carry another request then. `rest`: what came behind
    the end. `left`: bytes of the body, or of this chunk with its line end, still to come; None until the connection
    ends. Raises `Malformed`.
    """

    __slots__ = (
        "_chunked",
        "_interim",
        "_source",
        "_trailers",
        "complete",
        "headers",
        "left",
        "rest",
        "reusable",
        "status",
    )

    def __init__(self, source: str) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self.reusable = False
        self.rest = b""
        self.left: int | None = 0
        self._source = source
        self._chunked = False
        self._interim = 0
        self._trailers = -1

    def feed(self, data: bytes) -> bytes:
        """Takes what came; the part of the body that it holds."""
        self.rest += data
        while not self.status:
            if not self._take_head():
                return b""
        if self.complete:
            return b""
        return self._take_chunks() if self._chunked else self._take_plain()

    def end(self) -> None:
        """The connection was closed. Raises `Malformed` where that cuts the answer short."""
        if self.status and self.left is None:
            self.complete = True
        if not self.complete:
            raise Malformed(self._source, "its end", "a whole answer; the connection was closed in it")

    def _take_head(self) -> bool:
        head, found, rest = self.rest.partition(_END_OF_HEAD)
        if len(head) > MAX_HEAD_BYTES:
            raise Malformed(self._source, f"{len(head)} bytes", f"a head of at most {MAX_HEAD_BYTES} bytes")
        if not found:
            return False
        first, *lines = head.split(b"\r\n")
        version, _, rest_of_line = first.partition(b" ")
        code = rest_of_line[:3]
        known = version in (b"HTTP/1.1", b"HTTP/1.0") and len(code) == 3 and _DIGITS.issuperset(code)
        status = int(code) if known else 0
        if not 100 <= status <= 599:
            # What comes behind a body that is longer than its server said is its rest.
            raise Malformed(self._source, _SOMETHING, "a status line of HTTP/1.1")
        self.rest = rest
        if status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Malformed(self._source, code, "a final answer")
            return True
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon:
                raise Malformed(self._source, _SOMETHING, "a header field")
            self.headers[name.strip().lower()] = value.strip()
        self.status = status
        self._choose_framing()
        self.reusable &= version == b"HTTP/1.1" and b"close" not in self.headers.get(b"connection", b"").lower()
        return True

    def _choose_framing(self) -> None:
        self.reusable = True
        coding = self.headers.get(b"content-encoding", b"identity")
        transfer = self.headers.get(b"transfer-encoding")
        length = self.headers.get(b"content-length")
        if self.status in _BODILESS:
            self.complete = True
        elif coding.lower() != b"identity":
            raise Malformed(self._source, coding, "a body without coding")
        elif transfer is not None:
            if transfer.lower() != b"chunked":
                raise Malformed(self._source, transfer, "chunked or no transfer coding")
            self._chunked = True
        elif length is not None:
            if not length or len(length) > MAX_LENGTH_DIGITS or not _DIGITS.issuperset(length):
                raise Malformed(self._source, length, "a length")
            self.left = int(length)
            self.complete = not self.left
        else:
            self.left = None
            self.reusable = False

    def _take_plain(self) -> bytes:
        if self.left is None:
            body, self.rest = self.rest, b""
            return body
        body, self.rest = self.rest[: self.left], self.rest[self.left :]
        self.left -= len(body)
        self.complete = not self.left
        return body

    def _take_chunks(self) -> bytes:
        pieces = []
        buffer, at = self.rest, 0
        while not self.complete:
            left = self.left or 0
            if left > 2:
                piece = buffer[at : at + left - 2]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
            if left:
                at, left = self._skip_line_end(buffer, at, left)
            self.left = left
            if left or at == len(buffer):
                break
            end = buffer.find(b"\n", at, at + MAX_LINE_BYTES)
            if end < 0:
                if len(buffer) - at >= MAX_LINE_BYTES:
                    raise Malformed(self._source, _SOMETHING, "the length of a chunk")
                break
            self._take_line(buffer[at:end].strip())
            at = end + 1
        self.rest = buffer[at:]
        return b"".join(pieces)

    def _skip_line_end(self, buffer: bytes, at: int, left: int) -> tuple[int, int]:
        """Past what there is of the line end behind a chunk, of which `left` (at most 2) bytes are missing."""
        if left > 2:
            return at, left
        found = buffer[at : at + left]
        if not b"\r\n"[2 - left :].startswith(found):
            raise Malformed(self._source, _SOMETHING, "a line end behind a chunk")
        return at + len(found), left - len(found)

    def _take_line(self, line: bytes) -> None:
        """A chunk's length; behind the chunk of no bytes, which is the last, trailers until an empty line."""
        if self._trailers >= 0:
            self.complete = not line
            self._trailers += 1
            if self._trailers > MAX_TRAILERS:
                raise Malformed(self._source, _SOMETHING, f"at most {MAX_TRAILERS} trailers")
            return
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > MAX_CHUNK_DIGITS or not _HEXADECIMAL.issuperset(digits):
            raise Malformed(self._source, _SOMETHING, "the length of a chunk, hexadecimal")
        length = int(digits, 16)
        if length:
            self.left = length + 2
        else:
            self._trailers = 0


class CutShort(Exception):
    """The connection ended before the answer did. `began`: whether any of it had come."""

    def __init__(self, message: str, began: bool) -> None:
        super().__init__(message)
        self.began = began


class Answer(NamedTuple):
    """`body`: given up once it is decoded, for it may be large. `stays`: the connection can be used again."""

    status: int
    headers: dict[bytes, bytes]
    body: bytearray
    stays: bool


class AnswerReader:
    """Reads whole answers from one connection, one after the other. `source`: what the messages name.

    `receive`: gives at most so many bytes, none at the end; raises `TimeoutError` at the deadline, `OSError`.
    """

    def __init__(self, source: str, receive: Callable[[int], bytes]) -> None:
        self._source = source
        self._receive = receive
        self._rest = b""

    @property
    def unasked(self) -> bool:
        """Whether something has come that no request asked for: what came next would be taken for its answer."""
        return bool(self._rest)

    def read(self) -> Answer:
        """The next answer. Raises `CutShort`, `Malformed`, and what `receive` raises."""
        parser = AnswerParser(self._source)
        data, self._rest = self._rest, b""
        began = bool(data)
        body = bytearray()
        while True:
            body += parser.feed(data)
            if len(body) + (parser.left or 0) > MAX_BODY_BYTES + 2:
                raise Malformed(self._source, str(len(body)), f"a body of at most {MAX_BODY_BYTES} bytes")
            if parser.complete:
                break
            data = self._receive(RECEIVE_BYTES)
            began = began or bool(data)
            if not data:
                if not parser.status or parser.left is not None:
                    raise CutShort(f"{self._source}: the connection ended before the answer did", began)
                parser.end()
                break
        self._rest = parser.rest
        return Answer(parser.status, parser.headers, body, parser.reusable)
