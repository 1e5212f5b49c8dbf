"""The sampler of NVMe controllers, built from the settings."""

from __future__ import annotations

from typing import Final

from nodescope.collectors.parts import Parts
from nodescope.devices.nvme import NvmeSampler
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
"""What the first sample may take where devices do not answer."""


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of NVMe controllers."""
    return SamplerLoop(NvmeSampler(parts.host, parts.settings["collector.nvme_fabrics.interval"]), grace_s=GRACE_S)
