"""The one sampler of local storage as the kubelet tells it, built from the settings."""

from __future__ import annotations

from nodescope.collectors.kubelet.access import GRACE_S, access
from nodescope.collectors.parts import Parts
from nodescope.containers.kubelet.samplers import SummarySampler
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of local storage."""
    settings = parts.settings
    node, interval_s = settings["collector.kubelet.node-name"], settings["collector.kubelet.summary-interval"]
    sampler = SummarySampler(access(settings), interval_s, node)
    return SamplerLoop(sampler, sampler.close, GRACE_S)
