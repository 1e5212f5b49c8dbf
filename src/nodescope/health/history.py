"""What one GPU did in the last day, a sample a minute, and what that says: trends, shares, its usual clock and power.

Bounded: at most `CAPACITY` samples, about 100 KB for a GPU.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import nan
from typing import Final, NamedTuple

from nodescope.devices.nvidia.throttle import REASONS
from nodescope.health.trend import grown_by, growth, median, slope
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import Gpu, GpuLink

NANOSECONDS: Final = 1_000_000_000
SAMPLE_SECONDS: Final = 60.0
CAPACITY: Final = 1440
SLACK: Final = 60
"""How many samples are dropped at once."""

HOUR_SECONDS: Final = 3600.0
TREND_SECONDS: Final = 6 * HOUR_SECONDS
LEAST_TREND_SECONDS: Final = HOUR_SECONDS / 2
RECENT_SECONDS: Final = 600.0
LEAST_RECENT: Final = 8
"""Samples of the last ten minutes without which they say nothing."""

LEAST_USUAL: Final = 30
BUSY_PERCENT: Final = 80
SIMILAR_PERCENT: Final = 10
SIMILAR_CLOCK: Final = 0.05
SELDOM: Final = 0.1
"""A share of the time below which a reason for low clocks explains nothing."""

COUNTERS: Final = ("corrected", "uncorrected", "replays", "nvlink_errors", "nvlink_crc", "nvlink_recoveries", "heat_ns")
LINK_ERRORS: Final = {
    "nvlink_errors": ("replay_errors", "crc_data_errors", "ecc_data_errors"),
    "nvlink_crc": ("crc_flit_errors",),
    "nvlink_recoveries": ("recovery_errors",),
}
"""Of `COUNTERS`, in their order: which counters of a link each adds up."""

NVLINK_5_ERRORS: Final = {
    "nvlink_errors": (
        "nvlink_count_malformed_packet_errors",
        "nvlink_count_buffer_overrun_errors",
        "nvlink_count_rcv_errors",
        "nvlink_count_local_link_integrity_errors",
        "nvlink_count_effective_errors",
    ),
    "nvlink_recoveries": ("nvlink_count_link_recovery_events",),
}
"""What NVLink 5 has in their place: the driver's own fields, over all links."""

ALL_LINKS: Final = -1

MEANS: Final = ("utilization", "memory_utilization", "clock", "power", "heat", "brake", "capped", "set")

_HEAT: Final = REASONS["sw_thermal_slowdown"] | REASONS["hw_thermal_slowdown"]
_HEAT_CAUSES: Final = ("prochot", "socket_thermal", "vr_thermal", "hbm_thermal")
"""Of `GpuReading.throttled_ns`; amd-smi has the first as "processor hot"."""
_INTEL: Final = "intel"
_REASON: Final = "throttle_reason_"
_HEAT_WORDS: Final = ("prochot", "ratl", "thermal")
"""In names of reasons that are heat among the fields of Intel's drivers: each of several sensors has its own."""
_BRAKE: Final = REASONS["hw_power_brake_slowdown"]
_CAPPED: Final = REASONS["sw_power_cap"]
_SET: Final = REASONS["applications_clocks_setting"] | REASONS["sync_boost"]
_LAST_HOUR: Final = (
    ("corrected", "ecc_corrected_last_hour"),
    ("uncorrected", "ecc_uncorrected_last_hour"),
    ("replays", "pcie_replays_last_hour"),
    ("nvlink_errors", "nvlink_errors_last_hour"),
    ("nvlink_crc", "nvlink_crc_errors_last_hour"),
    ("nvlink_recoveries", "nvlink_recoveries_last_hour"),
)


class Recent(NamedTuple):
    """A GPU that was busy for the last ten minutes: medians. `capped`, `set_`: share of the time that the clocks were
    held at the power limit, or by a setting. NaN: unknown."""

    utilization: float
    memory_utilization: float
    clock: float
    power: float
    capped: float
    set_: float


class History:
    """Of one GPU. `recent`: None unless it was busy all the time. `derived`: inputs of rules, by name.

    `first_seconds`: how long its first minute is, so that not all GPUs of a node end theirs together.
    """

    def __init__(self, first_seconds: float = SAMPLE_SECONDS) -> None:
        self.recent: Recent | None = None
        self.derived: dict[str, float] = {}
        self.version = 0
        self._seconds = array("d")
        self._counters = {name: array("d") for name in COUNTERS}
        self._means = {name: array("f") for name in MEANS}
        self._link_counts: dict[tuple[int, str], float] = {}
        self._link_errors: dict[str, float] = dict.fromkeys(LINK_ERRORS, 0)
        self._sums: dict[str, tuple[float, int]] = {}
        self._throttled: tuple[float, Mapping[str, int]] = (0.0, {})
        self._life = ""
        self._due = float("-inf")
        self._first_seconds = first_seconds

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, now: float, gpu: Gpu, links: Sequence[GpuLink]) -> None:
        """Takes what is read at `now` into the minute's means, and ends the minute when it is over.

        An uncorrected error ends it at once, for it cannot wait.
        """
        self._accumulate(gpu.reading)
        if gpu.identity.vendor == _INTEL:
            self._add_mean("heat", _held_by_heat(gpu.reading.driver_fields))
        if now < self._due and not self._lost_data(gpu.reading):
            return
        self._due = now + (SAMPLE_SECONDS if self._seconds else self._first_seconds)
        self._add_heat(now, gpu.reading.throttled_ns)
        self._append(now, self._counts(gpu.reading, links))
        self._derive(now)
        self.version += 1

    def _accumulate(self, reading: GpuReading) -> None:
        mask = reading.throttle_reasons
        now = (
            reading.utilization_percent,
            reading.memory_utilization_percent,
            reading.clock_sm_megahertz,
            reading.power_milliwatts,
            *(None if mask is None else float(mask & bits != 0) for bits in (_HEAT, _BRAKE, _CAPPED, _SET)),
        )
        for name, value in zip(MEANS, now, strict=True):
            self._add_mean(name, value)

    def _add_mean(self, name: str, value: float | None) -> None:
        if value is not None:
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1)

    def _add_heat(self, now: float, throttled_ns: Mapping[str, int]) -> None:
        """What the causes that are heat held the clocks down since the last sample of a minute: they may overlap."""
        (before_at, before), self._throttled = self._throttled, (now, throttled_ns)
        grown = [throttled_ns[cause] - before[cause] for cause in _HEAT_CAUSES if cause in throttled_ns.keys() & before]
        # A counter that is less than it was began anew, and what it counted since is not known.
        known = [more for more in grown if more >= 0]
        if known and now > before_at:
            self._sums["heat"] = (min(max(known) / NANOSECONDS / (now - before_at), 1.0), 1)

    def _lost_data(self, reading: GpuReading) -> bool:
        count, before = self._ecc(reading, "uncorrected"), self._counters["uncorrected"][-1]
        return count is not None and count > before

    def _ecc(self, reading: GpuReading, kind: str) -> int | None:
        """The counter of the board's life, or else that of the driver's; always the same one."""
        if not self._life:
            known = (
                life for life in ("aggregate", "volatile") if getattr(reading, f"ecc_{kind}_{life}_errors") is not None
            )
            self._life = next(known, "")
        count: int | None = getattr(reading, f"ecc_{kind}_{self._life}_errors") if self._life else None
        return count

    def _counts(self, reading: GpuReading, links: Sequence[GpuLink]) -> tuple[float | None, ...]:
        self._add_links(reading, links)
        return (
            self._ecc(reading, "corrected"),
            self._ecc(reading, "uncorrected"),
            reading.pcie_replays,
            *(self._link_errors.values() if links else (None,) * len(LINK_ERRORS)),
            reading.thermal_violation_ns,
        )

    def _add_links(self, reading: GpuReading, links: Sequence[GpuLink]) -> None:
        """What each link's counters grew by since they were last told. A link that is down tells none, and when it is
        up again all that it ever had: of a sum over the links that would be new."""
        for kind, counters in LINK_ERRORS.items():
            for link in links:
                for counter in counters:
                    self._add_errors(kind, (link.reading.link, counter), getattr(link.reading, counter))
        for kind, counters in NVLINK_5_ERRORS.items():
            for counter in counters:
                self._add_errors(kind, (ALL_LINKS, counter), reading.driver_fields.get(counter))

    def _add_errors(self, kind: str, key: tuple[int, str], count: float | None) -> None:
        if count is not None:
            self._link_errors[kind] += max(0, count - self._link_counts.get(key, count))
            self._link_counts[key] = count

    def _append(self, now: float, counts: Sequence[float | None]) -> None:
        self._seconds.append(now)
        for name, count in zip(COUNTERS, counts, strict=True):
            self._counters[name].append(nan if count is None else count)
        for name in MEANS:
            total, number = self._sums.get(name, (nan, 1))
            self._means[name].append(total / number)
        self._sums = {}
        if len(self._seconds) > CAPACITY:
            for column in (self._seconds, *self._counters.values(), *self._means.values()):
                del column[:SLACK]

    def _derive(self, now: float) -> None:
        found: dict[str, float | None] = {}
        hour = bisect_right(self._seconds, now - HOUR_SECONDS - SAMPLE_SECONDS / 2)
        for name, derived in _LAST_HOUR:
            grown = grown_by(self._counters[name][hour:])
            found[derived] = None if grown is None else int(grown)
        found["ecc_corrected_per_hour"] = self._corrected_per_hour(now, found["ecc_corrected_last_hour"])
        found |= self._shares(now)
        self.recent = self._recent(now)
        if self.recent is not None:
            found |= self._usual(now, self.recent)
        self.derived = {name: value for name, value in found.items() if value is not None}

    def _corrected_per_hour(self, now: float, last_hour: float | None) -> float | None:
        """The slope, where the errors still come."""
        start = bisect_right(self._seconds, now - TREND_SECONDS)
        if not last_hour or now - self._seconds[start] < LEAST_TREND_SECONDS:
            return None
        per_second = slope(growth(self._seconds[start:], self._counters["corrected"][start:]))
        return None if per_second is None else per_second * HOUR_SECONDS

    def _shares(self, now: float) -> dict[str, float | None]:
        """How much of the last ten minutes heat and power brake held the clocks down, in percent."""
        start = bisect_right(self._seconds, now - RECENT_SECONDS - SAMPLE_SECONDS / 2)
        if not self._is_enough(start, now):
            return {}
        heat = _mean(self._means["heat"][start:])
        slowed_ns = grown_by(self._counters["heat_ns"][start:])
        if slowed_ns is not None:
            share = slowed_ns / NANOSECONDS / (now - self._seconds[start])
            heat = max(heat or 0.0, min(share, 1.0))
        brake = _mean(self._means["brake"][start:])
        return {"thermal_throttle_percent": _percent(heat), "power_brake_percent": _percent(brake)}

    def _is_enough(self, start: int, now: float) -> bool:
        """Whether the samples from `start` on say something of the last ten minutes."""
        return len(self._seconds) - start >= LEAST_RECENT and now - self._seconds[start] >= RECENT_SECONDS / 2

    def _recent(self, now: float) -> Recent | None:
        start = bisect_right(self._seconds, now - RECENT_SECONDS)
        if not self._is_enough(start, now):
            return None
        if not all(busy >= BUSY_PERCENT for busy in self._means["utilization"][start:]):
            return None
        middle = [median(self._means[name][start:]) for name in ("utilization", "memory_utilization", "clock", "power")]
        held = [_mean(self._means[name][start:]) for name in ("capped", "set")]
        return Recent(*(nan if value is None else value for value in (*middle, *held)))

    def _usual(self, now: float, recent: Recent) -> dict[str, float | None]:
        """Clock and power at the same load before, where neither power limit nor setting held the clock down."""
        found = {"clock_recent_megahertz": _known(recent.clock), "power_recent_watts": _known(recent.power / 1000)}
        if not (recent.capped <= SELDOM and recent.set_ <= SELDOM):
            return found
        alike = self._alike(bisect_right(self._seconds, now - RECENT_SECONDS), recent)
        if len(alike) < LEAST_USUAL:
            return found
        clock = median(clock for clock, _ in alike)
        powers = [power for at, power in alike if abs(at - recent.clock) <= SIMILAR_CLOCK * recent.clock]
        power = median(powers) if len(powers) >= LEAST_USUAL else None
        return {
            **found,
            "clock_usual_megahertz": clock,
            "clock_baseline_deficit_percent": deficit_percent(recent.clock, clock),
            "power_usual_watts": None if power is None else power / 1000,
            "power_deviation_percent": _absolute(deficit_percent(recent.power, power)),
        }

    def _alike(self, end: int, recent: Recent) -> list[tuple[float, float]]:
        """Clock and power of the samples before `end` that were under the same load, as far as it is known."""
        names = ("utilization", "memory_utilization", "clock", "power", "capped", "set")
        return [
            (clock, power)
            for busy, memory, clock, power, capped, set_ in zip(
                *(self._means[name][:end] for name in names), strict=True
            )
            if abs(busy - recent.utilization) <= SIMILAR_PERCENT
            and not abs(memory - recent.memory_utilization) > SIMILAR_PERCENT
            and capped <= SELDOM
            and set_ <= SELDOM
        ]


def deficit_percent(value: float, usual: float | None) -> float | None:
    """How much less than usual, in percent of that; negative for more. None where one is unknown."""
    return None if usual is None or not usual > 0 or value != value else 100 * (usual - value) / usual


def _held_by_heat(fields: Mapping[str, float]) -> float | None:
    """1 where heat holds the clocks of an Intel GPU down, 0 where none of its reasons does; None where none is told."""
    reasons = [name for name in fields if name.startswith(_REASON) and any(word in name for word in _HEAT_WORDS)]
    return float(any(fields[name] for name in reasons)) if reasons else None


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _absolute(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _known(value: float) -> float | None:
    return value if value == value else None
