"""What the process dockerd uses.

Source: proc_pid_stat(5), proc_pid_comm(5); dockerd(8): --pidfile, which is /run/docker.pid where nobody says otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.process_stat import RESIDENT_PAGES, START_TICKS, SYSTEM_TICKS, USER_TICKS, numbers
from nodescope.records.docker_stats import PERCENT, DockerEngine

PID_FILE: Final = "run/docker.pid"
NAME: Final = b"dockerd"
MAX_PID_DIGITS: Final = 10
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """Of a process: CPU time used and its start, both in clock ticks, and its resident pages."""

    cpu_ticks: int
    start_ticks: int
    pages: int


def parse_usage(data: bytes, source: str) -> Usage:
    """Of /proc/PID/stat. Raises `Malformed`."""
    user, system, start, pages = numbers(data, source, USER_TICKS, SYSTEM_TICKS, START_TICKS, RESIDENT_PAGES)
    return Usage(user + system, start, pages)


class EngineProcess:
    """Reads dockerd's process, at most once in a while."""

    def __init__(self, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._before: tuple[int, Usage, float] | None = None

    def read(self, host_memory_bytes: int | None) -> DockerEngine | None:
        """None where it does not run, or its pid is written to another file. Its CPU since the read before."""
        try:
            pid = self._pid()
            path = self._host.proc(f"{pid}/stat")
            usage, now = parse_usage(self._host.read_once(path), path), self._clock()
        except (Absent, OSError, Malformed):
            self._before = None
            return None
        before, self._before = self._before, (pid, usage, now)
        used = usage.pages * _PAGE_BYTES
        return DockerEngine(
            cpu_percent=_percent(before, self._before),
            memory_percent=PERCENT * used / host_memory_bytes if host_memory_bytes else None,
            memory_bytes=used,
        )

    def _pid(self) -> int:
        """Raises `Absent` where the file is of a process that is gone: its pid may be another's now."""
        path = self._host.root(PID_FILE)
        told = self._host.read_once(path).strip()
        if not told.isdigit() or len(told) > MAX_PID_DIGITS:
            raise Malformed(path, told, "a process's number")
        name = self._host.proc(f"{int(told)}/comm")
        if self._host.read_once(name).strip() != NAME:
            raise Absent(f"{name} of {NAME.decode()}")
        return int(told)


def _percent(before: tuple[int, Usage, float] | None, now: tuple[int, Usage, float]) -> float | None:
    """Of one CPU; None at the first read of a process."""
    if before is None or before[0] != now[0] or before[1].start_ticks != now[1].start_ticks or now[2] <= before[2]:
        return None
    return PERCENT * max(0, now[1].cpu_ticks - before[1].cpu_ticks) / _TICKS / (now[2] - before[2])
