"""Reads many files, several at a time where the kernel is slow to answer."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from nodescope import threads

PATIENCE_S: Final = 0.02
MAX_THREADS: Final = 32


def read_all(
    read: Callable[[str], bytes | None], paths: Sequence[str], patience_s: float = PATIENCE_S
) -> list[bytes | None]:
    """What `read` gives for each path, in order.

    One after the other for `patience_s` seconds; what is left then is shared among `MAX_THREADS` threads.
    """
    found: list[bytes | None] = [None] * len(paths)
    until = time.monotonic() + patience_s
    for index, path in enumerate(paths):
        found[index] = read(path)
        if time.monotonic() > until:
            _read_rest(read, paths, found, deque(range(index + 1, len(paths))))
            break
    return found


def _read_rest(
    read: Callable[[str], bytes | None], paths: Sequence[str], found: list[bytes | None], left: deque[int]
) -> None:
    def work() -> None:
        while left:
            try:
                index = left.popleft()
            except IndexError:
                return  # another thread took the last one
            found[index] = read(paths[index])

    begun = []
    for _ in range(min(MAX_THREADS, len(left))):
        thread = threading.Thread(target=work, name="read", daemon=True)
        try:
            threads.start(thread)
        except RuntimeError:
            break
        begun.append(thread)
    if not begun:
        work()
    for thread in begun:
        thread.join()
