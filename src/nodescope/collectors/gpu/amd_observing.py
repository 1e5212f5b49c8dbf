"""What observes AMD's GPUs, put together: sysfs, and the tools in its place. Imported only where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nodescope.collectors.gpu.vendor_observer import observer_of
from nodescope.collectors.parts import Parts
from nodescope.devices.amd.amd_static import AmdStaticSampler, Supplemented
from nodescope.devices.amd.fallback import Fallback
from nodescope.devices.amd.sysfs_source import SysfsSource
from nodescope.devices.amd.throttle import AmdThrottles
from nodescope.devices.nvidia.pausable import Pausable
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.observer import GpuObserver
from nodescope.devices.source import Source

VENDOR: Final = "amd"
ON_HOST: Final = "host"
AUTO: Final = "auto"
STATIC: Final = f"{__name__.rpartition('.')[0]}.amd_static_source"


def observer(parts: Parts) -> GpuObserver:
    """The observer of this machine's GPUs, as the settings want it."""
    kind = parts.settings["collector.gpu.amd-source"]
    # A tool has the driver open while it runs; sysfs never has.
    pause_file = PauseFile(parts.settings["collector.gpu.pause-file"])
    openers: dict[str, Callable[[], Source]] = {
        "sysfs": lambda: _sysfs(parts),
        "amd-smi": lambda: Pausable(lambda: _amd_smi(parts), pause_file),
        "rocm-smi": lambda: Pausable(lambda: _rocm_smi(parts), pause_file),
    }
    source = Fallback(tuple(openers.values())) if kind == AUTO else openers[kind]()
    return observer_of(parts, VENDOR, source, AmdThrottles())


def static_sampler(parts: Parts) -> AmdStaticSampler:
    """What asks amd-smi now and then for what sysfs does not tell."""
    settings = parts.settings
    return AmdStaticSampler(
        parts.host,
        settings["collector.gpu.amd-smi"],
        _namespace(parts),
        settings["collector.gpu.amd-static-interval"],
        pause_file=PauseFile(settings["collector.gpu.pause-file"]),
    )


def _sysfs(parts: Parts) -> Source:
    source = SysfsSource(parts.host, parts.settings["collector.gpu.interval"])
    if not parts.settings["collector.gpu.amd-static-interval"]:
        return source
    static: Any = parts.loop((STATIC,))
    return Supplemented(source, static.sampler)


def _amd_smi(parts: Parts) -> Source:
    # Where sysfs can be read nobody needs it.
    from nodescope.devices.amd.amd_smi import amd_smi_source

    program = parts.settings["collector.gpu.amd-smi"]
    return amd_smi_source(parts.host, program, _namespace(parts), _interval_s(parts), is_paused=_pause(parts))


def _rocm_smi(parts: Parts) -> Source:
    from nodescope.devices.amd.rocm_smi import rocm_smi_source

    program = parts.settings["collector.gpu.rocm-smi"]
    return rocm_smi_source(parts.host, program, _namespace(parts), _interval_s(parts), is_paused=_pause(parts))


def _pause(parts: Parts) -> Callable[[], bool]:
    return PauseFile(parts.settings["collector.gpu.pause-file"]).is_paused


def _namespace(parts: Parts) -> str:
    return ON_HOST if parts.settings["collector.gpu.host-programs"] else ""


def _interval_s(parts: Parts) -> float:
    """A run of a tool costs too much for each second."""
    from nodescope.devices.amd.tool_source import INTERVAL_S

    return max(float(parts.settings["collector.gpu.interval"]), INTERVAL_S)
