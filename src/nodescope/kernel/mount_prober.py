"""Asks mounts for their size, one after the other, and goes on when one of them hangs."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Sequence
from os import statvfs_result
from typing import Final

from nodescope import threads

SLOW_SECONDS: Final = 0.05
LEAST_SECONDS: Final = 0.005
PATIENCE_SECONDS: Final = 0.15
MAX_HELD: Final = 128

Answer = statvfs_result | int
"""What statfs(2) said, or the number of its error."""

log = logging.getLogger(__name__)


class Question:
    """One path being asked. `answer` is None until there is one; times are `time.monotonic()`."""

    __slots__ = ("answer", "answered_at", "asked_at", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked_at: float | None = None
        self.answered_at = 0.0
        self.answer: Answer | None = None


class _Worker:
    """A daemon thread that answers batches of questions.

    It is left behind with a question that is slow, and ends when that returns. `_go` and `_done` are binary
    semaphores: released by one thread, acquired by the other. `_lock` guards `_position` and `_left_behind`.
    """

    def __init__(self, ask: Callable[[str], Answer]) -> None:
        self._ask = ask
        self._batch: Sequence[Question] = ()
        self._position = 0
        self._left_behind = False
        self._lock = threading.Lock()
        self._go = threading.Lock()
        self._done = threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._thread = threading.Thread(target=self._run, name="mounts", daemon=True)
        threads.start(self._thread)

    def answer(self, batch: Sequence[Question], deadline: float) -> int | None:
        """None when all are answered, else the position of the slow one with which this worker is left behind."""
        self._batch, self._position = batch, 0
        self._go.release()
        while True:
            limit = max(LEAST_SECONDS, min(SLOW_SECONDS, deadline - time.monotonic()))
            if self._done.acquire(timeout=limit):
                return None
            with self._lock:
                position = self._position
                asked_at = batch[position].asked_at if position < len(batch) else None
                if position < len(batch) and not self._thread.is_alive():
                    # It ended for want of memory, and would be waited for without end.
                    batch[position].answer = errno.ENOMEM
                    return position
                if asked_at is not None and time.monotonic() - asked_at >= limit:
                    self._left_behind = True
                    return position

    def _run(self) -> None:
        while True:
            self._go.acquire()
            for question in self._batch:
                question.asked_at = time.monotonic()
                answer = self._ask(question.path)
                question.answered_at = time.monotonic()
                question.answer = answer
                with self._lock:
                    self._position += 1
                    if self._left_behind:
                        return
            self._done.release()


class MountProber:
    """Asks with `ask`, which must not raise. One thread while nothing hangs, and one more for each path that does,
    `MAX_HELD` at most. For one caller at a time."""

    def __init__(self, ask: Callable[[str], Answer]) -> None:
        self._ask = ask
        self._worker: _Worker | None = None
        self._held: list[Question] = []

    def ask(self, questions: Sequence[Question]) -> None:
        """Returns when all are answered, or when those that hang have had `PATIENCE_SECONDS` and the rest is answered.

        A question without an answer then gets it when its path returns; one whose `asked_at` is None was not asked,
        for too many paths hang.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        self._held = [question for question in self._held if question.answer is None]
        rest = questions
        while rest and len(self._held) < MAX_HELD:
            rest = self._until_slow(rest, deadline)
        if rest:
            log.warning("%d mounts hang; %d others are not asked until some return", len(self._held), len(rest))
        while time.monotonic() < deadline and any(q.asked_at is not None and q.answer is None for q in questions):
            time.sleep(LEAST_SECONDS)

    def _until_slow(self, questions: Sequence[Question], deadline: float) -> Sequence[Question]:
        """Asks in order until one is slow; returns those after it."""
        worker = self._worker = self._worker or _Worker(self._ask)
        slow = worker.answer(questions, deadline)
        if slow is None:
            return ()
        self._worker = None
        self._held.append(questions[slow])
        return questions[slow + 1 :]
