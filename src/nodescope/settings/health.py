"""The collector of verdicts on what is no GPU."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

HEALTH: Final[tuple[Collects, ...]] = (
    Collects("link_health", "verdicts on RDMA ports, PCI Express links, NVMe controllers and memory modules"),
)

HEALTH_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.link_health.interval",
        "duration",
        15.0,
        "Time between two looks at what the samplers of RDMA, PCI and NVMe devices and of memory have read.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
)
