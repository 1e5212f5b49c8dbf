"""The one sampler of the devices that the kubelet gave to pods, built from the settings."""

from __future__ import annotations

from nodescope.collectors.parts import Parts
from nodescope.containers.pod_resources.sampler import PodResourcesSampler
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of given devices."""
    settings = parts.settings
    place = settings["collector.kubelet.pod-resources-socket"]
    sampler = PodResourcesSampler(parts.host, place, settings["collector.kubelet.pod-resources-interval"])
    return SamplerLoop(sampler, sampler.close)
