"""An alarm on a descriptor: it wakes a thread that sleeps in an epoll, and is set and unset without waking anyone.

A timeout of the sleeping thread would do as well, but changing it means waking that thread twice for each request.
Source: timerfd_create(2).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_NANOSECONDS: Final = 1_000_000_000


class Alarm:
    """Readable `after_s` seconds after `set`; `fd` is for an epoll."""

    def __init__(self) -> None:
        self.fd, self._set_time = _timer()

    def set(self, after_s: float | None) -> None:
        """Sets it anew; None unsets it."""
        # 0 would unset it: a moment that has passed is the next nanosecond.
        self._set_time(0 if after_s is None else max(1, int(after_s * _NANOSECONDS)))

    def read(self) -> None:
        """Makes it unreadable until it goes off again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        os.close(self.fd)


if sys.version_info >= (3, 13):

    def _timer() -> tuple[int, Callable[[int], object]]:
        fd = os.timerfd_create(_CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        return fd, lambda nanoseconds: os.timerfd_settime_ns(fd, initial=nanoseconds)

else:

    def _timer() -> tuple[int, Callable[[int], object]]:
        # The standard library has it from 3.13 on.
        import ctypes

        libc = ctypes.PyDLL(None, use_errno=True)
        fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd_create: {os.strerror(number)}")
        # struct itimerspec: the interval, then the time to go, each in seconds and nanoseconds.
        spec = (ctypes.c_long * 4)()

        def set_time(nanoseconds: int) -> None:
            spec[2], spec[3] = divmod(nanoseconds, _NANOSECONDS)
            libc.timerfd_settime(fd, 0, spec, None)

        return fd, set_time
