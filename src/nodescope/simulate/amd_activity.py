"""What a simulated MI300X does: pure functions of the seconds since boot, which agree with each other."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.amd_board import COMPUTE_UNITS, MIB, VRAM_BYTES, XCCS, Board
from nodescope.simulate.load import FEMTOSECONDS, count, mix
from nodescope.simulate.work import Work

IDLE_WATTS: Final = 142
BUSY_WATTS: Final = 608
"""More, under full load."""
LIMIT_WATTS: Final = 750
IDLE_MEGAHERTZ: Final = 132
MOST_MEGAHERTZ: Final = 2100
MEMORY_MEGAHERTZ: Final = (900, 1300)
ENERGY_UNITS: Final = 2**16
"""In a joule."""
DRIVER_BYTES: Final = 284 * MIB
FIRST_PID: Final = 30_000
PIDS_PER_GPU: Final = 100

_CELSIUS: Final = (41, 36)
"""Of the junction: without load, and more under full load."""
_MEMORY_CELSIUS: Final = (34, 24)
_XGMI_KIBIBYTES: Final = 9_000_000
"""A second over each link, under full load."""
_CONTEXT_BYTES: Final = 1536 * MIB
_USE: Final = 0.55
"""Of its memory a process has this much and, with its load, more."""


class Moment(NamedTuple):
    """What a GPU does at one time, `seconds` after boot. `busy`: of each partition, 0 to 1. `done_ms`: since boot."""

    seconds: float
    busy: tuple[float, ...]
    done_ms: tuple[int, ...]
    watts: int
    energy: int
    celsius: int
    memory_celsius: int
    megahertz: tuple[int, ...]
    memory_megahertz: int
    xgmi_kibibytes: int

    @property
    def mean(self) -> float:
        return sum(self.busy) / len(self.busy)


class Worker(NamedTuple):
    """A process on one partition."""

    pid: int
    partition: int
    vram_bytes: int
    compute_units: int
    sdma_microseconds: int


class Activity:
    """Of one GPU. The last GPU of a full node has no work."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.idle = board.number == board.options.gpus - 1 and board.options.gpus > 1
        seed, number = board.options.seed, board.number
        self._works = [Work(seed, f"amd{number}.{part}", self.idle) for part in range(board.options.partitions)]

    def at(self, seconds: float) -> Moment:
        busy = tuple(work.at(seconds) for work in self._works)
        done = tuple(work.integral(seconds) for work in self._works)
        mean, all_done = sum(busy) / len(busy), sum(done) // len(done)
        clocks = [IDLE_MEGAHERTZ + round((MOST_MEGAHERTZ - IDLE_MEGAHERTZ) * min(1.0, 2 * one)) for one in busy]
        each = XCCS // len(busy)
        return Moment(
            seconds,
            busy,
            tuple(one * 1000 // FEMTOSECONDS for one in done),
            IDLE_WATTS + round(BUSY_WATTS * mean),
            round(seconds * 1000) * ENERGY_UNITS * IDLE_WATTS // 1000 + count(all_done, BUSY_WATTS * ENERGY_UNITS),
            _CELSIUS[0] + round(_CELSIUS[1] * mean),
            _MEMORY_CELSIUS[0] + round(_MEMORY_CELSIUS[1] * mean),
            tuple(clock for clock in clocks for _ in range(each)),
            MEMORY_MEGAHERTZ[mean > 0],
            count(all_done, _XGMI_KIBIBYTES),
        )

    def workers(self, moment: Moment) -> tuple[Worker, ...]:
        """One on each partition, none on a GPU without work."""
        if self.idle:
            return ()
        parts = len(moment.busy)
        whole = VRAM_BYTES // parts
        found = []
        for part, busy in enumerate(moment.busy):
            draw = mix(self.board.key + part) % 200 / 1000
            used = int(whole * (_USE + draw + 0.1 * busy)) // MIB * MIB
            done = count(self._works[part].integral(moment.seconds), 40_000)
            units = round(COMPUTE_UNITS / parts * busy)
            found.append(Worker(self.pid(part), part, max(used, _CONTEXT_BYTES // parts), units, done))
        return tuple(found)

    def pid(self, partition: int) -> int:
        return FIRST_PID + PIDS_PER_GPU * self.board.number + partition
