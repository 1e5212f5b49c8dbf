"""The kubelet's metrics under the names of Primus-Lens, against a fake kubelet."""

from __future__ import annotations

from pathlib import Path

from nodescope.collectors.kubelet.kubelet_lens import build
from nodescope.exposition.text import TextEncoder
from nodescope.host import Host
from tests.collectors.kubelet.built import loops, settings_for
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import container, pod, pod_list, pod_storage, summary


def test_as_metrics(start: Start, cluster: Path) -> None:
    """Pods' labels are Lens', help is Lens', what is called percent of storage is a ratio and says so."""
    kubelet = start()
    kubelet.bodies["/pods"] = pod_list(pod("web", [container("main")]))
    kubelet.bodies["/stats/summary"] = summary(
        pod_storage("web", 5), fs={"usedBytes": 25, "availableBytes": 60, "capacityBytes": 100}
    )
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined:
        collector = build(Host(), settings, joined)
        lines = TextEncoder().encode(collector.collect()).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'node_ephemeral_storage_available_bytes{node="node-1"} 60',
        'node_ephemeral_storage_capacity_bytes{node="node-1"} 100',
        'node_ephemeral_storage_usage_bytes{node="node-1"} 25',
        'node_ephemeral_storage_usage_percent{node="node-1"} 0.25',
        "node_k8s_gpu_allocation_rate 0",
        'pod_ephemeral_storage_usage_bytes{node="node-1",pod_name="web",pod_namespace="jobs"} 5',
    ]
    (told,) = [line for line in lines if line.startswith("# HELP node_ephemeral_storage_usage_percent")]
    assert "ratio (0 to 1)" in told
    assert "# HELP node_k8s_gpu_allocation_rate node k8s gpu allocation rate" in lines
    assert "# HELP pod_ephemeral_storage_usage_bytes Pod emphermeral storage usage in bytes (gauge)" in lines
    assert collector.left_out == 0
