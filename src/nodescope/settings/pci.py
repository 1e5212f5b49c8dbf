"""The collector of the PCI tree, and its options."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

PCI: Final[tuple[Collects, ...]] = (
    Collects("pci", "the PCI tree: GPUs, network, RDMA and NVMe devices, their links, what is near what"),
)

PCI_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.pci.interval",
        "duration",
        15.0,
        "Time between two samples of links and errors; which devices there are is read each minute.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
)
