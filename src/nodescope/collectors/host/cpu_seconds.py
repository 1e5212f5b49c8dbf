"""CPU time by mode, from /proc/stat, as counters that do not step back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from math import nan
from operator import itemgetter, lt, truediv
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.number import decimal, uint64
from nodescope.metric import Family, Metric, Row

USER_HZ: Final = 100.0
IDLE_STEP_BACK_SECONDS: Final = 3.0
EXACT_DIGITS: Final = len(str(2**53)) - 1

MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
GUEST_MODES: Final = ("user", "nice")
COLUMNS: Final = len(MODES) + len(GUEST_MODES)
IDLE: Final = MODES.index("idle")

SECONDS: Final = Metric("node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", ("cpu", "mode"))
GUEST_SECONDS: Final = Metric(
    "node_cpu_guest_seconds_total", "counter", "Seconds the CPUs spent in guests (VMs) for each mode.", ("cpu", "mode")
)

_DIGITS: Final = b"0123456789"
_SHAPE: Final = b"\ncpu" + b" " * COLUMNS


class CpuTimes(NamedTuple):
    """`cpus`: numbers of the CPUs. `seconds`: `COLUMNS` numbers for each of them, one after the other: `MODES`, then
    `GUEST_MODES`; not-a-number where the kernel does not give that column. `left_out`: lines of CPUs that could not be
    used."""

    cpus: list[int]
    seconds: list[float]
    left_out: int = 0


def parse_cpu_times(data: bytes, source: str) -> CpuTimes:
    """The lines cpuN. One that is not understood is left out; `Malformed` where no line is left."""
    times = _uniform(data) or _line_by_line(data)
    if not times.cpus:
        raise Malformed(source, data, "lines cpuN with clock ticks")
    return times


def _uniform(data: bytes) -> CpuTimes | None:
    """All lines at once, where they are as every kernel since 2.6.33 prints them."""
    start, end = data.find(b"\ncpu"), data.find(b"\nintr ")
    block = data[start + 4 : end]
    if not data.startswith(b"cpu ") or start < 0 or end < start:
        return None
    shape = data[start:end].translate(None, _DIGITS)
    # As many columns in each line: lines that are longer or shorter could be as many numbers all the same.
    if shape != _SHAPE * (len(shape) // len(_SHAPE)):
        return None
    words = block.replace(b"\ncpu", b" ").split(b" ")
    if len(max(words, key=len)) > EXACT_DIGITS:
        return None
    try:
        ticks = list(map(int, words))
    except ValueError:  # two blanks, and no number between them
        return None
    cpus = ticks[:: COLUMNS + 1]
    del ticks[:: COLUMNS + 1]
    return CpuTimes(cpus, list(map(truediv, ticks, repeat(USER_HZ)))) if len(set(cpus)) == len(cpus) else None


def _line_by_line(data: bytes) -> CpuTimes:
    found: dict[int, list[float]] = {}
    lines = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words or not words[0].startswith(b"cpu") or words[0] == b"cpu":
            continue
        lines += 1
        cpu = uint64(words[0][3:])
        ticks = [tick for tick in map(decimal, words[1 : COLUMNS + 1]) if tick is not None and tick >= 0]
        if cpu is not None and ticks and len(ticks) == min(len(words) - 1, COLUMNS):
            found[cpu] = [tick / USER_HZ for tick in ticks] + [nan] * (COLUMNS - len(ticks))
    return CpuTimes(list(found), [second for seconds in found.values() for second in seconds], lines - len(found))


def never_back(before: list[float], after: list[float]) -> list[float]:
    """`after` with each mode of each CPU held at the highest it was in `before`; same CPUs, same order.

    Idle time that goes back by `IDLE_STEP_BACK_SECONDS` or more is a CPU that was taken out and put in again: all its
    modes start anew.
    """
    if not any(map(lt, after, before)):
        return after
    held: list[float] = []
    for start in range(0, len(after), COLUMNS):
        old, new = before[start : start + COLUMNS], after[start : start + COLUMNS]
        if old[IDLE] - new[IDLE] >= IDLE_STEP_BACK_SECONDS:
            held += new
        else:
            held += [was if now < was else now for was, now in zip(old, new, strict=True)]
    return held


class CpuSeconds:
    """The rows of CPU time; remembers the highest of each counter while its CPU is online."""

    def __init__(self, guest: bool) -> None:
        self._guest = guest
        self.left_out = 0
        self._cpus: list[int] = []
        self._seconds: list[float] = []
        self._labels: list[tuple[str, str]] = []
        self._guest_labels: list[tuple[str, str]] = []
        self._modes_of: Callable[[list[float]], tuple[float, ...]] = tuple
        self._guests_of: Callable[[list[float]], tuple[float, ...]] = tuple

    @property
    def cpus(self) -> list[int]:
        """The CPUs that were online when `families` was last called."""
        return self._cpus

    def families(self, data: bytes, source: str) -> list[Family]:
        cpus, seconds, self.left_out = parse_cpu_times(data, source)
        before = self._seconds if cpus == self._cpus else self._of_others(cpus, seconds)
        self._seconds = seconds = never_back(before, seconds)
        families = [Family(SECONDS, _rows(self._labels, self._modes_of(seconds)))]
        if self._guest:
            families.append(Family(GUEST_SECONDS, _rows(self._guest_labels, self._guests_of(seconds))))
        return families

    def _of_others(self, cpus: list[int], seconds: list[float]) -> list[float]:
        """What is remembered, in the order of `cpus`, which are others than the last time."""
        known = {cpu: index * COLUMNS for index, cpu in enumerate(self._cpus)}
        before: list[float] = []
        for index, cpu in enumerate(cpus):
            start = known.get(cpu)
            source, start = (seconds, index * COLUMNS) if start is None else (self._seconds, start)
            before += source[start : start + COLUMNS]
        self._cpus = cpus
        names = [str(cpu) for cpu in cpus]
        self._labels = [(name, mode) for name in names for mode in MODES]
        self._guest_labels = [(name, mode) for name in names for mode in GUEST_MODES]
        starts = range(0, COLUMNS * len(cpus), COLUMNS)
        self._modes_of = itemgetter(*(start + column for start in starts for column in range(len(MODES))))
        self._guests_of = itemgetter(*(start + column for start in starts for column in range(len(MODES), COLUMNS)))
        return before


def _rows(labels: list[tuple[str, str]], seconds: tuple[float, ...]) -> list[Row]:
    rows: list[Row] = list(zip(labels, seconds, strict=False))
    total = sum(seconds)
    # Only a sum with a column that the kernel does not give is unequal to itself.
    return rows if total == total else [row for row in rows if row[1] == row[1]]
