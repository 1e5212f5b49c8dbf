"""The samplers of the kubelet against a fake one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.containers.kubelet.access import Access
from nodescope.containers.kubelet.client import KubeletFailed
from nodescope.containers.kubelet.gpu_resources import NodeGpus
from nodescope.containers.kubelet.pods import decoded
from nodescope.containers.kubelet.samplers import PodsSampler, SummarySampler, allocation, records
from nodescope.host import Absent
from nodescope.records.kubelet import GpuAllocation, KubeletSource, Pod, PodGpuResource, PodPhaseCount
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import FakeKubelet, container, pod, pod_list, pod_storage, summary

EIGHT = NodeGpus(8, {})


def access(kubelet: FakeKubelet, cluster: Path) -> Access:
    return Access("127.0.0.1", kubelet.port, ca_file=str(cluster / "ca.crt"))


def test_without_an_address() -> None:
    """Where no kubelet is given both samplers are absent."""
    with pytest.raises(Absent, match=r"collector\.kubelet\.address"):
        PodsSampler(None, 5, "", lambda: EIGHT).sample()
    with pytest.raises(Absent):
        SummarySampler(None, 10, "").sample()


def test_a_thousand_pods(start: Start, cluster: Path) -> None:
    """A thousand pods are all there, with their GPUs and storage."""
    kubelet = start()
    asks = [container("main", {"nvidia.com/gpu": "1"})]
    kubelet.bodies["/pods"] = pod_list(*[pod(f"p{number}", asks) for number in range(1000)])
    kubelet.bodies["/stats/summary"] = summary(*[pod_storage(f"p{number}", number) for number in range(1000)])
    sampler = PodsSampler(access(kubelet, cluster), 5, "", lambda: EIGHT)
    found = sampler.sample()
    sampler.close()
    assert sum(type(record) is Pod for record in found) == 1000
    assert sum(type(record) is PodGpuResource for record in found) == 1000
    assert found[-1] == GpuAllocation(node="node-1", allocated_gpus=1000, rate_percent=12_500)
    storage = SummarySampler(access(kubelet, cluster), 10, "mine")
    assert [record.used_bytes for record in storage.sample()[1:]] == list(range(1000))
    storage.close()


def test_a_kubelet_that_goes_away(start: Start, cluster: Path) -> None:
    """A kubelet that cannot be reached is a failure and no zero."""
    kubelet = start()
    sampler = PodsSampler(access(kubelet, cluster), 5, "", lambda: EIGHT)
    assert sampler.sample()[0] == KubeletSource(path="/pods")
    kubelet.stop()
    with pytest.raises(KubeletFailed):
        sampler.sample()
    sampler.close()


@pytest.mark.parametrize(
    ("requests", "phase", "gpus", "percent"),
    [
        ({"nvidia.com/gpu": "2"}, "Running", 8, 25.0),
        ({"amd.com/gpu": "8"}, "Running", 8, 100.0),
        ({"nvidia.com/mig-1g.10gb": "7"}, "Running", 1, 100.0),
        ({"nvidia.com/gpu": "2"}, "Pending", 8, 0.0),
        ({"nvidia.com/gpu": "2"}, "Succeeded", 8, 0.0),
        ({"cpu": "2"}, "Running", None, 0.0),
        ({"nvidia.com/gpu": "2"}, "Running", None, None),
        ({"nvidia.com/gpu": "2"}, "Running", 0, None),
    ],
)
def test_the_allocation_rate(requests: dict[str, str], phase: str, gpus: int | None, percent: float | None) -> None:
    """Running pods' GPUs are counted against the node's: 0 where none is held, unknown where the node's are."""
    pods = decoded(pod_list(pod("a", [container("main", requests)], phase=phase))).pods
    known = None if gpus is None else NodeGpus(gpus, {})
    rate = allocation(pods, "n", lambda: known).rate_percent
    assert rate == (None if percent is None else pytest.approx(percent))


def test_phases_and_resources() -> None:
    """Every phase has its count, 0 too; a pod that ended has no GPUs; two of one name have one series."""
    asks = [container("main", {"amd.com/gpu": "1"})]
    pods = decoded(
        pod_list(
            pod("a", asks),
            pod("a", asks, uid="again"),
            pod("b", asks, phase="Succeeded"),
            pod("c", [container("main", {"amd.com/gpu": "1"}, limits=None)], phase="Pending"),
        )
    ).pods
    found = list(records(pods, "n", lambda: EIGHT))
    phases = {record.phase: record.pods for record in found if type(record) is PodPhaseCount}
    assert phases == {"Pending": 1, "Running": 2, "Succeeded": 1, "Failed": 0, "Unknown": 0}
    held = [(record.pod, record.requests, record.limits) for record in found if type(record) is PodGpuResource]
    assert held == [("a", 2, 2), ("c", 1, None)]
