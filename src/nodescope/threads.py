"""Starts a thread, or says that it cannot be: never waits for one that has ended before it began.

Where memory runs out just as a thread begins, it ends before it has told so, and `Thread.start` waits for that for
ever, with every lock that its caller holds. Source: Python's issue 140746.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

START_LIMIT_S: Final = 2.0

log = logging.getLogger(__name__)


class _Begun(threading.Event):
    """What `Thread.start` waits for, without a limit of its own."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self._thread = thread
        self._either = threading.Lock()
        self._given_up = False

    def set(self) -> None:
        """Called by the thread as it begins. Its caller may have gone on without it: then it ends at once."""
        with self._either:
            if self._given_up:
                self._thread.run = _nothing  # type: ignore[method-assign]
            super().set()

    def wait(self, timeout: float | None = None) -> bool:
        if not super().wait(START_LIMIT_S if timeout is None else timeout):
            with self._either:
                # It may have begun while this thread waited to go on.
                if not self.is_set():
                    self._given_up = True
                    raise RuntimeError("can't start new thread: it has ended before it began, for want of memory")
        return True


def start(thread: threading.Thread) -> None:
    """`thread.start()` within `START_LIMIT_S`. Raises `RuntimeError` where no thread is to be had."""
    thread._started = _Begun(thread)  # type: ignore[attr-defined]
    try:
        thread.start()
    except MemoryError as error:
        raise RuntimeError("can't start new thread: there is no memory for it") from error


def started(thread: threading.Thread, purpose: str) -> bool:
    """Whether a thread could be started; where it could not, a warning says what it was for."""
    try:
        start(thread)
    except RuntimeError as error:
        log.warning("no thread %s could be started: %s", purpose, error)
        return False
    return True


def _nothing() -> None:
    """In place of what a thread was to do."""
