"""The one sampler of all RDMA collectors, built from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodescope.collectors.parts import Parts
from nodescope.devices.rdma.sampler import RdmaSampler
from nodescope.devices.rdma.sysfs import SysfsRdma
from nodescope.sampling import SamplerLoop
from nodescope.settings import Settings

GRACE_S: Final = 10.0
"""What the first reading may take where firmware is slow, or a device hangs."""

if TYPE_CHECKING:
    from nodescope.devices.rdma.programs import ProgramRdma


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the sampler of RDMA devices."""
    settings = parts.settings
    kind, on_host = settings["collector.rdma.source"], settings["collector.rdma.host-programs"]
    discovery_s = settings["collector.rdma.discovery-interval"]
    sampler = RdmaSampler(
        SysfsRdma(parts.host, discovery_s) if kind != "programs" else None,
        (lambda: _programs(settings, on_host)) if kind != "sysfs" else None,
        settings["collector.rdma.interval"],
        everywhere=on_host,
    )
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def _programs(settings: Settings, on_host: bool) -> ProgramRdma:
    # Where sysfs can be read nobody needs them.
    from nodescope.devices.rdma.programs import HOST_NAMESPACES, IBV_DEVINFO, RDMA, ProgramRdma

    return ProgramRdma(
        settings["collector.rdma.discovery-interval"],
        settings["collector.rdma.rdma"] or RDMA,
        settings["collector.rdma.ibv-devinfo"] or IBV_DEVINFO,
        HOST_NAMESPACES if on_host else (),
    )
