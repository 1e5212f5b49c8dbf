"""Files that the kernel makes, and stored ones in their place: how one is read, and what it means that it cannot be.

Source: proc(5), sysfs(5); sysfs attributes are at most one page (Documentation/filesystems/sysfs.rst).
"""

from __future__ import annotations

import errno
import os
import re
import select
from typing import Final

from nodescope.kernel.descriptors import OUT_OF_MEANS

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
SYSFS_PAGE_BYTES: Final = 4096
STORED_BYTES: Final = 32_768
RECORDS_BYTES: Final = 4096
"""The least that a seq_file fills before it answers (seq_read_iter() in fs/seq_file.c)."""
EXCERPT_BYTES: Final = 80

Stamp = tuple[int, ...]

GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESRCH})
_BAD_RUN: Final = re.compile("[\udc80-\udcff]+")


class Absent(Exception):
    """The hardware or file is not there. Not an error."""


class Malformed(Exception):
    """A source does not say what its documentation says. Names the source and shows the offending bytes."""

    def __init__(self, source: str, offending: bytes | str, expected: str) -> None:
        shown = offending if isinstance(offending, bytes) else offending.encode("utf-8", "replace")
        super().__init__(f"{source}: expected {expected}, got {shown[:EXCERPT_BYTES]!r}")


def text(raw: bytes) -> str:
    """UTF-8 text of `raw`, with one U+FFFD for each run of bytes that are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _BAD_RUN.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))


def stamp(status: os.stat_result) -> Stamp:
    """What differs once a stored file, or the names in a stored directory, are others.

    The time of change is among it: that of modification can be given, which tar and cp -a do (inode(7)).
    """
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def changed_ns(status: os.stat_result) -> int:
    """The newest time at which a file may have been written, in nanoseconds of Unix time."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


class Descriptor:
    """An open file, closed with its last reference: a reader in another thread never sees a reused number."""

    __slots__ = ("changes", "fd", "file_bytes", "filesystem", "size")

    def __init__(self, fd: int, filesystem: str | None, file_bytes: int) -> None:
        self.fd = fd
        self.filesystem = filesystem
        self.file_bytes = file_bytes
        self.size = SYSFS_PAGE_BYTES
        self.changes: select.poll | None = None

    def __del__(self) -> None:
        os.close(self.fd)

    def read(self, at_once: bool = False, record_bytes: int = 0) -> bytes:
        """The whole file. `at_once`, `record_bytes`: as `Host.read` has them."""
        if self.filesystem == "sysfs":
            return os.pread(self.fd, SYSFS_PAGE_BYTES, 0)
        data = os.pread(self.fd, self.size, 0)
        # A stored file says how long it is; those that the kernel makes say 0.
        if not data or len(data) == self.file_bytes:
            return data
        if at_once and self.filesystem is not None and len(data) < self.size:
            return data
        # seq_file answers as many records as fit into a page: with room for one more there was none.
        if record_bytes and self.filesystem == "proc" and len(data) < RECORDS_BYTES - record_bytes:
            return data
        # Else it may answer short of the end: only an empty read is the end.
        pieces, length = [data], len(data)
        while more := os.pread(self.fd, self.size, length):
            pieces.append(more)
            length += len(more)
            if length > MAX_FILE_BYTES:
                raise Malformed(f"descriptor {self.fd}", data, f"at most {MAX_FILE_BYTES} bytes")
        data = b"".join(pieces)
        self.size = max(self.size, len(data) + SYSFS_PAGE_BYTES)
        return data


def read_stored(path: str) -> bytes:
    """A whole file, opened and closed. Raises `Absent`, `OSError`, `Malformed` where it is too long."""
    try:
        # A pipe in its place must not hold up whoever opens it.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in GONE:
            raise Absent(path) from error
        raise
    try:
        data = os.read(fd, STORED_BYTES)
        if len(data) == STORED_BYTES:
            while more := os.read(fd, MAX_FILE_BYTES):
                data += more
                if len(data) > MAX_FILE_BYTES:
                    raise Malformed(path, data, f"at most {MAX_FILE_BYTES} bytes")
        return data
    finally:
        os.close(fd)


def pseudo_filesystems() -> dict[int, str]:
    """Device number -> "proc" or "sysfs", for every mount of either that this process sees; none where it may not.

    Raises `OSError` for want of means.
    """
    found: dict[int, str] = {}
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError as error:
        if error.errno in OUT_OF_MEANS:
            raise
        return found
    for line in lines:
        before, _, after = line.partition(b" - ")
        kind = after.split(b" ", 1)[0]
        if kind in (b"proc", b"sysfs"):
            major, _, minor = before.split(b" ", 3)[2].partition(b":")
            found[os.makedev(int(major), int(minor))] = kind.decode()
    return found
