"""Events of XIDs: one for each, and in a storm one for many, which says how many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

KIND: Final = "gpu.xid"
EVENTS_PER_SECOND: Final = 10
SECOND: Final = 1.0
MAX_BURSTS: Final = 1024


class Message(NamedTuple):
    """An event to be published."""

    subject: str
    attributes: Mapping[str, str]


class _Burst:
    __slots__ = ("attributes", "sent", "since", "withheld")

    def __init__(self, since: float) -> None:
        self.since = since
        self.sent = 0
        self.withheld = 0
        self.attributes: Mapping[str, str] = {}


class XidEvents:
    """At most `EVENTS_PER_SECOND` events in a second of one XID of one GPU, and one that stands for all the others.

    Every event has an attribute `count`; their sum is how many XIDs there were. What stands for many has the other
    attributes of the newest.
    """

    def __init__(self) -> None:
        self._bursts: dict[tuple[str, int], _Burst] = {}

    def of(self, subject: str, xid: int, attributes: Mapping[str, str], now: float) -> list[Message]:
        """What to publish now that there was an XID."""
        messages = self.due(now, force=True) if len(self._bursts) >= MAX_BURSTS else []
        burst = self._bursts.get((subject, xid))
        if burst is None or _over(burst, now):
            messages += _summary(subject, burst)
            burst = self._bursts[subject, xid] = _Burst(now)
        burst.attributes = attributes
        if burst.sent < EVENTS_PER_SECOND:
            burst.sent += 1
            messages.append(Message(subject, {**attributes, "count": "1"}))
        else:
            burst.withheld += 1
        return messages

    def due(self, now: float, force: bool = False) -> list[Message]:
        """What to publish because a second is over. `force`: everything that was withheld."""
        over = [key for key, burst in self._bursts.items() if force or _over(burst, now)]
        return [message for key in over for message in _summary(key[0], self._bursts.pop(key))]


def _over(burst: _Burst, now: float) -> bool:
    return not 0 <= now - burst.since < SECOND


def _summary(subject: str, burst: _Burst | None) -> list[Message]:
    if burst is None or not burst.withheld:
        return []
    return [Message(subject, {**burst.attributes, "count": str(burst.withheld)})]
