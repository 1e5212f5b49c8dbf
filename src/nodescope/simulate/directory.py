"""The private directory of a simulated machine, and those that processes which were killed have left behind.

Whoever has one holds a lock on it (flock(2)), which ends with its process: one that can be locked is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from typing import Final

PREFIX: Final = "nodescope-simulate-"
_UNLOCKED: Final = "nodescope-new-"
_RANDOM_BYTES: Final = 6
_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Directory:
    """A directory in `parent` with the number of this process in its name. `remove` may be called at any time, so that
    what a signal interrupts leaves nothing.
    """

    def __init__(self, parent: str) -> None:
        name = f"{os.getpid()}-{os.urandom(_RANDOM_BYTES).hex()}"
        self.path = f"{parent}/{PREFIX}{name}"
        self._unlocked = f"{parent}/{_UNLOCKED}{name}"
        self._fd = -1

    def make(self) -> None:
        """Raises `OSError` where it cannot be made."""
        os.mkdir(self._unlocked, 0o700)
        self._fd = os.open(self._unlocked, _FLAGS)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        os.rename(self._unlocked, self.path)

    def remove(self) -> None:
        """With all that is in it; what cannot be removed stays."""
        for path in (self._unlocked, self.path):
            shutil.rmtree(path, ignore_errors=True)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def remove_abandoned(parent: str) -> None:
    """Those of this user whose process is gone: in shared memory each would be megabytes until the next boot."""
    with suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(fd)
