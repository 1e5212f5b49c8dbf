"""Host: a movable root. Every path under /proc, /sys, /etc, /run goes through it, so a fixture tree is a machine.

Hot files on procfs and sysfs stay open and are read with `os.pread`; files on any other filesystem are opened at
each read, for there a name can be given to another file at any time.
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Any, Final

from nodescope.kernel import descriptors
from nodescope.kernel.descriptors import OUT_OF_MEANS
from nodescope.kernel.file import (
    GONE,
    SYSFS_PAGE_BYTES,
    Absent,
    Descriptor,
    Malformed,
    Stamp,
    changed_ns,
    pseudo_filesystems,
    read_stored,
    stamp,
    text,
)

__all__ = ["SYSFS_PAGE_BYTES", "Absent", "Host", "Malformed", "text"]

ABSENT_SECONDS: Final = 10.0
MAX_KEPT_LISTS: Final = 1024
MAX_KEPT_ABSENT: Final = 4096
SELDOM_SECONDS: Final = 60.0
STORED_SELDOM_SECONDS: Final = 3.0
SHARED_SECONDS: Final = 0.02
MAX_SELDOM_FILES: Final = 16_384
SETTLED_NS: Final = 2_000_000_000

_NEVER_READ: Final[tuple[Stamp, bytes]] = ((), b"")
_NEVER_SHARED: Final = (float("-inf"), b"")
_NEVER_STORED: Final[tuple[Stamp, list[str]]] = ((), [])
_NEVER_LISTED: Final[tuple[float, list[str]]] = (float("-inf"), [])


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
        self._kept: dict[str, Descriptor] = {}
        self._lists: dict[str, tuple[float, list[str]]] = {}
        self._absent_until: dict[str, float] = {}
        self._seldom: dict[str, tuple[float, bytes | OSError | Absent]] = {}
        self._unchanged: dict[str, tuple[Stamp, bytes]] = {}
        self._settled_until: dict[str, float] = {}
        self._stored_lists: dict[str, tuple[Stamp, list[str]]] = {}
        self._shared: dict[str, tuple[float, bytes]] = {}
        self._pseudo: dict[int, str] | None = None
        self._stored: tuple[str, ...] | None = None
        self._most_kept = descriptors.most_kept(descriptors.limit())

    def proc(self, path: str) -> str:
        return f"{self.procfs}/{path}"

    def sys(self, path: str) -> str:
        return f"{self.sysfs}/{path}"

    def udev(self, path: str) -> str:
        return f"{self.udev_data}/{path}"

    def root(self, path: str) -> str:
        """`path` (absolute on the host) as this process reaches it."""
        return f"{'' if self.rootfs == '/' else self.rootfs}/{path.lstrip('/')}"

    def read(self, path: str, at_once: bool = False, built_in: bool = False, record_bytes: int = 0) -> bytes:
        """The whole file, through a kept descriptor where the kernel makes the file.

        `at_once`: the kernel makes this file in one piece (single_open()), so an answer with room to spare is whole.
        `built_in`: the kernel has this file or has it not; each ten seconds is often enough to look for it.
        `record_bytes`: the kernel makes it record by record, none longer than this and none of which can fail, and to
        ask for those behind the last costs as much as all.
        Raises `Absent` where it is not there, `OSError` where it cannot be read.
        """
        stored = self._stored
        if stored is None:
            stored = self._stored_roots()
        if stored and path.startswith(stored):
            return self._read_if_changed(path)
        kept = self._kept.get(path)
        if kept is not None:
            try:
                return kept.read(at_once, record_bytes)
            except OSError as error:
                # A file of procfs whose module was unloaded answers EIO for good.
                if error.errno not in GONE and not (error.errno == errno.EIO and kept.filesystem == "proc"):
                    raise
                # The device was replaced under its name: open the name again below.
                self._kept.pop(path, None)
        if built_in and self.lacks(path):
            raise Absent(path)
        try:
            descriptor = self._open(path)
        except Absent:
            if built_in:
                self._remember_absence(path, ABSENT_SECONDS)
            raise
        data = _read(descriptor, path)
        if descriptor.filesystem is not None and len(self._kept) < self._most_kept:
            self._kept[path] = descriptor
        return data

    def lacks(self, path: str) -> bool:
        """Whether `read` with `built_in` has not found the file, and would not look for it yet."""
        return path in self._absent_until and time.monotonic() < self._absent_until[path]

    def read_shared(self, path: str) -> bytes:
        """As `read` with `at_once`, or what another collector of the same scrape has just read, of a kept file."""
        now = time.monotonic()
        read_at, data = self._shared.get(path, _NEVER_SHARED)
        if now - read_at >= SHARED_SECONDS:
            data = self.read(path, at_once=True)
            if path in self._kept:
                self._shared[path] = now, data
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
        return _read(self._open(path), path)

    def read_seldom(self, path: str, keep_s: float = SELDOM_SECONDS) -> bytes:
        """The whole file as it was at most `keep_s` ago, for what hardly ever changes: firmware, limits, names.

        What the kernel makes is remembered, and so is why it cannot be read, but for want of means; a stored file,
        unless it was written just now, for `STORED_SELDOM_SECONDS`.
        No descriptor is kept. Raises as `read`.
        """
        stored = self._stored
        if stored is None:
            stored = self._stored_roots()
        now = time.monotonic()
        if stored and path.startswith(stored):
            settled = self._unchanged.get(path)
            if settled is not None and now < self._settled_until.get(path, 0.0):
                return settled[1]
            data = self._read_if_changed(path)
            if path in self._unchanged:
                self._settled_until[path] = now + STORED_SELDOM_SECONDS * (1 - hash(path) % 64 / 256)
            return data
        until, known = self._seldom.get(path, (0.0, b""))
        if now >= until:
            known = self._read_anew(path)
            if path in self._seldom or (len(self._seldom) < MAX_SELDOM_FILES and self._is_kernels(path)):
                # Spread over a quarter of the time, so that not all are read again in one scrape.
                self._seldom[path] = (now + keep_s * (1 - hash(path) % 64 / 256), known)
        if isinstance(known, bytes):
            return known
        # Without the frames of the last time, which would otherwise add up.
        raise known.with_traceback(None)

    def _read_anew(self, path: str) -> bytes | OSError | Absent:
        try:
            return self.read_once(path)
        except (OSError, Absent) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_MEANS:
                raise
            return error.with_traceback(None)

    def _read_if_changed(self, path: str) -> bytes:
        try:
            status = os.stat(path)
        except OSError as error:
            self._unchanged.pop(path, None)
            self._settled_until.pop(path, None)
            if error.errno in GONE:
                raise Absent(path) from error
            raise
        mark = stamp(status)
        known, data = self._unchanged.get(path, _NEVER_READ)
        if mark != known:
            # A file of the kernel's, linked into the tree, says no length and answers in pieces.
            data = read_stored(path) if status.st_size else self.read_once(path)
            # One written just now may be written again within the same tick of the filesystem's clock.
            settled = changed_ns(status) + SETTLED_NS < time.time_ns()
            # One whose length the filesystem does not know is made at each read, whatever its time says.
            if settled and status.st_size == len(data) and len(self._unchanged) < MAX_SELDOM_FILES:
                self._unchanged[path] = mark, data
            else:
                self._unchanged.pop(path, None)
        return data

    def forget(self, folder: str) -> None:
        """Read again at once what `read_seldom` and `list` remember of a device: `folder` and all below it."""
        below = f"{folder}/"
        known: tuple[dict[str, Any], ...] = (
            self._seldom,
            self._unchanged,
            self._settled_until,
            self._lists,
            self._stored_lists,
            self._absent_until,
        )
        for paths in known:
            for path in [path for path in list(paths) if path == folder or path.startswith(below)]:
                paths.pop(path, None)

    def _list_if_changed(self, path: str) -> list[str]:
        try:
            status = os.stat(path)
            mark = stamp(status)
            known, names = self._stored_lists.get(path, _NEVER_STORED)
            if mark != known:
                names = sorted(os.listdir(path))
                # As with files: within a tick of the filesystem's clock it may change again.
                if changed_ns(status) + SETTLED_NS < time.time_ns() and len(self._stored_lists) < MAX_KEPT_LISTS:
                    self._stored_lists[path] = mark, names
        except OSError as error:
            if error.errno in GONE:
                raise Absent(path) from error
            raise
        return names.copy()

    def list(self, path: str, keep_s: float = 0.0) -> list[str]:
        """The names in a directory, sorted. Raises `Absent` where it is not there.

        A directory that the kernel makes is listed again, or looked for again, only after `keep_s` seconds, and until
        then the very same list is given; of a stored one it is a list of its own each time.
        """
        if path.startswith(self._stored_roots()):
            return self._list_if_changed(path)
        now = time.monotonic()
        listed_at, names = self._lists.get(path, _NEVER_LISTED)
        if now - listed_at < keep_s:
            return names
        if keep_s > 0 and now < self._absent_until.get(path, 0.0):
            raise Absent(path)
        try:
            names = sorted(os.listdir(path))
            room = path in self._lists or len(self._lists) < MAX_KEPT_LISTS
            kept = keep_s > 0 and room and os.stat(path).st_dev in self._pseudo_devices()
        except OSError as error:
            if error.errno in GONE:
                self._lists.pop(path, None)
                self._remember_absence(path, keep_s)
                raise Absent(path) from error
            raise
        if kept:
            self._lists[path] = (now, names)
        return names

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    @property
    def stored(self) -> bool:
        """Whether procfs or sysfs is a tree of stored files."""
        return bool(self._stored_roots())

    @property
    def kept_descriptors(self) -> int:
        return len(self._kept)

    def close(self) -> None:
        """Closes what is kept open. What is read from now on is opened and closed again."""
        self._most_kept = 0
        self._kept.clear()
        self._shared.clear()

    def _open(self, path: str) -> Descriptor:
        devices = self._pseudo_devices()
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in GONE:
                raise Absent(path) from error
            raise
        status = os.fstat(fd)
        return Descriptor(fd, devices.get(status.st_dev), status.st_size)

    def _remember_absence(self, path: str, keep_s: float) -> None:
        if keep_s > 0 and self._is_kernels(path):
            if len(self._absent_until) >= MAX_KEPT_ABSENT:
                self._absent_until.clear()
            self._absent_until[path] = time.monotonic() + keep_s

    def _is_kernels(self, path: str) -> bool:
        """Whether the kernel makes the nearest folder of `path` that is there; `path` itself may be absent."""
        devices = self._pseudo_devices()
        folder = os.path.dirname(path)
        while folder not in ("", "/"):
            try:
                return os.stat(folder).st_dev in devices
            except OSError as error:
                if error.errno not in GONE:
                    return False
            folder = os.path.dirname(folder)
        return False

    def _stored_roots(self) -> tuple[str, ...]:
        """Those of procfs and sysfs, with a slash behind, that are stored files: fixtures, a simulated machine."""
        if self._stored is None:
            roots = [f"{root}/" for root in (self.procfs, self.sysfs)]
            self._stored = tuple(root for root in roots if os.path.isdir(root) and not self._is_kernels(root))
        return self._stored

    def _pseudo_devices(self) -> dict[int, str]:
        if self._pseudo is None:
            self._pseudo = pseudo_filesystems()
        return self._pseudo


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"


def _read(descriptor: Descriptor, path: str) -> bytes:
    try:
        return descriptor.read()
    except OSError as error:
        if error.errno in GONE:
            raise Absent(path) from error
        raise
