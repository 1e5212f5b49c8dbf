"""Readings of partitions, from the GPU's gpu_metrics and from their own files."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.gpu_metrics import GpuMetrics
from nodescope.devices.amd.kfd import KfdNode
from nodescope.devices.amd.partition_readings import PartitionReadings
from nodescope.devices.amd.partitions import Partition, identities
from nodescope.simulate.amd_gpu_metrics import encode_partition
from tests.devices.amd.amd_node import AmdNode


def _partition(number: int, folder: str) -> Partition:
    return Partition(number, KfdNode(number, number, (0, number)), folder, None, None)


def test_the_gpus_file_comes_first(tmp_path: Path) -> None:
    """A partition is told of by its number in gpu_metrics; one that is not told of there by its own file."""
    node = AmdNode(tmp_path)
    parts = [_partition(number, f"{tmp_path}/{number}") for number in (1, 3, 4)]
    node.write("3/xcp/xcp_metrics", encode_partition({"gfx_busy_inst": [70, 90], "current_gfxclk": [1500, 1700]}))
    node.write("4/xcp/xcp_metrics", b"nonsense")
    metrics = GpuMetrics(1, 8, {"current_gfxclk": (1, 2)}, ({"gfx_busy_inst": (1,)}, {"gfx_busy_inst": (20, 40)}))
    files = DeviceFiles(node.host, str(tmp_path))
    readings = PartitionReadings(node.host, files).read(identities("u", parts, "QPX"), parts, metrics)
    assert [(one.uuid, one.utilization_percent, one.clock_graphics_megahertz) for one in readings] == [
        ("u-1", 30, 2),
        ("u-3", 80, 1700),
        ("u-4", None, None),
    ]
    assert files.left_out == 1


def test_none(tmp_path: Path) -> None:
    """A GPU that is not partitioned has no such readings."""
    node = AmdNode(tmp_path)
    assert PartitionReadings(node.host, DeviceFiles(node.host, str(tmp_path))).read((), (), None) == ()
