"""Collector gpu_epic: the mock GPU exporter's names."""

from __future__ import annotations

from nodescope.collectors.gpu.gpu_epic import GpuEpicCollector
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import SNAPSHOT, shown


def test_the_whole_of_a_snapshot() -> None:
    """The five families of the mock, by the GPU's index."""
    assert shown(GpuEpicCollector, *SNAPSHOT) == golden("gpu_epic")
    assert {metric.name for metric in GpuEpicCollector.metrics} == {
        "nvidia_gpu_utilization", "nvidia_gpu_memory_used_bytes", "nvidia_gpu_memory_total_bytes",
        "nvidia_gpu_temperature_celsius", "nvidia_gpu_power_watts",
    }  # fmt: skip
