"""The loop of the DRI mapping, which the REST API shows."""

from __future__ import annotations

from nodescope.collectors.parts import Parts
from nodescope.devices.dri_sampler import DriSampler
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of DRM nodes."""
    return SamplerLoop(DriSampler(parts.host))
