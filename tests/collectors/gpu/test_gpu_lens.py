"""Collector gpu_lens: the names of Primus-Lens' node-exporter."""

from __future__ import annotations

from nodescope.collectors.gpu.gpu_lens import GpuLensCollector
from nodescope.records.gpu import GpuReading
from tests.collectors.gpu import amd_snapshot
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import gpu, shown


def test_the_whole_of_a_snapshot() -> None:
    """Use, power and PCIe traffic of each GPU by its index, and nothing else."""
    assert shown(GpuLensCollector, *amd_snapshot.SNAPSHOT) == golden("gpu_lens")


def test_several_vendors() -> None:
    """Where two vendors have GPUs of the same index, all are counted through."""
    reading = GpuReading(utilization_percent=7)
    page = shown(GpuLensCollector, gpu(0, reading), gpu(1, reading), amd_snapshot.gpu(0, reading))
    assert [line for line in page.splitlines() if line[0] != "#"] == [
        f'gpu_utilization{{gpu_id="{index}"}} 7' for index in (0, 1, 2)
    ]


def test_indexes_stay() -> None:
    """Where no index is there twice they are the drivers' own, be there holes."""
    reading = GpuReading(utilization_percent=7)
    page = shown(GpuLensCollector, gpu(3, reading), amd_snapshot.gpu(5, reading))
    assert 'gpu_id="3"' in page
    assert 'gpu_id="5"' in page
    unknown = amd_snapshot.gpu(0, reading, index=None)
    assert 'gpu_id="0"' in shown(GpuLensCollector, unknown)


def test_traffic_of_a_driver_that_counts_bytes() -> None:
    """Both ways together, in Mbit/s; one way alone is not told."""
    both = GpuReading(pcie_tx_kilobytes_per_second=125.0, pcie_rx_kilobytes_per_second=250.0)
    assert 'gpu_pcie_bandwidth_mbs{gpu_id="0"} 3' in shown(GpuLensCollector, gpu(0, both))
    assert shown(GpuLensCollector, gpu(0, GpuReading(pcie_tx_kilobytes_per_second=125.0))) == ""
