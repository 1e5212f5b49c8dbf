"""Power of a GPU, from its counter of energy."""

from __future__ import annotations

from typing import Final

LEAST_SECONDS: Final = 0.05
"""The driver updates the counter in steps: over less than this it gives noise."""


class Power:
    """Remembers the counter (microjoules, which drivers keep from wrapping) and when it was read."""

    def __init__(self) -> None:
        self._at = 0.0
        self._microjoules: int | None = None
        self._milliwatts: int | None = None

    def fields(self, microjoules: int | None, now: float) -> dict[str, int]:
        """Fields of a `GpuReading`: energy, and the mean power since the call before.

        No power the first time, nor where the counter began anew. Nothing where the counter cannot be read.
        """
        if microjoules is None or microjoules < 0:
            self._microjoules = self._milliwatts = None
            return {}
        if self._microjoules is None or microjoules < self._microjoules:
            self._milliwatts = None
            self._at, self._microjoules = now, microjoules
        elif now - self._at >= LEAST_SECONDS:
            self._milliwatts = round((microjoules - self._microjoules) / (now - self._at) / 1000)
            self._at, self._microjoules = now, microjoules
        found = {"energy_millijoules": microjoules // 1000}
        return found if self._milliwatts is None else {**found, "power_milliwatts": self._milliwatts}
