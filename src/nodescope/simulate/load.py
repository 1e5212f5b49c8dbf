"""Load curves: how busy a part of a simulated machine is, as a pure function of seed, name and virtual time.

A curve is a daily and an hourly sine, noise that is greater where the load is, and spikes to three times the load
in 2 % of the time. All of it is steps of whole numbers: 300 s blocks of 50 slots whose noise cancels out in pairs, so
the integral from boot to any time is exact, takes the same short time to compute however far that is, and never goes
back by a rounding.
"""

from __future__ import annotations

import math
import zlib
from array import array
from typing import Final

DAY_SECONDS: Final = 86_400
BLOCK_SECONDS: Final = 300
SLOTS_PER_BLOCK: Final = 50
SPIKE_FACTOR: Final = 3
MAX_NOISE_PERMILLE: Final = 250
FEMTOSECONDS: Final = 10**15
"""In a second. Integrals count femtoseconds: load in millionths, factor in thousandths, time in microseconds."""

_MICROSECONDS: Final = 10**6
_DAY_BLOCKS: Final = DAY_SECONDS // BLOCK_SECONDS
_SLOT_US: Final = BLOCK_SECONDS * _MICROSECONDS // SLOTS_PER_BLOCK
_BLOCK_PERMILLE: Final = 1000 * (SLOTS_PER_BLOCK - 1 + SPIKE_FACTOR)
_FULL: Final = 1000 * 10**6
_MASK: Final = 2**64 - 1

# Millionths of load. Mean, daily and hourly together stay within 0.05 and 0.31: three times that is below 1.
_MEAN: Final = (170_000, 190_000)
_DAILY: Final = (50_000, 80_000)
_HOURLY: Final = (20_000, 40_000)
_PHASES_PER_DAY: Final = 6  # all curves have their daily peak within this part of a day


def mix(number: int) -> int:
    """64 bits that look random, always the same for the same number. Source: splitmix64 (Steele, Lea, Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


class Load:
    """One curve, between 0 and 1, for a machine's `seed` and the `name` of a part of it ("cpu3", "eth0")."""

    def __init__(self, seed: int, name: str) -> None:
        self._key = mix(mix(seed & _MASK) ^ zlib.crc32(name.encode()))
        self._day = _day(self._key)
        self._before = array("q", [0])
        for load in self._day:
            self._before.append(self._before[-1] + load)

    def at(self, seconds: float) -> float:
        """The load at `seconds` after boot."""
        block, slot, _ = _place(seconds)
        _, factor = self._factors(block, slot)
        return self._day[block % _DAY_BLOCKS] * factor / _FULL

    def integral(self, seconds: float) -> int:
        """Busy femtoseconds from boot to `seconds` after it: exact, and never less for a later time."""
        block, slot, within_us = _place(seconds)
        days, of_day = divmod(block, _DAY_BLOCKS)
        blocks = days * self._before[-1] + self._before[of_day]
        factors, factor = self._factors(block, slot)
        return blocks * _BLOCK_PERMILLE * _SLOT_US + self._day[of_day] * (factors * _SLOT_US + factor * within_us)

    def mean(self, seconds: float, window_seconds: float) -> float:
        """Mean load over the last `window_seconds` before `seconds`; before boot it was 0."""
        busy = self.integral(seconds) - self.integral(max(0.0, seconds - window_seconds))
        return busy / (window_seconds * FEMTOSECONDS)

    def _spike(self, block: int) -> int:
        """The one slot of this block that is a spike."""
        return mix(self._key ^ block) % SLOTS_PER_BLOCK

    def _noise(self, block: int, pair: int) -> int:
        """What the first slot of a pair has more and the second less, in thousandths of the load."""
        return mix(self._key + (block << 8) + pair + 1) % (2 * MAX_NOISE_PERMILLE + 1) - MAX_NOISE_PERMILLE

    def _factors(self, block: int, slot: int) -> tuple[int, int]:
        """The sum of the factors of the slots before this one, and its own. Whole pairs have no noise left."""
        spike = self._spike(block)
        before = 1000 * slot + (1000 * (SPIKE_FACTOR - 1) if spike < slot else 0)
        if slot // 2 == spike // 2:
            return before, 1000 * SPIKE_FACTOR if slot == spike else 1000
        noise = self._noise(block, slot // 2)
        return (before + noise, 1000 - noise) if slot % 2 else (before, 1000 + noise)


def count(integral: int, per_second: int) -> int:
    """What was counted in `integral` femtoseconds at `per_second`, whole and never less for more time."""
    return integral * per_second // FEMTOSECONDS


def _place(seconds: float) -> tuple[int, int, int]:
    """The block since boot, the slot in it, the microseconds in that."""
    slots, within_us = divmod(int(seconds * _MICROSECONDS), _SLOT_US)
    block, slot = divmod(slots, SLOTS_PER_BLOCK)
    return block, slot, within_us


def _day(key: int) -> array[int]:
    """The load of each block of a day, in millionths, without noise and spikes."""
    mean, daily, hourly = (_between(key, nth, limits) for nth, limits in enumerate((_MEAN, _DAILY, _HOURLY)))
    day_phase, hour_phase = (mix(key - nth) / _MASK * math.tau for nth in (1, 2))
    per_block = math.tau / _DAY_BLOCKS
    return array(
        "q",
        [
            round(
                mean
                + daily * math.sin(per_block * block + day_phase / _PHASES_PER_DAY)
                + hourly * math.sin(24 * per_block * block + hour_phase)
            )
            for block in range(_DAY_BLOCKS)
        ],
    )


def _between(key: int, nth: int, limits: tuple[int, int]) -> int:
    low, high = limits
    return low + mix(key + nth) % (high - low + 1)
