"""One simulated H200: a pure function of seed, faults and virtual time, so that every process computes the same."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from nodescope.simulate import gpu_profiling, gpu_reading
from nodescope.simulate.faults import LINKS, Fault
from nodescope.simulate.gpu_activity import ACTIVITIES, IDLE, PARTITIONED, THROTTLED
from nodescope.simulate.gpu_board import (
    INSTANCE_BAR1_BYTES,
    INSTANCE_BYTES,
    INSTANCE_MULTIPROCESSORS,
    INSTANCES,
    MULTIPROCESSORS,
    Board,
    instance_uuid,
)
from nodescope.simulate.gpu_process import (
    CONTEXT_BYTES,
    IDLE_GPU,
    INSTANCE_CONTEXT_BYTES,
    in_instances,
    instance_memory_bytes,
    instance_processes,
    memory_bytes,
    processes,
)
from nodescope.simulate.gpu_timeline import FULL, Job, Moment, Timeline, Window, windows
from nodescope.simulate.load import mix

REACHED: Final = 0
"""NVML_P2P_STATUS_OK."""

_WARMTH_SECONDS: Final = 60.0
_POWER_SECONDS: Final = 1.0
_POWER_PERMILLE: Final = (970, 1000)
_WARMER_CELSIUS: Final = (0, 3)
_INSTANCE_PERCENT: Final = (5, 70)

Fields = dict[str, object]


class Gpu:
    """What it reads; every time is in virtual seconds since boot.

    `partitioned`: it has seven MIG instances from the start, and not only while a fault says so. `peers`: UUIDs of the
    GPUs that it reaches over NVLink.
    """

    def __init__(
        self, board: Board, faults: Iterable[Fault] = (), partitioned: bool = False, peers: Iterable[str] = ()
    ) -> None:
        self.board = board
        self._peers = dict.fromkeys(peers, REACHED)
        self.faults = tuple(fault for fault in faults if fault.gpu == board.number)
        self._partitions = self._of_kind("mig") + ((Fault("mig", 0.0),) if partitioned else ())
        wanted = [Window(fault.start, fault.end, THROTTLED) for fault in self._of_kind("throttle")]
        wanted += [Window(fault.start, fault.end, PARTITIONED) for fault in self._partitions]
        wanted += [Window(0.0, inf, IDLE)] if board.number == IDLE_GPU else []
        self._timeline = Timeline(board.jobs, board.own, windows(wanted))
        self._power = gpu_reading.power_rates(_between(board.own, 1, _POWER_PERMILLE))
        self._heat = gpu_reading.heat_rates(self._power)
        self._warmer = _between(board.own, 2, _WARMER_CELSIUS)
        self._instance_percent = [
            _between(board.own, 3 + slot, _INSTANCE_PERCENT) if slot in in_instances(board) else 0
            for slot in range(INSTANCES)
        ]
        self._instance_used = [INSTANCE_CONTEXT_BYTES] * INSTANCES
        for nth, slot in enumerate(in_instances(board)):
            self._instance_used[slot] += instance_memory_bytes(board, nth)

    def holding(self, what: str, seconds: float) -> Fault | None:
        """The fault of that kind which it has now."""
        return next((fault for fault in self.faults if fault.what == what and fault.holds(seconds)), None)

    def partitioned(self, seconds: float) -> bool:
        return any(fault.holds(seconds) for fault in self._partitions)

    def ways(self) -> frozenset[bool]:
        """Whether it is partitioned: True, False, or both where that changes."""
        always = any(fault.start <= 0.0 and fault.end == inf for fault in self._partitions)
        return frozenset((bool(self._partitions), always))

    def reading(self, seconds: float) -> Fields:
        """Fields of `GpuReading`, but of GPM."""
        moment = self._timeline.at(seconds)
        partitioned = self.partitioned(seconds)
        fields = {
            **gpu_reading.FIXED,
            **gpu_reading.moving(moment, self._timeline.spent(seconds), self._drawn(seconds)),
            **gpu_reading.temperatures(self._rise(seconds), self._warmer),
            **gpu_reading.memory(self._used_bytes(moment, partitioned)),
            **gpu_reading.ecc_totals(self._errors(seconds)),
            "pcie_replays": gpu_reading.replays(self.board.number, seconds),
            "mig_mode": int(partitioned),
            "mig_mode_pending": int(partitioned),
            "driver_fields": gpu_reading.DRIVER_FIELDS,
        }
        # A partitioned GPU refuses to tell these.
        if not partitioned:
            fields |= gpu_reading.utilization(*gpu_reading.busy_percents(moment))
            fields |= gpu_reading.remapped(seconds, self.faults)
            fields["peer_nvlink_status"] = self._peers
        return fields

    def job(self, seconds: float) -> Job:
        """What it works on, or has worked on last."""
        return self._timeline.job(seconds)

    def ecc(self, seconds: float) -> list[Fields]:
        """Fields of `EccReading`."""
        return gpu_reading.ecc_places(self._errors(seconds))

    def links(self, seconds: float) -> list[Fields]:
        """Fields of `LinkReading`; a partitioned GPU has none."""
        if self.partitioned(seconds):
            return []
        moved = self._moved(seconds)
        return [self._link(number, seconds, moved) for number in range(LINKS)]

    def processes(self, seconds: float) -> list[Fields]:
        """Fields of `ProcessReading`."""
        if self.partitioned(seconds):
            return instance_processes(self.board)
        moment = self._timeline.at(seconds)
        return processes(self.board, moment, *gpu_reading.busy_percents(moment))

    def instances(self, seconds: float, profiling: bool = True) -> list[Fields]:
        """Fields of `InstanceReading`."""
        if not self.partitioned(seconds):
            return []
        percents = self._instance_percents(self._timeline.at(seconds))
        return [self._instance(slot, percents[slot] if profiling else None) for slot in range(INSTANCES)]

    def profiling(self, seconds: float) -> dict[str, float]:
        """What GPM says."""
        moment = self._timeline.at(seconds)
        activity = ACTIVITIES[moment.activity]
        if self.partitioned(seconds):
            parts = sum(self._instance_percents(moment)) * INSTANCE_MULTIPROCESSORS
            return gpu_profiling.units(parts / MULTIPROCESSORS, False) | gpu_profiling.links(activity, moment, 0)
        busy, _ = gpu_reading.busy_percents(moment)
        links_up = sum(not self._is_down(number, seconds) for number in range(LINKS))
        return gpu_profiling.units(busy, activity.trains) | gpu_profiling.links(activity, moment, links_up)

    def _of_kind(self, what: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.what == what)

    def _errors(self, seconds: float) -> dict[tuple[str, str], int]:
        return gpu_reading.ecc_errors(self.board.number, seconds, self.faults)

    def _drawn(self, seconds: float) -> gpu_reading.Power:
        """At boot there is no last second."""
        before = max(0.0, seconds - _POWER_SECONDS)
        drawn = [self._timeline.spent(time).integral(self._power) for time in (before, seconds)]
        average = int((drawn[1] - drawn[0]) / (seconds - before)) if seconds > before else 0
        return gpu_reading.Power(self._power, average)

    def _rise(self, seconds: float) -> int:
        """Above the room, in millionths of a degree: it follows the power of the last minute."""
        before = max(0.0, seconds - _WARMTH_SECONDS)
        warmed = [self._timeline.spent(time).integral(self._heat) for time in (before, seconds)]
        return int((warmed[1] - warmed[0]) / _WARMTH_SECONDS)

    def _used_bytes(self, moment: Moment, partitioned: bool) -> int:
        if partitioned:
            return CONTEXT_BYTES + sum(self._instance_used)
        used = memory_bytes(self.board, moment)
        return used + CONTEXT_BYTES if used else 0

    def _instance_percents(self, moment: Moment) -> list[float]:
        return [percent * moment.busy / FULL for percent in self._instance_percent]

    def _instance(self, slot: int, percent: float | None) -> Fields:
        used = self._instance_used[slot]
        fields: Fields = {
            "uuid": instance_uuid(self.board, slot),
            "memory_total_bytes": INSTANCE_BYTES,
            "memory_used_bytes": used,
            "memory_free_bytes": INSTANCE_BYTES - used,
            "memory_reserved_bytes": 0,
            "bar1_total_bytes": INSTANCE_BAR1_BYTES,
            "bar1_used_bytes": 0,
            "bar1_free_bytes": INSTANCE_BAR1_BYTES,
            "ecc_uncorrected_volatile_errors": 0,
        }
        return fields if percent is None else fields | {"profiling": gpu_profiling.units(percent, False)}

    def _is_down(self, link: int, seconds: float) -> bool:
        return any(fault.number == link and fault.holds(seconds) for fault in self._of_kind("nvlink"))

    def _moved(self, seconds: float) -> int:
        """Bytes over each NVLink that is always up, each way."""
        return self._timeline.spent(seconds).integral(gpu_reading.NVLINK)

    def _link(self, number: int, seconds: float, moved: int) -> Fields:
        """With what it would have moved while it was down left out."""
        begun = [fault for fault in self._of_kind("nvlink") if fault.number == number and fault.start <= seconds]
        for start, end, _ in windows(Window(fault.start, min(fault.end, seconds), 0) for fault in begun):
            moved -= self._moved(end) - self._moved(start)
        return gpu_reading.link(number, not self._is_down(number, seconds), moved, len(begun))


def _between(key: int, nth: int, limits: tuple[int, int]) -> int:
    low, high = limits
    return low + mix(key + nth) % (high - low + 1)
