"""The energy of one GPU by holder: counters that only grow and always sum to what the GPU has used.

They count from when the meter first saw the GPU, so that a restart of the agent is an ordinary reset of counters.
"""

from __future__ import annotations

from typing import Final

from nodescope.ownership.holder import NOBODY, Holder
from nodescope.ownership.shares import split
from nodescope.ownership.weights import ESTIMATED, MEASURED, Parts
from nodescope.records.gpu import GpuReading

GRAIN: Final = 2.0**-10
"""Joules; the parts of holders are whole multiples."""
MAX_WATTS: Final = 10_000
"""More than any GPU draws: what a counter says beyond that after it went back is no energy."""
MAX_GAP_SECONDS: Final = 60.0
"""Between two readings further apart no one saw who used the GPU."""
KEPT_SECONDS: Final = 300.0
"""How long the counter of a holder that has gone is still shown."""
MAX_COUNTERS: Final = 512
IDLE_RATIO: Final = 0.1
"""Of the power limit, what a GPU draws that does nothing: taken until it was seen idle."""
DEPARTED: Final = Holder("departed")
"""The sum of those whose counters are no longer shown."""

_MILLI: Final = 1000


class Meter:
    """Counters of one GPU. `measured`: its own counter tells, else its power over time."""

    def __init__(self) -> None:
        self._counter: int | None = None
        self._read_at: float | None = None
        self._total_millijoules = 0
        self._idle_watts: float | None = None
        self._grains: dict[tuple[str, str], int] = {}
        self._holders: dict[str, Holder] = {NOBODY.key: NOBODY, DEPARTED.key: DEPARTED}
        self._seen_at: dict[str, float] = {}
        self._rest = 0.0
        self.measured = True

    @property
    def total_joules(self) -> float:
        """What the GPU has used since the meter first saw it."""
        return self._total_millijoules / _MILLI

    @property
    def started(self) -> bool:
        return self._read_at is not None

    def idle_watts(self, reading: GpuReading) -> float:
        """What it draws at rest: the least that was seen while nothing ran, else a part of its limit."""
        if self._idle_watts is not None:
            return self._idle_watts
        limit = reading.power_limit_default_milliwatts or reading.power_limit_milliwatts or 0
        return IDLE_RATIO * limit / _MILLI

    @property
    def idle_known(self) -> bool:
        return self._idle_watts is not None

    def watch_idle(self, reading: GpuReading, is_idle: bool) -> None:
        """Learns from a reading in which the GPU did nothing."""
        if is_idle and reading.power_milliwatts is not None and reading.power_milliwatts >= 0:
            watts = reading.power_milliwatts / _MILLI
            self._idle_watts = watts if self._idle_watts is None else min(watts, self._idle_watts)

    def advance(self, reading: GpuReading, read_at: float, parts: Parts) -> None:
        """Adds what was used since the reading before, above idle by `parts`. `read_at`: of the monotonic clock."""
        elapsed = None if self._read_at is None else read_at - self._read_at
        if elapsed is not None and elapsed <= 0:
            return
        used = self._used(reading, elapsed)
        if used is None:
            return
        self._counter, self._read_at = reading.energy_millijoules, read_at
        before = self.total_joules
        self._total_millijoules += used
        if elapsed is not None and elapsed <= MAX_GAP_SECONDS:
            above = max(0.0, self.total_joules - before - self.idle_watts(reading) * elapsed)
            self._give(above, parts)
        self._rest = self.total_joules - sum(self._grains.values()) * GRAIN

    def counters(self, present: set[str], now: float) -> list[tuple[Holder, str, float]]:
        """Holder, attribution and joules; the parts sum to `total_joules`. `present`: keys of those there now."""
        self._seen_at.update(dict.fromkeys(present & self._holders.keys(), now))
        self._fold(now)
        rows = [(self._holders[key], attribution, n * GRAIN) for (key, attribution), n in self._grains.items()]
        return [*rows, (NOBODY, MEASURED if self.measured else ESTIMATED, self._rest)]

    def _used(self, reading: GpuReading, elapsed: float | None) -> int | None:
        """Millijoules since the reading before, 0 for the first; None where the GPU does not tell."""
        counter, power = reading.energy_millijoules, reading.power_milliwatts
        if (counter is None and power is None) or (counter or 0) < 0 or (power or 0) < 0:
            return None
        if elapsed is None:
            self.measured = counter is not None
            return 0
        if counter is None:
            # One reading without the counter: the next one that has it tells of both.
            return None if self.measured else round((power or 0) * min(elapsed, MAX_GAP_SECONDS))
        if self._counter is None:
            self.measured = True
            return 0
        if counter >= self._counter:
            return counter - self._counter
        return counter if counter <= MAX_WATTS * _MILLI * elapsed else 0

    def _give(self, above: float, parts: Parts) -> None:
        found, _ = split(above, {holder: part for holder, part in parts.parts.items() if holder is not NOBODY}, GRAIN)
        attribution = parts.attribution if self.idle_known and self.measured else ESTIMATED
        given = {}
        for holder, joules in found.items():
            key = holder.key, attribution
            given[key] = int(joules / GRAIN)
            self._holders[holder.key] = holder
            self._grains[key] = self._grains.get(key, 0) + given[key]
        # Rounding of the total may have left the rest a grain less than it was, and no counter goes back.
        while any(given.values()) and self.total_joules - sum(self._grains.values()) * GRAIN < self._rest:
            greatest = max(given, key=lambda key: given[key])
            given[greatest] -= 1
            self._grains[greatest] -= 1

    def _fold(self, now: float) -> None:
        """Those gone for long, and the longest gone where there are too many, become one."""
        going = [key for key in self._holders if key not in _STAYING]
        going.sort(key=lambda key: self._seen_at.setdefault(key, now))
        surplus = len(going) - MAX_COUNTERS
        for number, key in enumerate(going):
            if now - self._seen_at[key] <= KEPT_SECONDS and number >= surplus:
                continue
            for counted in [counted for counted in self._grains if counted[0] == key]:
                folded = DEPARTED.key, counted[1]
                self._grains[folded] = self._grains.get(folded, 0) + self._grains.pop(counted)
            del self._holders[key], self._seen_at[key]


_STAYING: Final = frozenset({NOBODY.key, DEPARTED.key})
