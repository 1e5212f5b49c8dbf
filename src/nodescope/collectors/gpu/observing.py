"""What observes NVIDIA's GPUs, put together: source, XIDs, health. Imported only where there is a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from nodescope.collectors.gpu.vendor_observer import observer_of
from nodescope.collectors.kept_state import kept_path
from nodescope.collectors.over_reloads import over_reloads
from nodescope.collectors.parts import Parts
from nodescope.devices.nvidia.fallback import Fallback
from nodescope.devices.nvidia.frame import Options, SimulatedOptions, Xid
from nodescope.devices.nvidia.pausable import Pausable
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.nvidia.supervisor import Supervisor
from nodescope.devices.nvidia.throttle import throttles
from nodescope.devices.nvidia.xid.xids import Xids
from nodescope.devices.observer import GpuObserver
from nodescope.devices.source import Source

VENDOR: Final = "nvidia"
LIBRARY: Final = "libnvidia-ml.so.1"
XIDS: Final = "nvidia.xids"
XID_FILE: Final = "gpu_xids.json"
CHILD: Final = "nodescope.devices.nvidia.child"
SIMULATED: Final = "nodescope.simulate.gpu_child"


def observer(parts: Parts) -> GpuObserver:
    """The observer of this machine's GPUs, as the settings want it."""
    xids = _xids(parts)
    return observer_of(
        parts,
        VENDOR,
        _source(parts, xids.nvml),
        lambda identity, reading: throttles(identity, reading.throttle_reasons),
        xids,
        lambda: xids.problem,
    )


def _source(parts: Parts, on_xid: Callable[[Xid], None]) -> Source:
    kind = parts.settings["collector.gpu.source"]
    if kind == "nvidia-smi":
        return _pausable_smi(parts)
    if kind == "auto":
        return Fallback(nvml_source(parts, on_xid), lambda: _pausable_smi(parts))
    return nvml_source(parts, on_xid)


def nvml_source(parts: Parts, on_xid: Callable[[Xid], None]) -> Source:
    """The driver's library, in a child; or the simulated GPUs, which speak the same frames."""
    settings = parts.settings
    simulated = settings["collector.gpu.source"] == "simulated"
    interval_s, library = settings["collector.gpu.interval"], settings["collector.gpu.nvml-library"] or LIBRARY
    options = Options(interval_seconds=interval_s, library=library)
    if simulated:
        told = parts.surroundings.simulated_gpus or {}
        options = SimulatedOptions(interval_seconds=interval_s, simulate=told)
    return Supervisor(
        (sys.executable, "-m", SIMULATED if simulated else CHILD),
        options,
        parts.host,
        on_xid,
        parts.publish,
        kind="simulated" if simulated else "nvml",
        pause_file=PauseFile(settings["collector.gpu.pause-file"]),
    )


def _pausable_smi(parts: Parts) -> Source:
    return Pausable(lambda: smi_source(parts), PauseFile(parts.settings["collector.gpu.pause-file"]))


def smi_source(parts: Parts) -> Source:
    """nvidia-smi."""
    from nodescope.devices.nvidia.smi.source import SmiSource

    settings = parts.settings
    pause_file = PauseFile(settings["collector.gpu.pause-file"])
    program, interval_s = settings["collector.gpu.nvidia-smi"], settings["collector.gpu.interval"]
    return SmiSource(parts.host, program, interval_s, is_paused=pause_file.is_paused)


def _xids(parts: Parts) -> Xids:
    """One for the life of the agent: the kernel log is read from where it was, and counts never go back."""
    kmsg = parts.settings["collector.gpu.kmsg"]
    return over_reloads(parts, XIDS, lambda: Xids(parts.host, kept_path(parts, XID_FILE), kmsg, parts.publish))
