"""Tells the C library to give large buffers back to the kernel, and to keep one heap for all threads.

An answer of a big machine is 0.7 MB of text, built at each scrape: glibc would learn to keep such blocks for good.
Source: mallopt(3). Where the C library has no mallopt, such as musl, nothing is done.
"""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
LARGE_BYTES: Final = 128 * 1024
KEPT_BYTES: Final = 512 * 1024
"""What may stay free at the end of the heap: a compressor's 200 kB come and go with each scrape."""


def give_back_large_buffers() -> bool:
    """Whether the C library took it. Call it before the first thread starts."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in wanted)
