"""Gives each of several devices its turn, so that one that hangs costs itself alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Final

from nodescope import threads

MAX_STUCK: Final = 64
"""So many threads hang at most; then nothing is read any more until one of them comes back."""


class Rounds:
    """Turns are taken one after the other in a thread. One that has not ended after `limit_s` keeps its thread, the
    rest go on in another; until it ends its device has no further turn.

    `turn`: of the device with that key. Where it raises that is told on standard error, as of any thread.
    """

    def __init__(self, name: str, turn: Callable[[str], None], limit_s: float) -> None:
        self._name = name
        self._turn = turn
        self._limit_s = limit_s
        self._changed = threading.Condition()
        self._since: dict[str, float] = {}

    def run(self, keys: Iterable[str], timeout_s: float = inf) -> None:
        """A turn for each that is not still at an earlier one. Waits until all had theirs or hang, or for `timeout_s`.

        Those that had none by then have none in this round. Raises `RuntimeError` where no thread is to be had.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            left = deque(key for key in dict.fromkeys(keys) if key not in self._since)
            ours = frozenset(left)
            while True:
                now = time.monotonic()
                working = [since for key, since in self._since.items() if key in ours]
                in_time = [since + self._limit_s for since in working if now - since < self._limit_s]
                if now >= until or not (in_time or left):
                    break
                if in_time:
                    self._changed.wait(min(*in_time, until) - now)
                elif len(self._since) < MAX_STUCK:
                    self._start(left)
                else:
                    break
            left.clear()

    def stuck(self) -> Mapping[str, float]:
        """Who is at a turn right now, and for how many seconds."""
        now = time.monotonic()
        with self._changed:
            return {key: now - since for key, since in self._since.items()}

    def _start(self, left: deque[str]) -> None:
        key = left.popleft()
        self._since[key] = time.monotonic()
        try:
            threads.start(threading.Thread(target=self._work, args=(key, left), name=self._name, daemon=True))
        except RuntimeError:
            # It is at no turn: kept here it would never have one again.
            del self._since[key]
            raise

    def _work(self, key: str | None, left: deque[str]) -> None:
        while key is not None:
            well = False
            try:
                self._turn(key)
                well = True
            finally:
                with self._changed:
                    del self._since[key]
                    # One that was late finds nothing left, for others took the rest; one that raised ends here.
                    key = left.popleft() if well and left else None
                    if key is not None:
                        self._since[key] = time.monotonic()
                    self._changed.notify_all()
