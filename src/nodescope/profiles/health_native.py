"""Profile native of verdicts on what is no GPU. Those on GPUs are in `gpu_native`."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.health import DeviceHealth

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    DeviceHealth: (
        Row(
            "nodescope_link_health",
            "gauge",
            "Verdict on a component of a device: 0 ok, 1 warning, 2 critical, 3 unknown.",
            (("component", "component"), ("subject", "subject")),
            "value",
        ),
    ),
}
