"""How a file looks from outside: what tells that it has changed."""

from __future__ import annotations

import os

Stamp = tuple[int, ...] | None
"""Device, inode, size, and times of modification and of change of a file; None where it cannot be looked at."""


def stamp(path: str) -> Stamp:
    """The time of change is among it, for that of modification can be given: `cp -p` over a file does."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
