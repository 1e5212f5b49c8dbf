"""How busy something is that mostly computes: what a curve of load leaves of its time."""

from __future__ import annotations

from typing import Final

from nodescope.simulate.load import FEMTOSECONDS, Load

_MICROSECONDS: Final = 10**6


class Work:
    """One curve, between 0 and 1, for a machine's `seed` and the `name` of a part of it. Always 0 where `idle`."""

    def __init__(self, seed: int, name: str, idle: bool = False) -> None:
        self._load = Load(seed, name)
        self._idle = idle

    def at(self, seconds: float) -> float:
        """How busy it is `seconds` after boot."""
        return 0.0 if self._idle else 1.0 - self._load.at(seconds)

    def integral(self, seconds: float) -> int:
        """Busy femtoseconds from boot to `seconds` after it: exact, and never less for a later time."""
        if self._idle:
            return 0
        return int(seconds * _MICROSECONDS) * (FEMTOSECONDS // _MICROSECONDS) - self._load.integral(seconds)
