"""The numbers that the kernel has of a process in /proc/PID/stat. Source: proc_pid_stat(5)."""

from __future__ import annotations

from typing import Final

from nodescope.kernel.file import Malformed
from nodescope.kernel.number import uint64

PARENT: Final = 1
USER_TICKS: Final = 11
SYSTEM_TICKS: Final = 12
START_TICKS: Final = 19
RESIDENT_PAGES: Final = 21
"""Places of ppid, utime, stime, starttime and rss (fields 4, 14, 15, 22 and 24) behind the command's name."""


def numbers(data: bytes, source: str, *places: int) -> list[int]:
    """The numbers at these places behind the command's name, which may hold brackets and blanks. Raises `Malformed`."""
    words = data.rpartition(b")")[2].split()
    found = [number for place in places if place < len(words) and (number := uint64(words[place])) is not None]
    if len(found) != len(places):
        raise Malformed(source, data, "the fields of proc_pid_stat(5)")
    return found
