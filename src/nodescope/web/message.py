"""What a handler gets and gives, and what the scrape route counts."""

from __future__ import annotations

import threading
from typing import Final

import msgspec

TEXT: Final = "text/plain; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """One request, checked and decoded. `remote` is the peer's address, "unix" on a unix socket.

    `path` is percent-decoded except for %2F; `headers` has names in lower case. `again`: another worker has had this
    request for too long; whichever answers first is heard.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    remote: str
    body: bytes = b""
    again: bool = False

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())


class Response(msgspec.Struct, frozen=True):
    """One answer. `content_type` and `headers` may hold no control characters: the server refuses to send them."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


class BadFilter(Exception):
    """collect[] or exclude[] cannot be followed. The message is shown to the client."""


class Busy(Exception):
    """There is too much to do now. The message is shown to the client."""


def text(status: int, line: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A response of one line of plain text."""
    return Response(status, line.encode() + b"\n", TEXT, headers)


class RequestCounts:
    """How many scrapes were answered, by status code, and how many are in flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_code: dict[int, int] = {200: 0, 500: 0, 503: 0}
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def by_code(self) -> dict[int, int]:
        with self._lock:
            return dict(self._by_code)

    def enter(self, limit: int) -> bool:
        """Counts one more in flight. False where that makes more than `limit`; 0 is no limit."""
        with self._lock:
            self._in_flight += 1
            return not limit or self._in_flight <= limit

    def leave(self, code: int) -> None:
        with self._lock:
            self._in_flight -= 1
            self._by_code[code] = self._by_code.get(code, 0) + 1
