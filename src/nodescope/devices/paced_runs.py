"""Runs something that takes long at intervals, in a thread of its own, for those who wait for it only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from typing import Final

from nodescope import threads

MAX_DOUBLINGS: Final = 16


class PacedRuns:
    """`run` does its work once and says whether that went well. It is run when somebody waits for it and it is due.

    Between two runs are `interval_s`, twice that after a failure, twice as much again with each further one, but
    `longest_rest_s` at most (or the interval, if that is longer). `changed` guards what a run finds; `ended` counts
    runs.
    """

    def __init__(self, name: str, run: Callable[[], bool], interval_s: float, longest_rest_s: float) -> None:
        self.changed = threading.Condition()
        self.ended = 0
        self._name = name
        self._run = run
        self._interval_s = interval_s
        self._longest_rest_s = longest_rest_s
        self._failures = 0
        self._given = 0
        self._running = False
        self._due = -inf
        self._closed = False

    def wait(self, timeout_s: float) -> bool:
        """Until a run has ended that nobody has waited for, or for `timeout_s`. False: it is closed.

        The caller holds `changed`.
        """
        deadline = time.monotonic() + timeout_s
        while self._start_if_due() and self.ended == self._given:
            now = time.monotonic()
            if now >= deadline:
                break
            self.changed.wait(min(deadline, inf if self._running else self._due) - now)
        self._given = self.ended
        return not self._closed

    def close(self, timeout_s: float) -> None:
        """No further run is started. One that is under way is waited for: whoever can end it does so before."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self._running, timeout_s)

    def _start_if_due(self) -> bool:
        """Whether there is still anything to wait for."""
        if self._closed:
            return False
        if not self._running and time.monotonic() >= self._due:
            threads.start(threading.Thread(target=self._work, name=self._name, daemon=True))
            self._running = True
        return True

    def _work(self) -> None:
        well = False
        try:
            well = self._run()
        finally:
            with self.changed:
                self._failures = 0 if well else self._failures + 1
                rest_s = self._interval_s * 2.0 ** min(self._failures, MAX_DOUBLINGS)
                self._due = time.monotonic() + max(min(rest_s, self._longest_rest_s), self._interval_s)
                self._running = False
                self.ended += 1
                self.changed.notify_all()
