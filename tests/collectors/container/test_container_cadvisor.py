"""Collector container_cadvisor: cAdvisor's names."""

from __future__ import annotations

import re

from nodescope.collectors.container.container_cadvisor import ContainerCadvisorCollector
from nodescope.records.container import Container, ContainerUse
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


def test_the_mock_exporters_names() -> None:
    """The names that the mock container exporter has are there."""
    names = {metric.name for metric in ContainerCadvisorCollector.metrics}
    assert names >= {
        "container_cpu_usage_seconds_total",
        "container_memory_usage_bytes",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
    }
