"""Pressure stall information."""

from __future__ import annotations

import errno
from typing import ClassVar, Final

from nodescope.collectors.host.odd_lines import odd_lines
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_pressure_{name}_seconds_total", "counter", f"Total time in seconds {help}")


RESOURCES: Final[tuple[tuple[str, tuple[tuple[bytes, Metric], ...]], ...]] = (
    ("cpu", ((b"some", _metric("cpu_waiting", "that processes have waited for CPU time")),)),
    (
        "io",
        (
            (b"some", _metric("io_waiting", "that processes have waited due to IO congestion")),
            (b"full", _metric("io_stalled", "no process could make progress due to IO congestion")),
        ),
    ),
    (
        "memory",
        (
            (b"some", _metric("memory_waiting", "that processes have waited for memory")),
            (b"full", _metric("memory_stalled", "no process could make progress due to memory congestion")),
        ),
    ),
    ("irq", ((b"full", _metric("irq_stalled", "no process could make progress due to IRQ congestion")),)),
)


def parse_pressure(data: bytes, source: str) -> dict[bytes, int]:
    """b"some" and b"full", those that there are -> total stall time in microseconds."""
    totals: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        words = line.split()
        if not words or words[0] not in (b"some", b"full"):
            continue
        totals_said = [word[6:] for word in words if word.startswith(b"total=")]
        total = uint64(totals_said[0]) if totals_said else None
        if total is None:
            raise Malformed(source, line, "some or full, averages, total=MICROSECONDS")
        totals[words[0]] = total
    return totals


class PressureCollector:
    """How long processes were held up by want of CPU, I/O, memory and by interrupts.

    *Source*: /proc/pressure/{cpu,io,memory,irq}, Documentation/accounting/psi.rst. *Units*: seconds since boot.
    *Absent when*: the kernel has no PSI, or it is off (psi=0). A resource that the kernel refuses, or whose file lacks
    a line that it must have, is left out, the others stay. *Cost*: four reads.
    """

    name: ClassVar[str] = "pressure"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric for _, lines in RESOURCES for _, metric in lines)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._files = [(host.proc(f"pressure/{resource}"), lines) for resource, lines in RESOURCES]
        self._last: dict[str, tuple[bytes, list[Family], int]] = {}

    def collect(self) -> list[Family]:
        families: list[Family] = []
        odd: Malformed | OSError | None = None
        self.left_out = 0
        for path, lines in self._files:
            if self._host.lacks(path):
                continue
            try:
                families += self._resource(path, lines)
            except Absent:
                continue
            except (Malformed, OSError) as error:
                # Off: all of PSI, or (since Linux 6.14) that of interrupts alone where their time is not accounted.
                if isinstance(error, OSError) and error.errno == errno.EOPNOTSUPP:
                    continue
                odd = error.with_traceback(None)
                self.left_out += 1
        if not families:
            raise odd or Absent(self._host.proc("pressure"))
        return families

    def _resource(self, path: str, lines: tuple[tuple[bytes, Metric], ...]) -> list[Family]:
        data = self._host.read(path, at_once=True, built_in=True)
        before = self._last.get(path)
        if before is not None and before[0] == data:
            self.left_out += before[2]
            return before[1]
        totals = parse_pressure(data, path)
        if any(kind not in totals for kind, _ in lines):
            self.left_out += 1
            raise Absent(path)
        left_out = odd_lines(data, len(totals))
        self.left_out += left_out
        # In two steps, so that the result is the same float64 as everyone else's.
        families = [single(metric, totals[kind] / 1000.0 / 1000.0) for kind, metric in lines]
        self._last[path] = (data, families, left_out)
        return families


def build(host: Host, settings: Settings) -> PressureCollector:
    return PressureCollector(host)
