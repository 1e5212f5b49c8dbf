"""The sampler of the PCI tree, built from the settings."""

from __future__ import annotations

from typing import Final

from nodescope.collectors.parts import Parts
from nodescope.devices.pci.sampler import PciSampler
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
"""What the first sample may take where devices do not answer."""


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of the PCI tree."""
    return SamplerLoop(PciSampler(parts.host, parts.settings["collector.pci.interval"]), grace_s=GRACE_S)
