"""Reads one answer of an HTTP/1.1 server, with a bound on all of it and a deadline.

Source: RFC 9112. Small and of its own, for http.client brings the e-mail package with it: seven megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.kernel.file import Malformed

MAX_HEAD_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_LINE_BYTES: Final = 1024
MAX_INTERIM: Final = 8
RECEIVE_BYTES: Final = 65_536
LINE_END: Final = b"\r\n"
NO_BODY: Final = frozenset({204, 304})

Receive = Callable[[int], bytes]
"""At most so many bytes; none at the end. Raises `TimeoutError` at the deadline, `OSError`."""


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
    """Reads answers from one connection, one after the other. `source`: what the messages name."""

    def __init__(self, source: str, receive: Receive) -> None:
        self._source = source
        self._receive = receive
        self._buffer = bytearray()
        self._began = False

    @property
    def unasked(self) -> bool:
        """Whether something has come that no request asked for: what came next would be taken for its answer."""
        return bool(self._buffer)

    def read(self) -> Answer:
        """The next answer. Raises `CutShort`, `Malformed`, and what `receive` raises."""
        self._began = bool(self._buffer)
        for _ in range(MAX_INTERIM):
            status, version, headers = self._head()
            if status >= 200:
                break
        else:
            raise Malformed(self._source, str(status), "a final answer")
        body, ended = self._body(status, headers)
        words = headers.get(b"connection", b"").lower()
        return Answer(status, headers, body, ended and version == b"HTTP/1.1" and b"close" not in words)

    def _head(self) -> tuple[int, bytes, dict[bytes, bytes]]:
        end = self._until(LINE_END * 2, MAX_HEAD_BYTES)
        lines = bytes(self._buffer[:end]).split(LINE_END)
        del self._buffer[: end + 4]
        version, _, rest = lines[0].partition(b" ")
        status = rest[:3]
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit() or len(status) != 3:
            raise Malformed(self._source, lines[0], "an HTTP/1.1 status line")
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon:
                raise Malformed(self._source, line, "a header field")
            headers[name.strip().lower()] = value.strip()
        return int(status), version, headers

    def _body(self, status: int, headers: dict[bytes, bytes]) -> tuple[bytearray, bool]:
        """The body, and whether it ended without the connection's end."""
        if status in NO_BODY:
            return bytearray(), True
        coding = headers.get(b"content-encoding", b"identity")
        if coding.lower() != b"identity":
            raise Malformed(self._source, coding, "a body without coding")
        transfer = headers.get(b"transfer-encoding")
        if transfer is not None:
            if transfer.lower() != b"chunked":
                raise Malformed(self._source, transfer, "chunked or no transfer coding")
            return self._chunks(), True
        length = headers.get(b"content-length")
        if length is None:
            return self._rest(), False
        return self._exactly(self._number(length, 10)), True

    def _chunks(self) -> bytearray:
        body = bytearray()
        while True:
            size = self._number(self._line().partition(b";")[0].strip(), 16)
            if not size:
                break
            self._check(len(body) + size)
            body += self._exactly(size)
            if self._exactly(2) != LINE_END:
                raise Malformed(self._source, b"", "the end of a chunk")
        while self._line():
            pass
        return body

    def _rest(self) -> bytearray:
        body, self._buffer = self._buffer, bytearray()
        while data := self._receive(RECEIVE_BYTES):
            body += data
            self._check(len(body))
        return body

    def _exactly(self, size: int) -> bytearray:
        self._check(size)
        while len(self._buffer) < size:
            self._more()
        if len(self._buffer) == size:
            found, self._buffer = self._buffer, bytearray()
        else:
            found = self._buffer[:size]
            del self._buffer[:size]
        return found

    def _line(self) -> bytes:
        end = self._until(LINE_END, MAX_LINE_BYTES)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _until(self, mark: bytes, limit: int) -> int:
        start = 0
        while (end := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > limit:
                raise Malformed(self._source, bytes(self._buffer[:80]), f"{mark!r} within {limit} bytes")
            start = max(len(self._buffer) - len(mark) + 1, 0)
            self._more()
        return end

    def _more(self) -> None:
        data = self._receive(RECEIVE_BYTES)
        if not data:
            raise CutShort(f"{self._source}: the connection ended before the answer did", self._began)
        self._began = True
        self._buffer += data

    def _number(self, digits: bytes, radix: int) -> int:
        wanted = b"0123456789abcdefABCDEF"[: 10 if radix == 10 else None]
        if not digits or len(digits) > 16 or digits.strip(wanted):
            raise Malformed(self._source, digits, "a length")
        return int(digits, radix)

    def _check(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            raise Malformed(self._source, str(size), f"a body of at most {MAX_BODY_BYTES} bytes")
