"""Names to collectors. A new collector is one file here, one line in a table of settings, one test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodescope.collectors.parts import Parts
from nodescope.settings.container import CONTAINER, MACHINE
from nodescope.settings.gpu import GPU
from nodescope.settings.health import HEALTH
from nodescope.settings.host import HOST
from nodescope.settings.kubelet import KUBELET
from nodescope.settings.memory import MEMORY
from nodescope.settings.nvme import NVME
from nodescope.settings.pci import PCI
from nodescope.settings.rdma import LISTENING, RDMA

if TYPE_CHECKING:
    from nodescope.collector import Collector
    from nodescope.host import Host
    from nodescope.settings import Settings


class Entry(NamedTuple):
    """`name` is the file, the settings key and the label value. `module` has `build(host, settings)`; where there are
    `sources`, modules each with the loop of a sampler that it shows, `build(host, settings, loop)`."""

    name: str
    module: str
    sources: tuple[str, ...] = ()


NVIDIA: Final = f"{__name__}.gpu.source"
AMD: Final = f"{__name__}.gpu.amd_source"
INTEL: Final = f"{__name__}.gpu.intel_source"
ALL_GPUS: Final = (NVIDIA, AMD, INTEL)
GPU_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "gpu": ALL_GPUS,
    "gpu_dcgm": (NVIDIA,),
    "gpu_worker": (NVIDIA,),
    "gpu_epic": (NVIDIA,),
    "gpu_rocm": (AMD,),
    "gpu_conductor": (AMD,),
    "gpu_lens": ALL_GPUS,
}
"""Collector -> the vendors whose GPUs it shows."""

TABLE: Final[tuple[Entry, ...]] = (
    *(Entry(collects.name, f"{__name__}.host.{collects.name}") for collects in HOST),
    *(Entry(collects.name, f"{__name__}.gpu.{collects.name}", GPU_SOURCES[collects.name]) for collects in GPU),
    *(Entry(collects.name, f"{__name__}.rdma.{collects.name}", (f"{__name__}.rdma.source",)) for collects in RDMA),
    *(
        Entry(collects.name, f"{__name__}.{collects.name}.{collects.name}", (f"{__name__}.{collects.name}.source",))
        for collects in (*PCI, *NVME, *MEMORY, *HEALTH)
    ),
    *(
        Entry(collects.name, f"{__name__}.host.{collects.name}", (f"{__name__}.host.listening_source",))
        for collects in LISTENING
    ),
    *(
        Entry(collects.name, f"{__name__}.container.{collects.name}", (f"{__name__}.container.source",))
        for collects in CONTAINER
    ),
    *(Entry(collects.name, f"{__name__}.container.{collects.name}") for collects in MACHINE),
    *(
        Entry(
            collects.name,
            f"{__name__}.kubelet.{collects.name}",
            (f"{__name__}.kubelet.pods_source", f"{__name__}.kubelet.summary_source"),
        )
        for collects in KUBELET
    ),
)

BY_NAME: Final[dict[str, Entry]] = {entry.name: entry for entry in TABLE}


def build(name: str, host: Host, settings: Settings, parts: Parts | None = None) -> Collector:
    """The collector `name`. Imports its module now, so what is not used costs no memory. `parts`: what it shares."""
    entry = BY_NAME[name]
    module: Any = import_module(entry.module)
    shown = ((parts or Parts(host, settings)).loop(entry.sources),) if entry.sources else ()
    collector: Collector = module.build(host, settings, *shown)
    return collector
