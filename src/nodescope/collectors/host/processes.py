"""Collector processes: processes and threads by state."""

from __future__ import annotations

import os
from collections import Counter
from typing import ClassVar, Final

from nodescope.collectors.host.process_stat import ProcessStat, parse_process_stat
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.descriptors import OUT_OF_MEANS
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MAX_PROCESSES: Final = 262_144
MAX_THREADS: Final = 1_048_576
PROC_ROOT_INODE: Final = 1
"""The number of the root of every procfs (include/linux/proc_ns.h)."""

THREADS: Final = Metric("node_processes_threads", "gauge", "Allocated threads in system")
THREADS_LIMIT: Final = Metric("node_processes_max_threads", "gauge", "Limit of threads in the system")
THREADS_STATE: Final = Metric(
    "node_processes_threads_state", "gauge", "Number of threads in each state.", ("thread_state",)
)
STATE: Final = Metric("node_processes_state", "gauge", "Number of processes in each state.", ("state",))
PIDS: Final = Metric("node_processes_pids", "gauge", "Number of PIDs")
PIDS_LIMIT: Final = Metric("node_processes_max_processes", "gauge", "Number of max PIDs limit")


class _Count:
    """What a walk over the processes has found so far. `opened`: threads that were looked at one by one."""

    def __init__(self) -> None:
        self.processes: Counter[str] = Counter()
        self.threads: Counter[str] = Counter()
        self.allocated = 0
        self.opened = 0
        self.left_out = 0
        self.reason: OSError | Malformed | None = None


class ProcessesCollector:
    """How many processes and threads there are, in which states, and how many there may be.

    *Source*: /proc/PID/stat, /proc/PID/task/TID/stat, proc_pid_stat(5); threads-max and pid_max in /proc/sys/kernel.
    *Units*: processes, threads. *Absent when*: a limit that cannot be read. Processes that end during the walk are not
    counted, nor are those that this one may not see (hidepid). *Cost*: a file opened, read and closed for each process,
    and for each thread of those that have several.
    """

    name: ClassVar[str] = "processes"
    metrics: ClassVar[tuple[Metric, ...]] = (THREADS, THREADS_LIMIT, THREADS_STATE, STATE, PIDS, PIDS_LIMIT)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._limits = (
            (host.proc("sys/kernel/threads-max"), THREADS_LIMIT),
            (host.proc("sys/kernel/pid_max"), PIDS_LIMIT),
        )

    def collect(self) -> list[Family]:
        count = self._walk()
        if not count.processes and count.reason is not None:
            raise count.reason
        families = [single(PIDS, count.processes.total()), single(THREADS, count.allocated)]
        for metric, states in ((STATE, count.processes), (THREADS_STATE, count.threads)):
            if states:
                families.append(Family(metric, [((state,), number) for state, number in states.items()]))
        for path, metric in self._limits:
            limit = self._limit(path, count)
            if limit is not None:
                families.append(single(metric, limit))
        if not count.processes and families[-1].metric not in (THREADS_LIMIT, PIDS_LIMIT):
            raise Absent(self._host.procfs)
        self.left_out = count.left_out
        return families

    def _walk(self) -> _Count:
        count = _Count()
        pids = [name for name in self._host.list(self._host.procfs) if name.isascii() and name.isdigit()]
        # In a tree of files a process may have other threads than it says.
        trusted = os.stat(self._host.procfs).st_ino == PROC_ROOT_INODE
        count.left_out += max(0, len(pids) - MAX_PROCESSES)
        for pid in pids[:MAX_PROCESSES]:
            folder = self._host.proc(pid)
            stat = self._stat(folder, count)
            if stat is None:
                continue
            count.processes[stat.state] += 1
            count.allocated += stat.threads
            if trusted and stat.threads == 1:
                count.threads[stat.state] += 1
            else:
                self._threads(folder, pid, stat.state, count)
        return count

    def _threads(self, folder: str, pid: str, state: str, count: _Count) -> None:
        """Counts the threads of a process; that which leads it has the state of the process."""
        try:
            threads = self._host.list(f"{folder}/task")
        except Absent:
            return
        except OSError as error:
            self._unread(error, count)
            return
        for thread in threads:
            if not thread.isascii() or not thread.isdigit():
                continue
            if thread == pid:
                count.threads[state] += 1
            elif count.opened >= MAX_THREADS:
                count.left_out += 1
            else:
                count.opened += 1
                stat = self._stat(f"{folder}/task/{thread}", count)
                if stat is not None:
                    count.threads[stat.state] += 1

    def _stat(self, folder: str, count: _Count) -> ProcessStat | None:
        """None where the process or thread has ended, or cannot be read."""
        path = f"{folder}/stat"
        try:
            return parse_process_stat(self._host.read_once(path), path)
        except Absent:
            return None
        except (Malformed, OSError) as error:
            self._unread(error, count)
            return None

    def _limit(self, path: str, count: _Count) -> int | None:
        try:
            data = self._host.read(path, at_once=True)
            limit = uint64(data.strip())
            if limit is None:
                raise Malformed(path, data, "a number")
        except Absent:
            return None
        except (Malformed, OSError) as error:
            self._unread(error, count)
            return None
        return limit

    def _unread(self, error: Malformed | OSError, count: _Count) -> None:
        """Counts what may not be seen, or is not as documented; a want of descriptors or memory is no process's own."""
        if isinstance(error, OSError) and error.errno in OUT_OF_MEANS:
            raise error
        count.left_out += 1
        count.reason = error.with_traceback(None)


def build(host: Host, settings: Settings) -> ProcessesCollector:
    return ProcessesCollector(host)
