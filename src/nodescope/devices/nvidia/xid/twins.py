"""Tells XIDs apart from their twins: while two children live, the driver tells each of them of every XID."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from nodescope.devices.nvidia.frame import Xid

TWIN_SECONDS: Final = 5.0
"""How far apart the two children may have seen one XID."""
MAX_WAITING: Final = 65_536
"""How many are remembered. If more come while two children live, a twin may be counted."""

_Key = tuple[str, int, int | None, int | None]


class _Seen(NamedTuple):
    child: int
    time_seconds: float


class XidTwins:
    """Each XID that any child saw counts once, whichever told it first and though one of them missed it."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, deque[_Seen]] = {}
        self._count = 0
        self._expected = False
        self._until = float("-inf")

    def expect(self, several: bool, now: float) -> None:
        """Says whether there are several children at `now`. What the last of them told may be a twin for a while."""
        if several:
            self._until = now + TWIN_SECONDS
        self._expected = now < self._until
        if not self._expected and self._waiting:
            self._clear()

    def is_first(self, xid: Xid, child: int) -> bool:
        """Whether no other child has told of `xid`. `child`: the number of the one that tells of it now."""
        if not self._expected:
            return True
        key = (xid.uuid, xid.xid, xid.gpu_instance_id, xid.compute_instance_id)
        waiting = self._waiting.setdefault(key, deque())
        while waiting and waiting[0].time_seconds < xid.time_seconds - TWIN_SECONDS:
            waiting.popleft()
            self._count -= 1
        if waiting and waiting[0].child != child:
            waiting.popleft()
            self._count -= 1
            return False
        if self._count >= MAX_WAITING:
            self._clear()
            waiting = self._waiting.setdefault(key, deque())
        waiting.append(_Seen(child, xid.time_seconds))
        self._count += 1
        return True

    def _clear(self) -> None:
        self._waiting.clear()
        self._count = 0
