"""The one sampler of AMD's GPUs, built from the settings. Nothing of theirs is imported before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodescope.collectors.parts import Parts
from nodescope.devices.gpu_sampler import GpuSampler
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
"""What the first sample may take where a GPU sleeps or a tool stands in for sysfs."""

SIGNS: Final = ("bus/pci/drivers/amdgpu", "module/amdgpu")
"""Folders of sysfs that are there while the driver is."""

POD_RESOURCES: Final = "nodescope.collectors.kubelet.pod_resources_source"
AUTO: Final = "auto"
SYSFS: Final = "sysfs"

if TYPE_CHECKING:
    from nodescope.collectors.joined import Loop
    from nodescope.devices.gpu_sampler import Observer


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the sampler of AMD's GPUs."""
    settings, host = parts.settings, parts.host
    signs = tuple(host.sys(sign) for sign in SIGNS)
    # Where a tool was asked for by name the driver may be out of sight, as it is in some containers.
    forced = settings["collector.gpu.amd-source"] not in (AUTO, SYSFS)
    pods = parts.loop((POD_RESOURCES,)) if settings["collector.gpu_conductor.kubernetes"] else None
    sampler = GpuSampler(host, signs, lambda: _observer(parts, pods), settings["collector.gpu.interval"], forced)
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def _observer(parts: Parts, pods: Loop | None) -> Observer:
    # What only a machine with such a GPU needs.
    from nodescope.collectors.gpu.amd_observing import observer
    from nodescope.collectors.gpu.attributing import attributing

    observed = attributing(parts, "amd", observer(parts))
    if pods is None:
        return observed
    from nodescope.collectors.gpu.pods import PodsObserver

    return PodsObserver(pods, observed)
