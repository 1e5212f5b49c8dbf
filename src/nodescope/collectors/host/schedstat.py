"""Collector schedstat: what the scheduler counts for each CPU."""

from __future__ import annotations

import re
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.cpu_columns import MAX_CPUS, many_uint64s
from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64, uint64s
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

NANOSECONDS: Final = 1e9
FIRST_VERSION: Final = 14
"""Lines of CPUs have their nine numbers since this version; before it others stood in those places."""
CPU_NUMBERS: Final = 9

RUNNING: Final = Metric(
    "node_schedstat_running_seconds_total", "counter", "Number of seconds CPU spent running a process.", ("cpu",)
)
WAITING: Final = Metric(
    "node_schedstat_waiting_seconds_total",
    "counter",
    "Number of seconds spent by processing waiting for this CPU.",
    ("cpu",),
)
TIMESLICES: Final = Metric(
    "node_schedstat_timeslices_total", "counter", "Number of timeslices executed by CPU.", ("cpu",)
)

_VERSION: Final = re.compile(rb"version (\d{1,9})\b")
_CPU: Final = re.compile(rb"\ncpu(\d{1,9}) \d+ \d+ \d+ \d+ \d+ \d+ (\d{1,20}) (\d{1,20}) (\d{1,20})(?!\S)")

CpuLine = tuple[bytes, int, int, int]
"""A CPU's number as it is written, nanoseconds run and waited, timeslices."""


class Schedstat(NamedTuple):
    """`cpus`: their numbers as they are written. The other lists have one number for each of them."""

    cpus: list[bytes]
    running_ns: list[int]
    waiting_ns: list[int]
    timeslices: list[int]
    left_out: int


def parse_schedstat(data: bytes, source: str) -> Schedstat:
    """The lines cpuN. One that is not understood is left out; `Malformed` where none is left."""
    version = _VERSION.match(data)
    if version is not None and int(version[1]) < FIRST_VERSION:
        raise Malformed(source, version[0], f"version {FIRST_VERSION} or later")
    found = _uniform(data) or _line_by_line(data)
    if not found.cpus:
        raise Malformed(source, data, "lines cpuN with nine numbers")
    return found


def _uniform(data: bytes) -> Schedstat | None:
    """All lines at once, where each is as every kernel prints it, and of another CPU."""
    lines = _CPU.findall(data)
    if not lines or len(lines) != data.count(b"\ncpu") or data.startswith(b"cpu") or len(lines) > MAX_CPUS:
        return None
    cpus, running, waiting, timeslices = zip(*lines, strict=True)
    numbers = many_uint64s([*running, *waiting, *timeslices])
    if not numbers or len(set(cpus)) != len(cpus):
        return None
    count = len(cpus)
    return Schedstat(list(cpus), numbers[:count], numbers[count : 2 * count], numbers[2 * count :], 0)


def _line_by_line(data: bytes) -> Schedstat:
    found: dict[bytes, CpuLine] = {}
    left_out = 0
    for line in data.split(b"\n"):
        if not line.startswith(b"cpu"):
            continue
        understood = _cpu_line(line)
        if understood is None or understood[0] in found or len(found) >= MAX_CPUS:
            left_out += 1
        else:
            found[understood[0]] = understood
    lines = found.values()
    return Schedstat(
        list(found),
        [running for _, running, _, _ in lines],
        [waiting for _, _, waiting, _ in lines],
        [timeslices for _, _, _, timeslices in lines],
        left_out,
    )


def _cpu_line(line: bytes) -> CpuLine | None:
    words = line.split(None, CPU_NUMBERS + 1)
    numbers = uint64s(words[1 : CPU_NUMBERS + 1])
    cpu = uint64(words[0][3:])
    if cpu is None or len(numbers) != CPU_NUMBERS:
        return None
    return words[0][3:], numbers[6], numbers[7], numbers[8]


class SchedstatCollector:
    """How long each CPU ran processes, how long processes waited for it, and how many turns they had.

    *Source*: /proc/schedstat, Documentation/scheduler/sched-stats.rst, versions 14 to 17. *Units*: seconds, timeslices.
    *Absent when*: the kernel does not count (CONFIG_SCHEDSTATS, or CONFIG_SCHED_INFO for the time alone). *Cost*: one
    read.
    """

    name: ClassVar[str] = "schedstat"
    metrics: ClassVar[tuple[Metric, ...]] = (RUNNING, WAITING, TIMESLICES)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("schedstat")
        self._cpus: list[bytes] = []
        self._labels: list[tuple[str]] = []

    def collect(self) -> list[Family]:
        found = parse_schedstat(self._host.read(self._path, built_in=True), self._path)
        self.left_out = found.left_out
        if found.cpus != self._cpus:
            self._cpus, self._labels = found.cpus, [(cpu.decode(),) for cpu in found.cpus]
        labels = self._labels
        running = [number / NANOSECONDS for number in found.running_ns]
        waiting = [number / NANOSECONDS for number in found.waiting_ns]
        return [
            Family(RUNNING, list(zip(labels, running, strict=True))),
            Family(WAITING, list(zip(labels, waiting, strict=True))),
            Family(TIMESLICES, list(zip(labels, found.timeslices, strict=True))),
        ]


def build(host: Host, settings: Settings) -> SchedstatCollector:
    return SchedstatCollector(host)
