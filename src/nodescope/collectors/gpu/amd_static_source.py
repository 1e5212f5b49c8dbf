"""The loop of what amd-smi tells of AMD's GPUs once and for all, which the REST API shows."""

from __future__ import annotations

from nodescope.collectors.gpu.amd_observing import static_sampler
from nodescope.collectors.parts import Parts
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler that asks amd-smi."""
    return SamplerLoop(static_sampler(parts))
