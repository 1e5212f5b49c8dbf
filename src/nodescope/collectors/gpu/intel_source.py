"""The one sampler of Intel's GPUs, built from the settings. Nothing of theirs is imported before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodescope.collectors.parts import Parts
from nodescope.devices.gpu_sampler import GpuSampler
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
"""What the first sample may take where a GPU sleeps."""

SIGNS: Final = ("bus/pci/drivers/i915", "bus/pci/drivers/xe")
"""Folders of sysfs that are there while a driver is."""

if TYPE_CHECKING:
    from nodescope.devices.gpu_sampler import Observer


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the sampler of Intel's GPUs."""
    host = parts.host
    signs = tuple(host.sys(sign) for sign in SIGNS)
    sampler = GpuSampler(host, signs, lambda: _observer(parts), parts.settings["collector.gpu.interval"])
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def _observer(parts: Parts) -> Observer:
    # What only a machine with such a GPU needs.
    from nodescope.collectors.gpu.attributing import attributing
    from nodescope.collectors.gpu.vendor_observer import observer_of
    from nodescope.devices.intel.source import IntelSource
    from nodescope.devices.intel.throttle import throttles

    source = IntelSource(parts.host, parts.settings["collector.gpu.interval"])
    return attributing(parts, "intel", observer_of(parts, "intel", source, throttles))
