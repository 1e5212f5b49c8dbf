"""Why an NVIDIA GPU's clocks are lower than they could be.

*Source*: nvmlDeviceGetCurrentClocksEventReasons, whose mask is documented in nvml.h (nvmlClocksEventReason*,
nvmlClocksThrottleReason*). *Absent when*: the driver does not tell the mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import GpuThrottle

REASONS: Final[Mapping[str, int]] = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
}
"""Told as 1 or 0: every driver knows them."""

SELDOM: Final[Mapping[str, int]] = {"board_limit": 0x200, "reliability": 0x400}
"""Told only where they hold: of a driver that does not know them 0 would say nothing."""

UNKNOWN: Final = "unknown"
_KNOWN: Final = sum(REASONS.values()) | sum(SELDOM.values())


def throttles(identity: GpuIdentity, mask: int | None) -> tuple[GpuThrottle, ...]:
    """One record for each reason, `active` 1 or 0; "unknown" where the mask has bits that have no name here."""
    if mask is None:
        return ()
    active = {reason: int(mask & bit != 0) for reason, bit in REASONS.items()}
    active |= {reason: 1 for reason, bit in SELDOM.items() if mask & bit}
    if mask & ~_KNOWN:
        active[UNKNOWN] = 1
    return tuple(GpuThrottle(identity=identity, reason=reason, active=value) for reason, value in active.items())
