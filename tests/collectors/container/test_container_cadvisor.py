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
    """It shows 0 for no limit of memory or threads, as cAdvisor does, and no CPU quota."""
    text = shown(
        ContainerCadvisorCollector, Container(runtime="docker", id="a", name="a"), ContainerUse(id="a", cgroup="/a")
    )
    labels = 'container="",id="/a",image="",name="a",namespace="",pod=""'
    assert f"container_spec_memory_limit_bytes{{{labels}}} 0\n" in text
    assert f"container_threads_max{{{labels}}} 0\n" in text
    assert "container_spec_cpu_quota" not in text


def test_the_mock_exporters_names() -> None:
    """The names that the mock container exporter has are there."""
    names = {metric.name for metric in ContainerCadvisorCollector.metrics}
    assert names >= {
        "container_cpu_usage_seconds_total",
        "container_memory_usage_bytes",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
    }
