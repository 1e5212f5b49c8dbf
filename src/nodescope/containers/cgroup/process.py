"""Which container, Slurm job and user a process belongs to, from /proc/PID/cgroup.

Source: cgroups(7), proc_pid_stat(5). A pid can be used again: what is remembered is kept by pid
and start time together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from nodescope.containers.cgroup.path import NOBODY, ContainerPath, Holder, holder_of
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.process_stat import START_TICKS, numbers

MAX_LINES: Final = 64
"""Hierarchies that a process is in; the kernel has about 15 controllers."""
MAX_KEPT: Final = 8192
KEPT_SECONDS: Final = 30.0
"""A process can be moved: its cgroups are read again after this."""


def parse_process_cgroups(data: bytes, source: str) -> list[str]:
    """The paths of /proc/PID/cgroup, those of v2 first. `Malformed` where no line is NUMBER:CONTROLLERS:PATH."""
    unified: list[str] = []
    others: list[str] = []
    lines = [line for line in data.split(b"\n")[:MAX_LINES] if line]
    for line in lines:
        words = line.split(b":", 2)
        if len(words) != 3 or not words[0].isdigit() or not words[2].startswith(b"/"):
            continue
        (unified if words[0] == b"0" and not words[1] else others).append(text(words[2]))
    if lines and not unified and not others:
        raise Malformed(source, data, "lines of number, controllers and path with colons between")
    return unified + others


def holder_of_paths(paths: Iterable[str]) -> Holder:
    """Who all the cgroups of one process name together.

    On a hybrid host all but one path may be "/", so each is looked at. A container that is certain goes before one that
    is not, then the innermost.
    """
    best = NOBODY
    job, uid = None, None
    for path in dict.fromkeys(paths):
        holder = holder_of(path)
        if _rank(holder.container) > _rank(best.container):
            best = holder
        job = job or holder.slurm_job
        uid = holder.uid if uid is None else uid
    return Holder(best.container, job, uid, best.outer)


def _rank(container: ContainerPath | None) -> tuple[bool, bool, int]:
    if container is None:
        return False, False, 0
    depth = container.cgroup.count("/") if container.cgroup is not None else 0
    return True, container.certain, depth


class _Read(NamedTuple):
    """`at`: of the clock. `paths`: see `parse_process_cgroups`."""

    at: float
    paths: tuple[str, ...]
    holder: Holder


_UNREAD: Final = _Read(float("-inf"), (), NOBODY)


class ProcessCgroups:
    """Who processes belong to, remembered by pid and start time.

    `of` and `paths` raise `Absent` where the process is gone, `OSError` where it cannot be read, `Malformed`.
    """

    def __init__(self, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._known: dict[tuple[int, int], _Read] = {}

    def start_ticks(self, pid: int) -> int:
        """When it was started, in clock ticks since boot."""
        path = self._host.proc(f"{pid}/stat")
        return numbers(self._host.read_once(path), path, START_TICKS)[0]

    def of(self, pid: int) -> Holder:
        """Who process `pid` belongs to; a process that is of no container, job or user slice is `NOBODY`'s."""
        return self._read(pid).holder

    def paths(self, pid: int) -> tuple[str, ...]:
        """The cgroups that process `pid` is in, that of v2 first."""
        return self._read(pid).paths

    def _read(self, pid: int) -> _Read:
        key = pid, self.start_ticks(pid)
        now = self._clock()
        known = self._known.get(key, _UNREAD)
        if now - known.at < KEPT_SECONDS:
            return known
        path = self._host.proc(f"{pid}/cgroup")
        paths = tuple(parse_process_cgroups(self._host.read_once(path), path))
        # The pid may have gone to another process between the two reads.
        if self.start_ticks(pid) != key[1]:
            raise Absent(path)
        if len(self._known) >= MAX_KEPT:
            self._forget(now)
        self._known[key] = read = _Read(now, paths, holder_of_paths(paths))
        return read

    def _forget(self, now: float) -> None:
        """Makes room: what is due goes, and where nothing is, everything."""
        self._known = {key: known for key, known in self._known.items() if now - known.at < KEPT_SECONDS}
        if len(self._known) >= MAX_KEPT:
            self._known.clear()
