"""The one sampler of ports that are listened on, built from the settings."""

from __future__ import annotations

from nodescope.collectors.host.listening import ListeningPortsSampler
from nodescope.collectors.parts import Parts
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the sampler."""
    settings = parts.settings
    sampler = ListeningPortsSampler(
        parts.host,
        settings["collector.listening_ports.interval"],
        settings["collector.listening_ports.max-ports"],
    )
    return SamplerLoop(sampler, grace_s=settings["collector.listening_ports.interval"])
