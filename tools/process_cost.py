"""What a process costs, read from outside: CPU, memory, threads, descriptors.

Source: proc_pid_stat(5), proc_pid_status(5), proc_pid_smaps(5); Documentation/scheduler/sched-stats.rst
(/proc/PID/task/TID/schedstat); Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")
CGROUP: Final = Path("/sys/fs/cgroup")


class Cpu(NamedTuple):
    """Seconds since the process began. `ticks` counts in 10 ms; `scheduled` in ns, of the threads that are alive."""

    ticks: float
    scheduled: float

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.ticks - before.ticks, self.scheduled - before.scheduled)

    def plus(self, more: Cpu) -> Cpu:
        return Cpu(self.ticks + more.ticks, self.scheduled + more.scheduled)


class Memory(NamedTuple):
    """Bytes, and counts."""

    rss: int
    pss: int
    threads: int
    descriptors: int


def parse_stat(data: bytes) -> float:
    """utime + stime in seconds; the command's name may hold spaces and brackets."""
    fields = data[data.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def parse_kib(data: str, key: str) -> int:
    """Bytes of a line such as `Pss:   1234 kB`."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", data, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {key} in {data[:80]!r}")
    return int(found[1]) * 1024


def cpu(pid: int) -> Cpu:
    ticks = parse_stat(Path(f"/proc/{pid}/stat").read_bytes())
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return Cpu(ticks, nanoseconds / 1e9)


def memory(pid: int) -> Memory:
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text()
    return Memory(
        parse_kib(status, "VmRSS"),
        parse_kib((folder / "smaps_rollup").read_text(), "Pss"),
        len(list((folder / "task").iterdir())),
        len(list((folder / "fd").iterdir())),
    )


class MemoryGroup:
    """A cgroup of its own for one process, where this machine permits; `why_not` says why there is none."""

    def __init__(self, name: str) -> None:
        self.why_not = ""
        self.folder: Path | None = None
        v1 = CGROUP / "memory"
        parent = v1 if v1.is_dir() else CGROUP
        folder = parent / f"nodescope-{name}-{os.getpid()}"
        self._files = ("memory.usage_in_bytes", "memory.kmem.usage_in_bytes") if v1.is_dir() else ("memory.current",)
        try:
            folder.mkdir()
        except OSError as error:
            self.why_not = f"no cgroup under {parent}: {error.strerror}"
            return
        self.folder = folder
        if not (folder / self._files[0]).exists():
            self.close()
            self.why_not = f"the memory controller is not available under {parent}"

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command, started inside the group: all that it ever touches is charged there."""
        if self.folder is None:
            return list(command)
        return ["/bin/sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "sh", *command]

    def usage(self) -> tuple[int, int] | None:
        """Bytes charged to the group (page cache and kernel included), and bytes of the kernel in that."""
        if self.folder is None:
            return None
        total = int((self.folder / self._files[0]).read_text())
        if len(self._files) > 1:
            return total, int((self.folder / self._files[1]).read_text())
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return total, int(stat.get("kernel", 0))

    def close(self) -> None:
        if self.folder is not None:
            with contextlib.suppress(OSError):  # still busy: the kernel keeps it until the last process has gone
                self.folder.rmdir()
        self.folder = None
