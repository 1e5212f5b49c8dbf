"""Reads the files of one container's cgroup. Nothing is kept open: a folder is opened, its files are read below it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Final, NamedTuple

from nodescope.containers.cgroup.figures import (
    V1_FILES,
    V2_FILES,
    Figures,
    File,
    Io,
    cores_v1,
    parse_flat,
    parse_io_stat,
    parse_throttle,
    working_set,
)
from nodescope.containers.cgroup.hierarchy import CONTROLLERS, FREEZER, Hierarchies
from nodescope.containers.cgroup.tree import Found
from nodescope.host import Malformed
from nodescope.kernel.file import GONE

EVENTS: Final = "cgroup.events"
FILE_BYTES: Final = 65_536
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_NOT_TOLD: Final = frozenset({errno.ENOENT, errno.EOPNOTSUPP, errno.ENOTDIR, errno.ENODEV})
"""The kernel has not this file, or has it switched off (pressure), or the cgroup is removed just now (ENODEV)."""
_BYTES: Final = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")
_REQUESTS: Final = ("blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced")

Incarnation = frozenset[tuple[int, int]]
"""Device and inode number of each folder of a cgroup. A hybrid host removes one after the other."""


class Sample(NamedTuple):
    """What a cgroup told. `incarnation`: which folders were read, all others when it was made anew.

    `io`: by device. `figures` have `no_io` where it was told that there is none.
    """

    incarnation: Incarnation
    figures: Figures
    io: dict[str, Io]


class Missed(NamedTuple):
    """How many files and cgroups could not be read or understood, and which was the first, and why."""

    left_out: int
    first: str


class Reader:
    """Reads what the hierarchies have of a container."""

    def __init__(self, hierarchies: Hierarchies) -> None:
        self._legacy = {name: hierarchies.legacy[name] for name in CONTROLLERS if name in hierarchies.legacy}
        self._freezer = hierarchies.legacy.get(FREEZER)
        self._missed = Missed(0, "")
        available = hierarchies.available
        unified = [file for file in V2_FILES if not file.controller or file.controller in available]
        self._io_stat = "io" in available
        self._unified = {seldom: [file for file in unified if file.seldom == seldom] for seldom in (False, True)}
        self._v1 = {
            (controller, seldom): [file for file in V1_FILES if (file.controller, file.seldom) == (controller, seldom)]
            for controller in self._legacy
            for seldom in (False, True)
        }

    def missed(self) -> Missed:
        """What was missed since the last call."""
        missed, self._missed = self._missed, Missed(0, "")
        return missed

    def miss(self, why: object, folder: int | None = None) -> None:
        """Counts what could not be read or understood. `folder`: of the cgroup, open, where `why` does not name it."""
        left_out, first = self._missed
        if not first:
            first = str(why) if folder is None else f"{os.readlink(f'/proc/self/fd/{folder}')}: {why}"
        self._missed = Missed(left_out + 1, first)

    def read(self, found: Found) -> Sample | None:
        """What changes; None where the cgroup is gone. Raises `OSError` where nobody can say."""
        return self._read(found, seldom=False)

    def read_limits(self, found: Found) -> Figures:
        """What hardly changes: limits."""
        try:
            sample = self._read(found, seldom=True)
        except OSError as error:
            self.miss(error)
            return {}
        return sample.figures if sample is not None else {}

    def oom_kills(self, folder: str) -> int | None:
        """oom_kill in memory.events of a v2 cgroup, which counts those below it too; None where it is not told."""
        fd = self._folder(folder)
        if fd is None:
            return None
        try:
            kills = self._take(fd, (file for file in V2_FILES if file.name == "memory.events")).get("oom_kills")
        finally:
            os.close(fd)
        return None if kills is None else int(kills)

    def is_frozen(self, found: Found) -> bool:
        """Whether nothing runs in the cgroup until it, or one above, is thawed. False where nobody tells.

        Source: cgroup.events of v2, where the kernel freezes since Linux 5.2; freezer.state of v1
        (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
        """
        events = self._file(found.unified, EVENTS)
        try:
            if events and parse_flat(events, EVENTS).get(b"frozen") == b"1":
                return True
        except Malformed as malformed:
            self.miss(f"{found.unified}: {malformed}")
        legacy = None if self._freezer is None or found.legacy is None else self._freezer + found.legacy
        state = self._file(legacy, "freezer.state")
        return state is not None and state.strip() == b"FROZEN"

    def _file(self, folder: str | None, name: str) -> bytes | None:
        """One file of a cgroup; None where it is not told."""
        fd = self._folder(folder) if folder is not None else None
        if fd is None:
            return None
        try:
            return self._data(fd, name)
        finally:
            os.close(fd)

    def _folder(self, path: str) -> int | None:
        """A descriptor of a cgroup's folder; None where it is gone or cannot be opened."""
        try:
            return _opened(path)
        except OSError as error:
            self.miss(error)
            return None

    def _read(self, found: Found, seldom: bool) -> Sample | None:
        incarnation: list[tuple[int, int]] = []
        figures: Figures = {}
        io: dict[str, Io] | None = None
        if found.unified is not None and (fd := _opened(found.unified)) is not None:
            try:
                incarnation.append(_identity(fd))
                figures = self._take(fd, self._unified[seldom])
                if self._io_stat and not seldom:
                    io = self._io_of(fd)
            finally:
                os.close(fd)
        if found.legacy is not None:
            for controller, folder in self._legacy.items():
                # Where a hybrid host tells CPU time in both, v2's counts.
                if controller == "cpuacct" and "cpu_seconds" in figures:
                    continue
                files = self._v1.get((controller, seldom), ())
                if incarnation and len(files) == 1 and not seldom:
                    # Which cgroup it is is known: the folder of one file need not be opened.
                    figures = {**self._take(None, files, f"{folder}{found.legacy}/"), **figures}
                    continue
                if (fd := _opened(folder + found.legacy)) is None:
                    continue
                try:
                    incarnation.append(_identity(fd))
                    figures = {**self._take(fd, files), **figures}
                    if controller == "blkio" and not seldom:
                        throttled = self._throttle_of(fd)
                        io = io if throttled is None else {**throttled, **(io or {})}
                    elif controller == "cpu" and seldom:
                        figures = {**self._cores_of(fd), **figures}
                finally:
                    os.close(fd)
        working_set(figures)
        if io == {}:
            figures["no_io"] = True
        return Sample(frozenset(incarnation), figures, io or {}) if incarnation else None

    def _take(self, fd: int | None, files: Iterable[File], path: str = "") -> Figures:
        """What files say. `path`: of their folder, with a slash behind, where that is not open."""
        figures: Figures = {}
        for file in files:
            data = self._data(fd, path + file.name)
            if data is None:
                continue
            try:
                figures.update(file.parse(data, path + file.name))
            except Malformed as malformed:
                self.miss(malformed, fd)
        return figures

    def _data(self, folder: int | None, name: str) -> bytes | None:
        """A file of the folder, or by its whole path; None where it is not told."""
        try:
            fd = os.open(name, _FILE, dir_fd=folder)
        except OSError as error:
            if error.errno not in _NOT_TOLD:
                self.miss(error, folder)
            return None
        try:
            data = os.read(fd, FILE_BYTES)
        except OSError as error:
            if error.errno not in _NOT_TOLD:
                self.miss(f"{name}: {error}", folder)
            return None
        finally:
            os.close(fd)
        if len(data) == FILE_BYTES:
            self.miss(f"{name}: expected less than {FILE_BYTES} bytes", folder)
            return None
        return data

    def _io_of(self, fd: int) -> dict[str, Io] | None:
        """By device, none where there was no I/O; None where that is not told, or not understood."""
        data = self._data(fd, "io.stat")
        try:
            return None if data is None else parse_io_stat(data, "io.stat")
        except Malformed as malformed:
            self.miss(malformed, fd)
            return None

    def _throttle_of(self, fd: int) -> dict[str, Io] | None:
        """As `_io_of`."""
        sizes = self._throttle(fd, _BYTES)
        # Both list the same devices: those that the cgroup ever did something on.
        requests = {} if sizes == {} else self._throttle(fd, _REQUESTS)
        if sizes is None and requests is None:
            return None
        sizes, requests = sizes or {}, requests or {}
        nothing = (None, None)
        devices = dict.fromkeys((*sizes, *requests))
        return {device: Io(*sizes.get(device, nothing), *requests.get(device, nothing)) for device in devices}

    def _throttle(self, fd: int, names: tuple[str, str]) -> dict[str, tuple[int, int]] | None:
        """Read and written by device; None where that is not told, or not understood."""
        # Linux before 5.4 has no recursive figures.
        data = self._data(fd, names[0])
        if data is None:
            data = self._data(fd, names[1])
        try:
            return None if data is None else parse_throttle(data, names[0])
        except Malformed as malformed:
            self.miss(malformed, fd)
            return None

    def _cores_of(self, fd: int) -> Figures:
        quota, period = self._data(fd, "cpu.cfs_quota_us"), self._data(fd, "cpu.cfs_period_us")
        try:
            return cores_v1(quota, period, "cpu.cfs_quota_us") if quota and period else {}
        except Malformed as malformed:
            self.miss(malformed, fd)
            return {}


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _opened(folder: str) -> int | None:
    """A descriptor of the folder, for the caller to close; None where it is gone. Raises `OSError`."""
    try:
        return os.open(folder, _FOLDER)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
