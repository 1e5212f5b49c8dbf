"""Collector gpu_conductor: the names of the conductor GPU exporter."""

from __future__ import annotations

import gzip
from typing import Any, cast

import msgspec

from nodescope.collectors.gpu.gpu_conductor import GpuConductorCollector
from nodescope.collectors.joined import Loop
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_pod import GpuPod
from nodescope.records.gpu_snapshot import GpuSource
from nodescope.sampler import Snapshot
from tests.collectors.gpu.amd_snapshot import INSTANCES, READING, SNAPSHOT, WHOLE, gpu
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


class Driver:
    """The loop of a sampler whose driver can go."""

    def __init__(self, *records: Any) -> None:
        self.snapshot: Snapshot | None = Snapshot(records, 0.0, 0.0)

    def fresh(self) -> Snapshot:
        if self.snapshot is None:
            raise Absent("amdgpu")
        return self.snapshot


def test_a_driver_that_goes() -> None:
    """How collections went is told on, with the time of the last, so that an alert on it fires; no GPU has a series."""
    loop = Driver(*SNAPSHOT)
    collector = GpuConductorCollector(cast(Loop, loop), "node-7")
    before = TextEncoder().encode(collector.collect()).decode().splitlines()
    loop.snapshot = None
    after = TextEncoder().encode(collector.collect()).decode().splitlines()
    assert after == [line for line in before if "_total" in line or "collection" in line]
    assert 'k8s_gpu_last_collection_timestamp{node="node-7"} 1.76e+09' in after


def test_a_machine_without_a_driver() -> None:
    """There were no errors, and no collection: neither its time nor its duration is there."""
    loop = Driver()
    loop.snapshot = None
    families = GpuConductorCollector(cast(Loop, loop), "node-7").collect()
    assert {value for family in families for _, value in family.rows} == {0}
    assert not [family.metric.name for family in families if "collection_" in family.metric.name]


def test_percent_that_a_tool_tells() -> None:
    """It is shown as it is told, and that of bytes without the digits of a division."""
    for reading in (GpuReading(memory_used_percent=7.0), GpuReading(memory_used_bytes=7, memory_total_bytes=100)):
        assert 'k8s_gpu_memory{gpu_id="0",node="node-7"} 7\n' in text(gpu(0, reading))


def test_failed_runs_are_command_errors() -> None:
    """Runs of a tool that failed count beside the reads that hung."""
    sampling = [record for record in SNAPSHOT if type(record).__name__ == "GpuSampling"]
    source = GpuSource(vendor="amd", kind="rocm-smi", state="failed", hung_calls=2, failed_runs=3)
    assert "gpu_metrics_command_errors_total 5\n" in text(*sampling, source)


def test_errors_are_there_before_they_happen() -> None:
    """Once something was sampled each type of error is told, be it none; before there is nothing."""
    page = text(*(record for record in SNAPSHOT if type(record).__name__ == "GpuSampling"))
    assert 'k8s_gpu_collector_errors_total{type="validation"} 0' in page
    assert "gpu_metrics_command_errors_total 0" in page
    assert text(GpuSource(vendor="amd", kind="sysfs", state="starting")) == ""


def of_pods(*pods: tuple[str, str, str]) -> list[str]:
    """What the newest form shows of use, memory and count. `pods`: uuid, namespace, name."""
    given = [GpuPod(uuid=uuid, namespace=namespace, name=name, container="main") for uuid, namespace, name in pods]
    page = shown(lambda loop: GpuConductorCollector(loop, "n", pods=True), *SNAPSHOT, *given)
    names = ("k8s_gpu_utilization{", "k8s_namespace_gpu_utilization_total{", "k8s_namespace_gpu_count{")
    return sorted(line for line in page.split("\n") if line.startswith(names))


def test_namespaces_and_pods() -> None:
    """GPUs have the namespace and pod that the kubelet gave them to, and each namespace its sums."""
    part = INSTANCES[3].instance.uuid
    assert of_pods((WHOLE.identity.uuid, "ml", "train-0"), (part, "ml", "infer-1")) == [
        'k8s_gpu_utilization{gpu_id="0",namespace="ml",node="n",pod="train-0"} 80',
        'k8s_gpu_utilization{gpu_id="1",namespace="ml",node="n",pod="infer-1"} 50',
        'k8s_namespace_gpu_count{namespace="ml"} 2',
        'k8s_namespace_gpu_utilization_total{namespace="ml"} 130',
    ]


def test_gpus_of_nobody_and_of_several() -> None:
    """A GPU that nobody was given is unmapped and in no sum; one of several in the label where these differ."""
    first, second = (instance.instance.uuid for instance in INSTANCES[:2])
    assert of_pods((first, "ml", "a"), (second, "ml", "b")) == [
        'k8s_gpu_utilization{gpu_id="0",namespace="unmapped",node="n",pod="unmapped"} 80',
        'k8s_gpu_utilization{gpu_id="1",namespace="ml",node="n",pod="unmapped"} 50',
        'k8s_namespace_gpu_count{namespace="ml"} 1',
        'k8s_namespace_gpu_utilization_total{namespace="ml"} 50',
    ]
    assert of_pods((first, "ml", "a"), (second, "web", "b")) == [
        'k8s_gpu_utilization{gpu_id="0",namespace="unmapped",node="n",pod="unmapped"} 80',
        'k8s_gpu_utilization{gpu_id="1",namespace="unmapped",node="n",pod="unmapped"} 50',
    ]
