"""Why an AMD GPU's clocks are lower than they could be.

*Source*: the residencies of gpu_metrics since version 1.6 (MI300 and newer): how long each cause has held clocks down,
as counters. A cause is active where its counter grew since the sample before. *Absent when*: the GPU has no such
counters, and at its first sample. The bit field throttle_status of older GPUs is not used: on some of them (Navi 31,
R9700) a bit of it is always set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import GpuThrottle

MAX_GPUS: Final = 256


class AmdThrottles:
    """Remembers the counters of each GPU's last sample. For one thread."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Mapping[str, int], tuple[GpuThrottle, ...]]] = {}

    def __call__(self, identity: GpuIdentity, reading: GpuReading) -> tuple[GpuThrottle, ...]:
        """One record for each cause, `active` 1 or 0. The same sample again gives the same again."""
        now = reading.throttled_ns
        before, told = self._last.get(identity.uuid, (None, ()))
        if now is before:
            return told
        if not now:
            self._last.pop(identity.uuid, None)
            return ()
        # A counter that is less than it was began anew, and what it counted since is not known.
        grown = {cause: count - before[cause] for cause, count in now.items() if cause in before} if before else {}
        told = tuple(
            GpuThrottle(identity=identity, reason=cause, active=int(more > 0))
            for cause, more in grown.items()
            if more >= 0
        )
        if len(self._last) >= MAX_GPUS:
            self._last.clear()
        self._last[identity.uuid] = now, told
        return told
