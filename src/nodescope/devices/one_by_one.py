"""Reads devices one after the other, and goes on when one of them hangs.

A read of sysfs can stay in the kernel for as long as a driver or a bus does not answer, and cannot be called back. The
thread in it is left behind; its device is not asked again until that thread has returned.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

PATIENCE_S: Final = 2.0
MAX_STUCK: Final = 32

T = TypeVar("T")


class OneByOne(Generic[T]):
    """`read` gives what is known of a device by its name; where it raises, its device has no answer.

    `each` starts one thread, and one more for each device that takes longer than `patience_s`; `MAX_STUCK` are left
    behind at most. For one caller at a time.
    """

    def __init__(self, read: Callable[[str], T], patience_s: float = PATIENCE_S) -> None:
        self._read = read
        self._patience_s = patience_s
        self._left_behind: dict[str, _Batch[T]] = {}
        self.not_asked = 0

    @property
    def stuck(self) -> tuple[str, ...]:
        """The devices that did not answer and are not asked until they do."""
        return tuple(self._left_behind)

    def each(self, names: Iterable[str]) -> dict[str, T]:
        """The answers by name, in order; a device without one is left out. `not_asked`: for too many were stuck."""
        self._left_behind = {name: batch for name, batch in self._left_behind.items() if not batch.ended.is_set()}
        rest = [name for name in names if name not in self._left_behind]
        found: dict[str, T] = {}
        while rest and len(self._left_behind) < MAX_STUCK:
            batch = _Batch(self._read, rest)
            stuck = batch.answers(self._patience_s)
            found |= batch.found
            if stuck and not batch.ended.is_set():
                self._left_behind[rest[batch.position]] = batch
            rest = rest[batch.position + 1 :]
        self.not_asked = len(rest)
        return found


class _Batch(Generic[T]):
    """`position`: of the name that is being read. After `answers` nothing but `ended` changes."""

    def __init__(self, read: Callable[[str], T], names: Sequence[str]) -> None:
        self.found: dict[str, T] = {}
        self.position = 0
        self.ended = threading.Event()
        self._read = read
        self._names = names
        self._lock = threading.Lock()
        self._left_behind = False
        self._began_at = time.monotonic()

    def answers(self, patience_s: float) -> bool:
        """Waits for all answers; whether it gave up on the one at `position`."""
        threading.Thread(target=self._run, name="device", daemon=True).start()
        wait_s = patience_s
        while not self.ended.wait(wait_s):
            with self._lock:
                wait_s = self._began_at + patience_s - time.monotonic()
                if wait_s <= 0:
                    self._left_behind = True
                    return True
        return self.position < len(self._names)

    def _run(self) -> None:
        # Set also where a read raises: then the position says of which device.
        try:
            for name in self._names:
                answer = self._read(name)
                with self._lock:
                    if self._left_behind:
                        return
                    self.found[name] = answer
                    self.position += 1
                    self._began_at = time.monotonic()
        finally:
            self.ended.set()
