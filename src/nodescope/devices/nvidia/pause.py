"""The pause file: while it is there, nothing of nodescope holds the GPU driver.

It holds one line: the Unix time until which the pause lasts, or nothing, and then it lasts until the file is removed.
Whoever resets a GPU or replaces the driver writes it (`nodescope pause gpu`), whether an agent runs or not.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable
from math import inf
from typing import Final

from nodescope.kernel.number import decimal

DEFAULT_PATH: Final = "/run/nodescope/gpu.paused"
MAX_BYTES: Final = 64
FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755

_Mark = tuple[int, int, int, int]

log = logging.getLogger(__name__)


def parse_until(data: bytes) -> float | None:
    """Unix time of the pause's end, infinity where it has none. None for what is neither a number nor empty."""
    line = data.strip()
    return decimal(line) if line else inf


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class PauseFile:
    """The pause file at `path`. `until` is for one thread; `pause` and `resume` are for any.

    Once the file is read a pause lasts as long as it was to last then, by `since_boot` (seconds), though `now` (Unix
    time) be set back or forward meanwhile: a pause of ten minutes must not become one of a year, nor end in a reset.
    """

    def __init__(
        self,
        path: str = DEFAULT_PATH,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = _since_boot,
    ) -> None:
        self.path = path
        self._now = now
        self._since_boot = since_boot
        self._mark: _Mark | None = None
        self._until = self._ends_at = -inf
        self._unseen = False

    def until(self) -> float | None:
        """Unix time of the end of the pause, infinity where it has none; None where there is no pause.

        One stat while nothing changes. A file that says something else pauses without end, and the log says so. One of
        another user (neither root nor the own) is nobody's word: where all may write, all could stop the measuring.
        """
        try:
            status = os.lstat(self.path)
        except OSError as error:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)) and not self._unseen:
                self._unseen = True
                log.warning("pause file %s cannot be looked at: %s", self.path, error.strerror)
            self._mark = None
            return None
        self._unseen = False
        mark = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        if mark != self._mark:
            self._mark = mark
            self._until = self._learn(status.st_uid)
            self._ends_at = self._since_boot() + self._until - self._now()
        return self._until if self._since_boot() < self._ends_at else None

    def is_paused(self) -> bool:
        """Whether there is a pause now. For one thread, as `until`."""
        return self.until() is not None

    def pause(self, seconds: float | None = None) -> None:
        """Pauses for `seconds`, or until `resume`. Raises `OSError` where the file cannot be written.

        The file appears whole. A symbolic link that is in its place is replaced, not followed.
        """
        line = "" if seconds is None else f"{self._now() + seconds:.3f}\n"
        folder, name = os.path.split(os.path.abspath(self.path))
        _make(folder)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _write(place, name, line.encode())
        finally:
            os.close(place)

    def resume(self) -> bool:
        """Ends the pause; whether there was one. Raises `OSError` where the file cannot be removed."""
        try:
            os.unlink(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _learn(self, owner: int) -> float:
        if owner not in (0, os.geteuid()):
            log.warning("pause file %s is of user %d and is ignored: remove it", self.path, owner)
            return -inf
        try:
            data = _read(self.path)
        except OSError as error:
            # A link, or a file that this user may not read: that it is there is what counts.
            log.warning("pause file %s cannot be read (%s): paused until it is removed", self.path, error.strerror)
            return inf
        until = parse_until(data)
        if until is None:
            log.warning(
                "pause file %s: expected a Unix time or nothing, got %r: paused until it is removed", self.path, data
            )
            return inf
        return until


def _read(path: str) -> bytes:
    # A pipe in its place would hold up whoever opens it.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "it is not a regular file")
        return os.read(fd, MAX_BYTES)
    finally:
        os.close(fd)


def _make(folder: str) -> None:
    """The folder, with `FOLDER_MODE` whatever the umask, where there is none."""
    if os.path.isdir(folder):
        return
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    os.mkdir(folder, FOLDER_MODE)
    os.chmod(folder, FOLDER_MODE)


def _write(place: int, name: str, data: bytes) -> None:
    new = f".{name}.{os.getpid()}.{os.urandom(4).hex()}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
    try:
        try:
            os.fchmod(fd, FILE_MODE)
            os.write(fd, data)
        finally:
            os.close(fd)
        os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        os.unlink(new, dir_fd=place)
        raise
