"""What the kernel counts about a simulated machine's CPUs.

Source: proc_stat(5), proc_loadavg(5); Documentation/scheduler/sched-stats.rst.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.interrupts import Interrupts
from nodescope.simulate.load import FEMTOSECONDS, count
from nodescope.simulate.part import Row

TICKS_PER_SECOND: Final = 100
_MILLION: Final = 10**6
_TICK_FEMTOSECONDS: Final = FEMTOSECONDS // TICKS_PER_SECOND

# Where a CPU's time goes, in millionths of its busy (True) or its idle time. The order is /proc/stat's.
_MODES: Final[tuple[tuple[str, bool, int], ...]] = (
    ("user", True, 640_000),
    ("nice", True, 15_000),
    ("system", True, 300_000),
    ("idle", False, 988_000),
    ("iowait", False, 12_000),
    ("irq", True, 5_000),
    ("softirq", True, 40_000),
    ("steal", True, 0),
)
_GUEST_MODES: Final = ("user", "nice")

_SWITCHES_PER_BUSY_SECOND: Final = 3_900
_FORKS_PER_BUSY_SECOND: Final = 3
_THREADS: Final = 640
_LOAD_WINDOWS: Final = (("node_load1", 60.0), ("node_load5", 300.0), ("node_load15", 900.0))
_NANOSECOND_FEMTOSECONDS: Final = FEMTOSECONDS // 10**9
_WAITING_PERMILLE: Final = 85
"""Nanoseconds that tasks wait for a CPU, for each thousand that it is busy."""
_TIMESLICES_PER_BUSY_SECOND: Final = 1_700
_JIFFIES_AT_BOOT: Final = 2**32 - 300_000
_DOMAINS: Final = "".join(f"domain{level} {{masks[{level}]}}{' 0' * 36}\n" for level in range(2))


class StatPart:
    """/proc/stat and /proc/loadavg."""

    def __init__(self, cpus: Cpus, interrupts: Interrupts, boot_time_seconds: int) -> None:
        self._cpus = cpus
        self._interrupts = interrupts
        self._boot_time_seconds = boot_time_seconds

    def files(self, seconds: float) -> dict[str, bytes]:
        busy = self._cpus.busy(seconds)
        ticks = [self._ticks(seconds, one) for one in busy]
        rows = [("cpu ", [sum(column) for column in zip(*ticks, strict=True)])]
        rows += [(f"cpu{number}", row) for number, row in enumerate(ticks)]
        cpu = "".join(f"{name} {' '.join(map(str, row))} 0 0\n" for name, row in rows)
        return {
            "proc/stat": (cpu + self._totals(seconds, sum(busy))).encode(),
            "proc/loadavg": self._loadavg(seconds, sum(busy)),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        busy = self._cpus.busy(seconds)
        for cpu, one in enumerate(busy):
            for (mode, *_), ticks in zip(_MODES, self._ticks(seconds, one), strict=True):
                yield "node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}, ticks / TICKS_PER_SECOND
            for mode in _GUEST_MODES:
                yield "node_cpu_guest_seconds_total", {"cpu": str(cpu), "mode": mode}, 0.0
        total = sum(busy)
        yield "node_intr_total", {}, self._interrupts.total(seconds)
        yield "node_context_switches_total", {}, count(total, _SWITCHES_PER_BUSY_SECOND)
        yield "node_boot_time_seconds", {}, self._boot_time_seconds
        yield "node_forks_total", {}, _forks(total)
        yield "node_procs_running", {}, self._cpus.running(seconds)
        yield "node_procs_blocked", {}, 0.0
        for metric, window in _LOAD_WINDOWS:
            yield metric, {}, round(self._cpus.mean_running(seconds, window), 2)

    @staticmethod
    def _ticks(seconds: float, busy: int) -> list[int]:
        """Clock ticks of each mode. Each is cut down by itself, so all together miss a few of the time since boot."""
        idle = int(seconds * _MILLION) * (FEMTOSECONDS // _MILLION) - busy
        unit = _TICK_FEMTOSECONDS * _MILLION
        return [(busy if is_busy else idle) * share // unit for _, is_busy, share in _MODES]

    def _totals(self, seconds: float, busy: int) -> str:
        by_number = self._interrupts.by_number(seconds)
        softirqs = self._interrupts.softirqs(seconds)
        return (
            f"intr {self._interrupts.total(seconds)} {' '.join(map(str, by_number))}\n"
            f"ctxt {count(busy, _SWITCHES_PER_BUSY_SECOND)}\n"
            f"btime {self._boot_time_seconds}\n"
            f"processes {_forks(busy)}\n"
            f"procs_running {self._cpus.running(seconds)}\n"
            "procs_blocked 0\n"
            f"softirq {sum(softirqs)} {' '.join(map(str, softirqs))}\n"
        )

    def _loadavg(self, seconds: float, busy: int) -> bytes:
        means = " ".join(f"{self._cpus.mean_running(seconds, window):.2f}" for _, window in _LOAD_WINDOWS)
        return f"{means} {self._cpus.running(seconds)}/{_THREADS} {_forks(busy)}\n".encode()


class SchedstatPart:
    """/proc/schedstat, version 15: when each CPU ran tasks. What the kernel counts on demand only is 0."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus
        together = [
            [other.number for other in cpus.cpus if (other.package, other.core) == (cpu.package, cpu.core)]
            for cpu in cpus.cpus
        ]
        packages = [[other.number for other in cpus.cpus if other.package == cpu.package] for cpu in cpus.cpus]
        self._domains = [
            _DOMAINS.format(masks=[_mask(numbers) for numbers in both]) for both in zip(together, packages, strict=True)
        ]

    def files(self, seconds: float) -> dict[str, bytes]:
        lines = [f"version 15\ntimestamp {_JIFFIES_AT_BOOT + int(seconds * TICKS_PER_SECOND)}\n"]
        for cpu, busy in enumerate(self._cpus.busy(seconds)):
            ran, waited, slices = _scheduled(busy)
            lines.append(f"cpu{cpu} 0 0 0 0 0 0 {ran} {waited} {slices}\n{self._domains[cpu]}")
        return {"proc/schedstat": "".join(lines).encode()}

    def truths(self, seconds: float) -> Iterable[Row]:
        for cpu, busy in enumerate(self._cpus.busy(seconds)):
            labels = {"cpu": str(cpu)}
            ran, waited, slices = _scheduled(busy)
            yield "node_schedstat_running_seconds_total", labels, ran / 1e9
            yield "node_schedstat_waiting_seconds_total", labels, waited / 1e9
            yield "node_schedstat_timeslices_total", labels, float(slices)


def _scheduled(busy: int) -> tuple[int, int, int]:
    """Nanoseconds run and waited, timeslices."""
    ran = busy // _NANOSECOND_FEMTOSECONDS
    return ran, ran * _WAITING_PERMILLE // 1000, count(busy, _TIMESLICES_PER_BUSY_SECOND)


def _mask(cpus: Iterable[int]) -> str:
    return f"{sum(1 << cpu for cpu in cpus):08x}"


def _forks(busy: int) -> int:
    return count(busy, _FORKS_PER_BUSY_SECOND)
