"""Host: a movable root. Every path under /proc, /sys, /etc, /run goes through it, so a fixture tree is a machine.

Hot files on procfs and sysfs stay open and are read with `os.pread`; files on any other filesystem are opened at
each read, for there a name can be given to another file at any time.
Source: proc(5), sysfs(5); sysfs attributes are at most one page (Documentation/filesystems/sysfs.rst).
"""

from __future__ import annotations

import errno
import os
import re
import resource
import select
import time
from typing import Final

MAX_KEPT_DESCRIPTORS: Final = 2048
ABSENT_SECONDS: Final = 60.0
MAX_KEPT_LISTS: Final = 1024
SELDOM_SECONDS: Final = 60.0
MAX_SELDOM_FILES: Final = 16_384
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
SYSFS_PAGE_BYTES: Final = 4096
STORED_BYTES: Final = 32_768
SETTLED_NS: Final = 2_000_000_000
EXCERPT_BYTES: Final = 80

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESRCH})
_NEVER_READ: Final = ((0, 0, 0), b"")
_NEVER_LISTED: Final[tuple[float, list[str]]] = (0.0, [])
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


def most_kept(limit: int) -> int:
    """How many descriptors to keep where a process may have `limit`: half at most, the rest is for connections."""
    return MAX_KEPT_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(MAX_KEPT_DESCRIPTORS, limit // 2)


class _Descriptor:
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

    def read(self, at_once: bool = False) -> bytes:
        if self.filesystem == "sysfs":
            return os.pread(self.fd, SYSFS_PAGE_BYTES, 0)
        data = os.pread(self.fd, self.size, 0)
        # A stored file says how long it is; those that the kernel makes say 0.
        if not data or len(data) == self.file_bytes:
            return data
        if at_once and self.filesystem is not None and len(data) < self.size:
            return data
        # seq_file may answer short of the end: only an empty read is the end.
        while more := os.pread(self.fd, self.size, len(data)):
            data += more
            if len(data) > MAX_FILE_BYTES:
                raise Malformed(f"descriptor {self.fd}", data, f"at most {MAX_FILE_BYTES} bytes")
        self.size = max(self.size, len(data) + SYSFS_PAGE_BYTES)
        return data


class Host:
    """Paths, reads and lists under the given roots.

    `procfs`, `sysfs`, `rootfs`, `udev_data`: directories, absolute or relative, without a trailing slash.
    """

    def __init__(
        self,
        procfs: str = "/proc",
        sysfs: str = "/sys",
        rootfs: str = "/",
        udev_data: str = "/run/udev/data",
    ) -> None:
        self.procfs = _trimmed(procfs)
        self.sysfs = _trimmed(sysfs)
        self.rootfs = _trimmed(rootfs)
        self.udev_data = _trimmed(udev_data)
        self._kept: dict[str, _Descriptor] = {}
        self._lists: dict[str, tuple[float, list[str]]] = {}
        self._absent_until: dict[str, float] = {}
        self._seldom: dict[str, tuple[float, bytes | OSError | Absent]] = {}
        self._unchanged: dict[str, tuple[tuple[int, int, int], bytes]] = {}
        self._pseudo: dict[int, str] | None = None
        self._stored: tuple[str, ...] | None = None
        self._most_kept = most_kept(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def proc(self, path: str) -> str:
        return f"{self.procfs}/{path}"

    def sys(self, path: str) -> str:
        return f"{self.sysfs}/{path}"

    def udev(self, path: str) -> str:
        return f"{self.udev_data}/{path}"

    def root(self, path: str) -> str:
        """`path` (absolute on the host) as this process reaches it."""
        return f"{'' if self.rootfs == '/' else self.rootfs}/{path.lstrip('/')}"

    def read(self, path: str, at_once: bool = False, built_in: bool = False) -> bytes:
        """The whole file, through a kept descriptor where the kernel makes the file.

        `at_once`: the kernel makes this file in one piece (single_open()), so an answer with room to spare is whole.
        `built_in`: the kernel has this file or has it not; once a minute is often enough to look for it.
        Raises `Absent` where it is not there, `OSError` where it cannot be read.
        """
        kept = self._kept.get(path)
        if kept is not None:
            try:
                return kept.read(at_once)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                # The device was replaced under its name: open the name again below.
                self._kept.pop(path, None)
        if path.startswith(self._stored_roots()):
            return _read_stored(path)
        if built_in and time.monotonic() < self._absent_until.get(path, 0.0):
            raise Absent(path)
        try:
            descriptor = self._open(path)
        except Absent:
            if built_in and self._is_kernels(path):
                self._absent_until[path] = time.monotonic() + ABSENT_SECONDS
            raise
        try:
            data = descriptor.read()
        except OSError as error:
            if error.errno in _GONE:
                raise Absent(path) from error
            raise
        if descriptor.filesystem is not None and len(self._kept) < self._most_kept:
            self._kept[path] = descriptor
        return data

    def unchanged(self, path: str) -> bool:
        """Whether the kernel says that a mount table has not changed since the last call, or since it was first read.

        Source: proc_pid_mounts(5), poll(2). False for files that are not kept open.
        """
        kept = self._kept.get(path)
        if kept is None:
            return False
        if kept.changes is None:
            kept.changes = select.poll()
            kept.changes.register(kept.fd, select.POLLPRI | select.POLLERR)
        return not kept.changes.poll(0)

    def read_once(self, path: str) -> bytes:
        """The whole file, opened and closed: for what is read each minute or less."""
        descriptor = self._open(path)
        try:
            return descriptor.read()
        except OSError as error:
            if error.errno in _GONE:
                raise Absent(path) from error
            raise

    def read_seldom(self, path: str, keep_s: float = SELDOM_SECONDS) -> bytes:
        """The whole file as it was at most `keep_s` ago, for what hardly ever changes: firmware, limits, names.

        What the kernel makes is remembered, and so is why it cannot be read; a stored file as long as it is the same.
        No descriptor is kept. Raises as `read`.
        """
        if path.startswith(self._stored_roots()):
            return self._read_if_changed(path)
        now = time.monotonic()
        until, known = self._seldom.get(path, (0.0, b""))
        if now >= until:
            known = self._read_anew(path)
            if path in self._seldom or (len(self._seldom) < MAX_SELDOM_FILES and self._is_kernels(path)):
                # Spread over a quarter of the time, so that not all are read again in one scrape.
                self._seldom[path] = (now + keep_s * (1 - hash(path) % 64 / 256), known)
        if isinstance(known, bytes):
            return known
        raise known

    def _read_anew(self, path: str) -> bytes | OSError | Absent:
        try:
            return self.read_once(path)
        except (OSError, Absent) as error:
            return error.with_traceback(None)

    def _read_if_changed(self, path: str) -> bytes:
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno in _GONE:
                raise Absent(path) from error
            raise
        mark = status.st_ino, status.st_size, status.st_mtime_ns
        known, data = self._unchanged.get(path, _NEVER_READ)
        if mark != known:
            data = _read_stored(path)
            # One written just now may be written again within the same tick of the filesystem's clock.
            settled = status.st_mtime_ns + SETTLED_NS < time.time_ns()
            if settled and len(self._unchanged) < MAX_SELDOM_FILES:
                self._unchanged[path] = mark, data
        return data

    def forget(self, folder: str) -> None:
        """Read again at once what `read_seldom` and `list` remember of a device: `folder` and all below it."""
        below = f"{folder}/"
        for path in [path for path in self._seldom if path.startswith(below)]:
            del self._seldom[path]
        for path in [path for path in self._unchanged if path.startswith(below)]:
            del self._unchanged[path]
        for path in [path for path in self._lists if path == folder or path.startswith(below)]:
            del self._lists[path]

    def list(self, path: str, keep_s: float = 0.0) -> list[str]:
        """The names in a directory, sorted. Raises `Absent` where it is not there.

        A directory that the kernel makes is listed again only after `keep_s` seconds.
        """
        listed_at, names = self._lists.get(path, _NEVER_LISTED)
        if names and time.monotonic() - listed_at < keep_s:
            return names
        try:
            names = sorted(os.listdir(path))
            kept = keep_s > 0 and len(self._lists) < MAX_KEPT_LISTS and os.stat(path).st_dev in self._pseudo_devices()
        except OSError as error:
            if error.errno in _GONE:
                raise Absent(path) from error
            raise
        if kept:
            self._lists[path] = (time.monotonic(), names)
        return names

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    @property
    def kept_descriptors(self) -> int:
        return len(self._kept)

    def close(self) -> None:
        """Closes what is kept open. What is read from now on is opened and closed again."""
        self._most_kept = 0
        self._kept.clear()

    def _open(self, path: str) -> _Descriptor:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _GONE:
                raise Absent(path) from error
            raise
        status = os.fstat(fd)
        return _Descriptor(fd, self._pseudo_devices().get(status.st_dev), status.st_size)

    def _is_kernels(self, path: str) -> bool:
        """Whether the kernel makes the folder of `path`, which itself may be absent."""
        try:
            return os.stat(os.path.dirname(path)).st_dev in self._pseudo_devices()
        except OSError:
            return False

    def _stored_roots(self) -> tuple[str, ...]:
        """Those of procfs and sysfs, with a slash behind, that are stored files: fixtures, a simulated machine."""
        if self._stored is None:
            roots = [f"{root}/" for root in (self.procfs, self.sysfs)]
            self._stored = tuple(root for root in roots if os.path.isdir(root) and not self._is_kernels(root))
        return self._stored

    def _pseudo_devices(self) -> dict[int, str]:
        if self._pseudo is None:
            self._pseudo = _pseudo_filesystems()
        return self._pseudo


def _read_stored(path: str) -> bytes:
    """A whole file, opened and closed. Raises `Absent`, `OSError`, `Malformed` where it is too long."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
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


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"


def _pseudo_filesystems() -> dict[int, str]:
    """Device number -> "proc" or "sysfs", for every mount of either that this process sees."""
    found: dict[int, str] = {}
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(b" - ")
        kind = after.split(b" ", 1)[0]
        if kind in (b"proc", b"sysfs"):
            major, _, minor = before.split(b" ", 3)[2].partition(b":")
            found[os.makedev(int(major), int(minor))] = kind.decode()
    return found
