"""Pressure stall information of a simulated machine.

Source: Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.disk import Disks
from nodescope.simulate.load import FEMTOSECONDS
from nodescope.simulate.part import Row

_MILLION: Final = 10**6
_MICROSECOND_FEMTOSECONDS: Final = FEMTOSECONDS // _MILLION
_WINDOWS_SECONDS: Final = (10, 60, 300)

# Resource, kind, whose time it is ("cpu", "disk"), how much of that time tasks stall, in millionths, and the metric.
# The kernel reports no full stall of the CPU for the whole machine: its line is there, with 0.
_STALLS: Final[tuple[tuple[str, str, str, int, str], ...]] = (
    ("cpu", "some", "cpu", 110_000, "node_pressure_cpu_waiting_seconds_total"),
    ("cpu", "full", "cpu", 0, ""),
    ("io", "some", "disk", 260_000, "node_pressure_io_waiting_seconds_total"),
    ("io", "full", "disk", 190_000, "node_pressure_io_stalled_seconds_total"),
    ("memory", "some", "cpu", 2_000, "node_pressure_memory_waiting_seconds_total"),
    ("memory", "full", "cpu", 700, "node_pressure_memory_stalled_seconds_total"),
    ("irq", "full", "cpu", 4_000, "node_pressure_irq_stalled_seconds_total"),
)


class PressurePart:
    """/proc/pressure."""

    def __init__(self, cpus: Cpus, disks: Disks) -> None:
        self._cpus = cpus
        self._disks = disks

    def files(self, seconds: float) -> dict[str, bytes]:
        now = self._busy_microseconds(seconds)
        before = [(window, self._busy_microseconds(max(0.0, seconds - window))) for window in _WINDOWS_SECONDS]
        texts: dict[str, str] = {}
        for resource, kind, whose, share, _ in _STALLS:
            total = _stalled(now[whose], share)
            means = " ".join(
                f"avg{window}={_percent(total - _stalled(then[whose], share), window):.2f}" for window, then in before
            )
            texts[resource] = texts.get(resource, "") + f"{kind} {means} total={total}\n"
        return {f"proc/pressure/{resource}": text.encode() for resource, text in texts.items()}

    def truths(self, seconds: float) -> Iterable[Row]:
        now = self._busy_microseconds(seconds)
        for _, _, whose, share, metric in _STALLS:
            if metric:
                yield metric, {}, _stalled(now[whose], share) / 1000.0 / 1000.0

    def _busy_microseconds(self, seconds: float) -> dict[str, int]:
        """Busy time since boot, mean over all CPUs and over all disks."""
        disks = [load.integral(seconds) for load in self._disks.loads]
        return {
            "cpu": self._cpus.busy_total(seconds) // (len(self._cpus.cpus) * _MICROSECOND_FEMTOSECONDS),
            "disk": sum(disks) // (len(disks) * _MICROSECOND_FEMTOSECONDS),
        }


def _stalled(busy_microseconds: int, share: int) -> int:
    return busy_microseconds * share // _MILLION


def _percent(stalled_microseconds: int, window_seconds: int) -> float:
    return stalled_microseconds / (window_seconds * _MILLION) * 100
