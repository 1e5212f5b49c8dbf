"""What the REST API answers from: the newest snapshots of a measurement's samplers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from nodescope import collectors
from nodescope.api.node import Sampled
from nodescope.collectors.joined import Loop
from nodescope.measurement import Measurement
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth
from nodescope.sampler import Snapshot

AMD_STATIC: Final = f"{collectors.__name__}.gpu.amd_static_source"
DRI: Final = f"{collectors.__name__}.dri_source"
LINK_HEALTH: Final = f"{collectors.__name__}.link_health.source"
OF_RDMA: Final = f"{collectors.__name__}.rdma.source"
OF_PCI: Final = f"{collectors.__name__}.pci.source"
CONTAINERS: Final = f"{collectors.__name__}.container.source"


class MeasuredNode:
    """The node as its samplers saw it last. What no collector measures has no records.

    No method waits or raises: a sampler that fails shows its last snapshot, whose age tells.
    """

    def __init__(self, measurement: Measurement) -> None:
        self._parts = measurement.parts
        self._dri = self._parts.loop((DRI,))
        settings = measurement.settings
        if settings["collector.container.follow"] and settings.collects("container"):
            # What happens to containers is news from now on, whether anybody asks for /pods or not.
            self._parts.loop((CONTAINERS,)).start()

    def gpus(self) -> Sampled:
        """All records of the GPUs of every vendor."""
        return _sampled(self._measured(collectors.ALL_GPUS))

    def rdma(self) -> Sampled:
        """RDMA devices, ports and counters."""
        return _sampled(self._measured((OF_RDMA,)))

    def pci(self) -> Sampled:
        """The PCI tree."""
        return _sampled(self._measured((OF_PCI,)))

    def dri(self) -> Sampled:
        """DRM nodes. They are sampled from the first request on."""
        self._dri.start()
        return _sampled((self._dri,))

    def driver_versions(self) -> Mapping[str, str]:
        """The driver's version by vendor, as its source tells it, else as a GPU does."""
        records = self.gpus().records
        of_gpus = {
            gpu.identity.vendor: gpu.identity.driver_version
            for gpu in records
            if type(gpu) is Gpu and gpu.identity.driver_version
        }
        of_sources = {
            source.vendor: source.driver_version
            for source in records
            if type(source) is GpuSource and source.driver_version
        }
        return of_gpus | of_sources

    def amd_static(self) -> Sampled:
        """What amd-smi says of AMD's GPUs, where it was asked."""
        for loop in self._measured((AMD_STATIC,)):
            loop.start()
        return _only(_sampled(self._measured((AMD_STATIC,))), (AmdStatic,))

    def pods(self) -> Sampled:
        """Containers, what they use and what they hold."""
        return _sampled(self._measured((CONTAINERS,)))

    def health(self) -> Sampled:
        """All verdicts."""
        links = self._measured((LINK_HEALTH,))
        return _only(_sampled((*self._measured(collectors.ALL_GPUS), *links)), (GpuHealth, DeviceHealth))

    def _measured(self, modules: Sequence[str]) -> tuple[Loop, ...]:
        """The loops of those samplers that a collector has asked for."""
        loops = self._parts.loops
        return tuple(loops[module] for module in modules if module in loops)


def _sampled(loops: Sequence[Loop]) -> Sampled:
    # One without records found nothing to read, which does not grow old.
    snapshots: list[Snapshot] = [
        snapshot for loop in loops if (snapshot := loop.snapshot) is not None and snapshot.records
    ]
    if not snapshots:
        return Sampled()
    oldest = min(snapshot.monotonic_seconds for snapshot in snapshots)
    records = tuple(record for snapshot in snapshots for record in snapshot.records)
    return Sampled(records, max(0.0, time.monotonic() - oldest))


def _only(sampled: Sampled, kinds: tuple[type, ...]) -> Sampled:
    return Sampled(tuple(record for record in sampled.records if type(record) in kinds), sampled.age_seconds)
