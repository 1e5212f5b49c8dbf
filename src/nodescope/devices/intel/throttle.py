"""Why an Intel GPU's clocks are lower than they could be.

*Source*: throttle_reason_* of i915, freq0/throttle/reason_* of xe, by the kernel's names: "pl1" and "pl2" (sustained
and burst power limit), "pl4" (peak current), "thermal", "prochot" (the platform says that it is too hot), "ratl",
"vr_thermalert", "vr_tdc" ... *Absent when*: the driver does not tell them (before Linux 6.0, virtual functions).
"""

from __future__ import annotations

from typing import Final

from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import GpuThrottle

PREFIX: Final = "throttle_reason_"


def throttles(identity: GpuIdentity, reading: GpuReading) -> tuple[GpuThrottle, ...]:
    """One record for each reason that the driver knows, `active` 1 where it holds any GT's clock down."""
    return tuple(
        GpuThrottle(identity=identity, reason=name.removeprefix(PREFIX), active=int(value != 0))
        for name, value in reading.driver_fields.items()
        if name.startswith(PREFIX)
    )
