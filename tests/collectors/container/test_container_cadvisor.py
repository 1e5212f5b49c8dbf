"""Collector container_cadvisor: cAdvisor's names."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nodescope.collectors.container.container_cadvisor import ContainerCadvisorCollector
from nodescope.records.container import Container, ContainerNetwork, ContainerUse
from tests.collectors.container.container_snapshot import RECORDS, golden
from tests.collectors.gpu.gpu_snapshot import shown


def test_the_whole_of_a_snapshot() -> None:
    """Names, types, help and labels are cAdvisor's; what has ended, and has no cgroup, is not there."""
    text = shown(ContainerCadvisorCollector, *RECORDS)
    assert re.sub(r"(container_last_seen\{.*\}) .*", r"\1 0", text) == golden("container_cadvisor")


def test_labels() -> None:
    """Every series has the labels that the kubelet's has, and those of devices and interfaces one more."""
    expected = {"container", "id", "image", "name", "namespace", "pod"}
    for metric in ContainerCadvisorCollector.metrics:
        assert expected <= set(metric.label_names)
        assert metric.keeps_name


def test_what_has_no_limit() -> None:
    """It shows 0 for no limit of memory or threads, and -1 for no health check, as cAdvisor does, and no CPU quota."""
    text = shown(
        ContainerCadvisorCollector,
        Container(runtime="docker", id="a", name="a"),
        ContainerUse(id="a", cgroup="/a", memory_used_bytes=1),
    )
    labels = 'container="",id="/a",image="",name="a",namespace="",pod=""'
    for limit in ("spec_memory_limit_bytes", "spec_memory_swap_limit_bytes", "spec_memory_reservation_limit_bytes"):
        assert f"container_{limit}{{{labels}}} 0\n" in text
    assert f"container_threads_max{{{labels}}} 0\n" in text
    assert f"container_health_state{{{labels}}} -1\n" in text
    assert "container_spec_cpu_quota" not in text


@pytest.mark.parametrize(
    ("cores", "period", "told"),
    [
        (0.5, 50_000, {"period": "50000", "quota": "25000"}),
        (None, 100_000, {"period": "100000"}),
        (1.5, None, {"period": "100000", "quota": "150000"}),
        (None, None, {}),
    ],
)
def test_the_period_of_quotas(cores: float | None, period: int | None, told: dict[str, str]) -> None:
    """It is the cgroup's, there without a quota too, the usual one for a limit without it, absent without both."""
    text = shown(
        ContainerCadvisorCollector,
        Container(runtime="docker", id="a", name="a"),
        ContainerUse(id="a", cgroup="/a", cpu_limit_cores=cores, cpu_period_microseconds=period),
    )
    assert dict(re.findall(r"container_spec_cpu_(quota|period)\{.*\} (\d+)", text)) == told


def test_without_a_memory_controller() -> None:
    """Where nobody counts a container's memory nothing is said of its swap limit, reservation and faults."""
    text = shown(
        ContainerCadvisorCollector, Container(runtime="docker", id="a", name="a"), ContainerUse(id="a", cgroup="/a")
    )
    assert "swap_limit" not in text
    assert "reservation" not in text
    assert "memory_failures" not in text


def test_faults_under_cgroup_v2() -> None:
    """v2 counts no faults of a cgroup without those below it, and both scopes are the same, as cAdvisor has them."""
    text = shown(
        ContainerCadvisorCollector,
        Container(runtime="docker", id="a", name="a"),
        ContainerUse(id="a", cgroup="/a", page_faults=9, major_page_faults=2),
    )
    found = re.findall(r'failures_total\{.*failure_type="(\w+)".*scope="(\w+)"\} (\d+)', text)
    assert found == [
        ("pgfault", "container", "9"),
        ("pgfault", "hierarchy", "9"),
        ("pgmajfault", "container", "2"),
        ("pgmajfault", "hierarchy", "2"),
    ]


def network(container_id: str, namespace: int | None = None) -> ContainerNetwork:
    return ContainerNetwork(
        id=container_id, interface="eth0", receive_bytes=1000, receive_packets=1, receive_errors=0, receive_dropped=0,
        transmit_bytes=500, transmit_packets=1, transmit_errors=0, transmit_dropped=0, namespace=namespace,
    )  # fmt: skip


def received(*records: Any) -> list[str]:
    """Labels and values of the bytes received."""
    found = re.findall(r"(?m)^container_network_receive_bytes_total(.*)$", shown(ContainerCadvisorCollector, *records))
    return [row for row in found if row]


def in_pod(container_id: str, name: str, runtime: str = "cri-containerd") -> Container:
    return Container(
        runtime=runtime, id=container_id, name=name, pod_name="web-0", pod_namespace="shop", pod_uid="1",
        pod_container=name,
    )  # fmt: skip


def test_the_network_of_a_pod() -> None:
    """It is told once and of no container of the pod, as cAdvisor tells it of the sandbox, so that sums are right."""
    assert received(in_pod("a", "app"), in_pod("b", "sidecar"), network("a"), network("b")) == [
        '{container="",id="",image="",interface="eth0",name="",namespace="shop",pod="web-0"} 1000'
    ]


def test_the_network_of_a_sandbox_that_docker_runs() -> None:
    """It is told of the sandbox, which is one of the containers."""
    found = received(in_pod("a", "app", "docker"), in_pod("b", "POD", "docker"), network("a"), network("b"))
    assert found == ['{container="POD",id="b",image="",interface="eth0",name="POD",namespace="shop",pod="web-0"} 1000']


def test_a_network_that_containers_share() -> None:
    """It is told of the container that made it, of the first that joined it where that one is not shown."""
    own = Container(runtime="docker", id="b", name="own")
    joined = [Container(runtime="docker", id=one, name=one, joins_network=True) for one in ("a", "c")]
    networks = [network("a", 7), network("b", 7), network("c", 7)]
    for containers, name in (((*joined, own), "own"), (joined, "a")):
        rows = received(*containers, *networks)
        assert [re.findall(r'name="(\w+)"', row) for row in rows] == [[name]]


def test_networks_of_their_own() -> None:
    """Containers that share none are all told of, whether it is known which namespace they are in or not."""
    containers = [Container(runtime="docker", id=one, name=one) for one in ("a", "b", "c")]
    assert len(received(*containers, network("a", 7), network("b", 8), network("c"))) == 3


def test_the_mock_exporters_names() -> None:
    """The names that the mock container exporter has are there."""
    names = {metric.name for metric in ContainerCadvisorCollector.metrics}
    assert names >= {
        "container_cpu_usage_seconds_total",
        "container_memory_usage_bytes",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
    }
