"""The sampler of memory modules, built from the settings."""

from __future__ import annotations

from nodescope.collectors.parts import Parts
from nodescope.devices.memory import MemorySampler
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of memory modules."""
    return SamplerLoop(MemorySampler(parts.host, parts.settings["collector.memory_modules.interval"]))
