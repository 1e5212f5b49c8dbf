"""The collector of NVMe controllers on PCI and over fabrics, and its options."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

NVME: Final[tuple[Collects, ...]] = (
    Collects("nvme_fabrics", "NVMe controllers, on PCI and over fabrics, and the paths to their namespaces"),
)

NVME_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.nvme_fabrics.interval",
        "duration",
        15.0,
        "Time between two samples of the controllers' states; the rest is read each minute.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
)
