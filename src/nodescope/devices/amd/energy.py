"""Goes on over the end of an energy counter of 32 bits.

*Source*: energy_accumulator of gpu_metrics, which before MI200 and of all Radeon cards has 32 bits of firmware, in a
field of 64 too: at 300 W it begins anew after 218 s, and each time looked like a reset. *Units*: millijoules.
"""

from __future__ import annotations

from typing import Final

FIELD: Final = "energy_millijoules"
WHOLE_MILLIJOULES: Final = 2**32 * 1000 >> 16
"""What 32 bits of 2^-16 J hold."""

MOST_WATTS: Final = 1000
"""More than any card with such a counter takes: what grew faster over the end has not, it began anew."""

MOST_SECONDS: Final = 60.0
"""After more than that a greatest card could have been through the whole counter."""


class EnergyCounter:
    """Of one GPU, in one thread."""

    def __init__(self) -> None:
        self._last = 0
        self._at = 0.0
        self._over = 0

    def continued(self, counter: int, now: float) -> int:
        """The counter as if it had no end. `now`: CLOCK_MONOTONIC; a counter that began anew begins anew."""
        if counter < self._last:
            seconds, grown = now - self._at, counter + WHOLE_MILLIJOULES - self._last
            is_over = seconds <= MOST_SECONDS and 0 <= grown <= MOST_WATTS * 1000 * seconds
            self._over = self._over + WHOLE_MILLIJOULES if is_over else 0
        self._last, self._at = counter, now
        return self._over + counter
