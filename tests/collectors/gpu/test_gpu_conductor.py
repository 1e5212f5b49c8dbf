"""Collector gpu_conductor: the names of the conductor GPU exporter."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec

from nodescope.collectors.gpu.gpu_conductor import GpuConductorCollector
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import GpuSource
from tests.collectors.gpu.amd_snapshot import READING, SNAPSHOT, gpu
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import shown

MAX_PAGE_BYTES = 1024


def text(*records: Any) -> str:
    return shown(lambda loop: GpuConductorCollector(loop, "node-7"), *records)


def test_the_whole_of_a_snapshot() -> None:
    """Both families of names, errors by type, the time of the last collection and how long collections took."""
    assert text(*SNAPSHOT) == golden("gpu_conductor")


def test_the_page_is_small() -> None:
    """Eight GPUs with numbers of their own take at most 1 KB, compressed."""
    gpus = [
        gpu(
            index,
            msgspec.structs.replace(
                READING,
                utilization_percent=91.0 - 7 * index,
                memory_used_bytes=48 * 2**30 + 7_340_032 * index * index,
                power_milliwatts=650_123 + 4_567 * index,
                temperature_celsius=50 + 3 * index,
            ),
        )
        for index in range(8)
    ]
    others = [record for record in SNAPSHOT if not hasattr(record, "identity")]
    page = text(*gpus, *others)
    assert page.count("k8s_gpu_power{") == 8
    assert len(gzip.compress(page.encode(), 1)) <= MAX_PAGE_BYTES


def test_unknown_is_absent() -> None:
    """A GPU that tells nothing has no series, and memory without its total no share of it."""
    assert text(gpu(0, GpuReading())) == ""
    assert "k8s_gpu_memory" not in text(gpu(0, GpuReading(memory_used_bytes=5)))


def test_errors_are_there_before_they_happen() -> None:
    """Once something was sampled each type of error is told, be it none; before there is nothing."""
    page = text(*(record for record in SNAPSHOT if type(record).__name__ == "GpuSampling"))
    assert 'k8s_gpu_collector_errors_total{type="validation"} 0' in page
    assert "gpu_metrics_command_errors_total 0" in page
    assert text(GpuSource(vendor="amd", kind="sysfs", state="starting")) == ""
