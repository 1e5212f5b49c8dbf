"""The one sampler of NVIDIA's GPUs, built from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodescope.collectors.parts import Parts
from nodescope.devices.gpu_sampler import GpuSampler
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
"""What the library may take to start where the driver does not keep its GPUs initialised."""

SIGNS: Final = ("driver/nvidia/version", "driver/nvidia/params")
"""Files of procfs that are there while the kernel module is loaded."""

WSL: Final = "/dev/dxg"
"""The way to the GPUs of Windows, which has NVIDIA's kernel module there: NVML goes by it."""

POD_RESOURCES: Final = "nodescope.collectors.kubelet.pod_resources_source"

if TYPE_CHECKING:
    from nodescope.collectors.joined import Loop
    from nodescope.devices.gpu_sampler import Observer


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the sampler of NVIDIA's GPUs."""
    settings, host = parts.settings, parts.host
    forced = bool(settings["collector.gpu.nvml-library"]) or settings["collector.gpu.source"] != "auto"
    signs = (*(host.proc(sign) for sign in SIGNS), host.root(WSL))
    pods = parts.loop((POD_RESOURCES,)) if settings["collector.gpu_dcgm.kubernetes"] else None
    sampler = GpuSampler(host, signs, lambda: _observer(parts, pods), settings["collector.gpu.interval"], forced)
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def _observer(parts: Parts, pods: Loop | None) -> Observer:
    # What only a machine with a GPU needs.
    from nodescope.collectors.gpu.attributing import attributing
    from nodescope.collectors.gpu.observing import observer

    observed = attributing(parts, "nvidia", observer(parts))
    if pods is None:
        return observed
    from nodescope.collectors.gpu.pods import PodsObserver

    return PodsObserver(pods, observed)
