"""What is true of a simulated machine, written beside it for whoever checks what was measured."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO, Final

import msgspec

from nodescope.simulate.part import Row

MAX_TRUTH_BYTES: Final = 4 * 1024**3

log = logging.getLogger(__name__)


class Truth(msgspec.Struct, frozen=True):
    """One line: what `metric` with `labels` is at `virtual_seconds` after boot, in the exposition's unit."""

    virtual_seconds: float
    metric: str
    labels: dict[str, str]
    value: float


class TruthFile:
    """JSON, one `Truth` a line. What was there before is overwritten.

    When the file cannot be written or would pass `max_bytes`, it ends there, with one warning; what would have come
    is counted in `dropped_total`. Raises `OSError` where it cannot be opened or is no regular file.
    """

    def __init__(self, path: str, max_bytes: int = MAX_TRUTH_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._written_bytes = 0
        self._encoder = msgspec.json.Encoder()
        self._file: BinaryIO | None = _opened(path)
        self.dropped_total = 0

    def write(self, virtual_seconds: float, rows: Iterable[Row]) -> None:
        """The rows of one moment, all or none of them, readable by others once this returns."""
        lines = [Truth(virtual_seconds, *row) for row in rows]
        if self._file is not None:
            data = self._encoder.encode_lines(lines)
            if self._append(data):
                return
            self.close()
        self.dropped_total += len(lines)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, data: bytes) -> bool:
        if self._file is None or self._written_bytes + len(data) > self._max_bytes:
            log.warning("simulate.truth-file %s: ends here, for it would pass %d bytes", self._path, self._max_bytes)
            return False
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            log.warning("simulate.truth-file %s: ends here, for it cannot be written: %s", self._path, error)
            # A line that was cut off must not stay.
            with suppress(OSError):
                self._file.truncate(self._written_bytes)
            return False
        self._written_bytes += written
        return True


def _opened(path: str) -> BinaryIO:
    # O_NONBLOCK: opening a named pipe that nobody reads would never return. A link, of either kind, may lead to a file
    # that is not to be lost: in a folder for all, everybody can put one there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o644)
    except OSError as error:
        raise (_unfit(path) if error.errno == errno.ELOOP else error) from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(fd)
        raise _unfit(path)
    os.ftruncate(fd, 0)
    return open(fd, "wb", buffering=0)


def _unfit(path: str) -> OSError:
    return OSError(errno.EINVAL, "expected a regular file for simulate.truth-file, and no link", path)
