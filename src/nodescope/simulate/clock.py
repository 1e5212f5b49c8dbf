"""Time in a simulated machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class VirtualClock:
    """Virtual seconds since the simulated machine's boot.

    They begin at `start_seconds` and go on `speed` times as fast as `monotonic`; at speed 0 only `step` moves them.
    Never goes back. Raises `ValueError` where a figure is negative or not finite.
    """

    def __init__(self, start_seconds: float, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._start = _forward("start of the virtual clock in seconds", start_seconds)
        self._speed = _forward("speed of the virtual clock", speed)
        self._monotonic = monotonic
        self._origin = monotonic()

    def now(self) -> float:
        return self._start + (self._monotonic() - self._origin) * self._speed

    def step(self, seconds: float) -> None:
        """Jump ahead by `seconds` of virtual time."""
        self._start += _forward("step of the virtual clock in seconds", seconds)


def _forward(what: str, number: float) -> float:
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{what}: expected a finite number of at least 0, got {number}")
    return number
