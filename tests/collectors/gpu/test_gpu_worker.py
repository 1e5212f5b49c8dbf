"""Collector gpu_worker: the worker GPU exporter's names."""

from __future__ import annotations

from typing import cast

from nodescope.collectors.gpu.gpu_worker import GpuWorkerCollector
from nodescope.collectors.joined import Loop
from nodescope.host import Absent
from nodescope.records.gpu import GpuReading
from nodescope.sampler import Snapshot
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import SNAPSHOT, gpu, identity, shown


def test_the_whole_of_a_snapshot() -> None:
    """The exporter's own names, and those of its guide, with the PCI address as nvidia-smi writes it."""
    assert shown(GpuWorkerCollector, *SNAPSHOT) == golden("gpu_worker")


def test_all_metrics_are_gauges() -> None:
    """As the exporter has them."""
    assert {metric.type for metric in GpuWorkerCollector.metrics} == {"gauge"}
    assert len(GpuWorkerCollector.metrics) == 3 + 12 + 5


def test_the_address_of_a_far_domain() -> None:
    """A domain of eight digits stays, one that is unknown is nothing."""
    reading = GpuReading(utilization_percent=1)
    far = gpu(0, reading, identity=identity(0, pci_address="00010001:af:00.0"))
    assert 'gpu_id="00010001:AF:00.0"' in shown(GpuWorkerCollector, far)
    assert 'gpu_id="",' in shown(GpuWorkerCollector, gpu(0, reading, identity=identity(0, pci_address=None)))


class NoGpu:
    """The loop of a sampler that finds no driver."""

    def fresh(self) -> Snapshot:
        raise Absent("the driver")


def test_a_machine_without_a_gpu() -> None:
    """The exporter says that it runs, always, and how many GPUs there are only where that is known."""
    families = GpuWorkerCollector(cast(Loop, NoGpu())).collect()
    assert [(family.metric.name, [value for _, value in family.rows]) for family in families] == [
        ("gpu_exporter_alive", [1]),
        ("gpu_exporter_info", [1]),
    ]
