"""An alarm on a descriptor: it wakes a thread that sleeps in an epoll, and is set and unset without waking anyone.

A timeout of the sleeping thread would do as well, but changing it means waking that thread twice for each request.
Source: timerfd_create(2).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Final

MAX_KEPT: Final = 4
"""Times to go that need not be worked out again: nearly always it is the same."""

_CLOCK_MONOTONIC: Final = 1
_NANOSECONDS: Final = 1_000_000_000


class Alarm:
    """Readable `after_s` seconds after `set(after_s)`, which sets it anew; None unsets it. `fd` is for an epoll."""

    def __init__(self) -> None:
        self.fd, self.set = _timer()

    def read(self) -> None:
        """Makes it unreadable until it goes off again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        os.close(self.fd)


def _nanoseconds(after_s: float | None) -> int:
    # 0 unsets it: a moment that has passed is the next nanosecond.
    return 0 if after_s is None else max(1, int(after_s * _NANOSECONDS))


if sys.version_info >= (3, 13):

    def _timer() -> tuple[int, Callable[[float | None], object]]:
        fd = os.timerfd_create(_CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        return fd, lambda after_s: os.timerfd_settime_ns(fd, initial=_nanoseconds(after_s))

else:

    def _timer() -> tuple[int, Callable[[float | None], object]]:
        # The standard library has it from 3.13 on.
        import ctypes

        libc = ctypes.PyDLL(None, use_errno=True)
        fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd_create: {os.strerror(number)}")
        settime = libc.timerfd_settime

        @lru_cache(maxsize=MAX_KEPT)
        def specification(after_s: float | None) -> object:
            """struct itimerspec: the interval, then the time to go, each in seconds and nanoseconds."""
            return (ctypes.c_long * 4)(0, 0, *divmod(_nanoseconds(after_s), _NANOSECONDS))

        return fd, lambda after_s: settime(fd, 0, specification(after_s), None)
