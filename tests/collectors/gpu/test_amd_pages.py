"""What the roles of AMD's GPUs answer on a whole node, from sysfs to the page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodescope.configuration import load
from nodescope.measurement import Measurement
from nodescope.roles import BY_NAME
from nodescope.simulate.amd_tree import write_mi300x

GPUS = 8
FIRST_S = 30.0
MAX_PAGE_BYTES = 1024
CONDUCTOR = {
    "amd_gpu_memory_used_bytes",
    "amd_gpu_power_watts",
    "amd_gpu_temperature_celsius",
    "amd_gpu_utilization",
    "gpu_metrics_collection_duration_seconds",
    "gpu_metrics_command_errors_total",
    "gpu_metrics_parse_errors_total",
    "k8s_gpu_collector_errors_total",
    "k8s_gpu_last_collection_timestamp",
    "k8s_gpu_memory",
    "k8s_gpu_metrics_collection_duration_seconds",
    "k8s_gpu_power",
    "k8s_gpu_utilization",
}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """page("rocm", "CPX"): the metrics page of a role on a node of eight MI300X."""
    measurements: list[Measurement] = []

    def served(role_name: str, partition: str = "SPX") -> str:
        write_mi300x(tmp_path, GPUS, partition)
        (tmp_path / "proc").mkdir(exist_ok=True)
        role = BY_NAME[role_name]
        paths = {
            "path.procfs": str(tmp_path / "proc"),
            "path.sysfs": str(tmp_path / "sys"),
            "path.rootfs": str(tmp_path),
        }
        measurement = Measurement(load(paths, {}, dict(role.defaults)), {"only": role.collectors})
        measurements.append(measurement)
        measurement.start()
        measurement.first_samples(FIRST_S)
        body, _ = measurement.scrape(role, "only", {}).render()
        return body.decode()

    yield served
    for measurement in measurements:
        measurement.stop()


def names(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def test_the_conductors_page(page: Callable[..., str]) -> None:
    """It has the exporter's families alone, a series of each for every GPU, in at most 1 KB compressed."""
    text = page("conductor")
    assert names(text) == CONDUCTOR
    for name in ("k8s_gpu_utilization", "k8s_gpu_memory", "k8s_gpu_power", "amd_gpu_power_watts"):
        assert text.count(f"\n{name}{{") == GPUS
    assert len(gzip.compress(text.encode(), 1)) <= MAX_PAGE_BYTES


@pytest.mark.parametrize(("partition", "entries"), [("SPX", 8), ("CPX", 64)])
def test_the_rocm_page(page: Callable[..., str], partition: str, entries: int) -> None:
    """Every partition counts, the power of each GPU is told once, and what nodescope says of itself is beside it."""
    text = page("rocm", partition)
    assert re.search(rf"^gpu_nodes_total\{{.*\}} {entries}$", text, re.MULTILINE)
    assert text.count("\ngpu_package_power{") == GPUS
    assert text.count("\ngpu_gfx_busy_instantaneous{") == (entries if partition == "CPX" else 0)
    assert "nodescope_collector_success" in text


def test_the_lens_page(page: Callable[..., str]) -> None:
    """The three families of GPUs are there for each; what needs Kubernetes is not."""
    text = page("lens")
    for name in ("gpu_utilization", "gpu_socket_power_watts", "gpu_pcie_bandwidth_mbs"):
        assert text.count(f"\n{name}{{gpu_id=") == GPUS
    assert "allocation_rate" not in text


def test_the_native_page(page: Callable[..., str]) -> None:
    """The same GPUs under OpenTelemetry's names, beside those of vendors that are not there."""
    text = page("gpu-native", "CPX")
    assert text.count("\nhw_power_watts{") == GPUS
    assert text.count("\nhw_gpu_instance_info{") == 8 * GPUS
    assert 'nodescope_gpu_source_info{cuda_version="",driver_version=' in text
    assert 'nodescope_collector_left_out{collector="gpu"} 0' in text
