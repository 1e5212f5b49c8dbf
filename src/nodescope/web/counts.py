"""What a listener counts of connections and requests."""

from __future__ import annotations

import threading

import msgspec


class Counters(msgspec.Struct, frozen=True):
    """What a listener has counted since it was made, and how many connections are open and with a worker now.

    `closed` by reason; `requests` by status code, those included that were refused before they were whole.
    """

    accepted: int
    closed: dict[str, int]
    requests: dict[int, int]
    timeouts: int
    refused: int
    open: int
    busy: int


class Counts:
    """The counters, as the threads write them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accepted = 0
        self.timeouts = 0
        self.refusals = 0
        self._closed: dict[str, int] = {}
        self._requests: dict[int, int] = {}

    def accept(self) -> None:
        with self._lock:
            self.accepted += 1

    def closed(self, reason: str) -> None:
        with self._lock:
            self._closed[reason] = self._closed.get(reason, 0) + 1

    def answered(self, status: int) -> None:
        with self._lock:
            self._requests[status] = self._requests.get(status, 0) + 1

    def timed_out(self) -> None:
        with self._lock:
            self.timeouts += 1

    def refused(self) -> None:
        with self._lock:
            self.refusals += 1

    def read(self, open_connections: int, busy: int) -> Counters:
        with self._lock:
            return Counters(
                self.accepted,
                dict(self._closed),
                dict(self._requests),
                self.timeouts,
                self.refusals,
                open_connections,
                busy,
            )
