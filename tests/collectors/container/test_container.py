"""Collector container: OpenTelemetry's names, claims and attribution."""

from __future__ import annotations

import pytest

from nodescope.collectors.container.container import ContainerCollector
from nodescope.records.container import Container, ContainerDevice
from tests.collectors.container.container_snapshot import RECORDS, golden
from tests.collectors.gpu.gpu_snapshot import loop_of, shown

FIXED = "container_uptime_seconds{"
OWN_DEVICE = "nodescope_container_device{"


def still(text: str) -> str:
    """Without the lines that change with time."""
    return "".join(line for line in text.splitlines(True) if not line.startswith(FIXED))


def test_the_whole_of_a_snapshot() -> None:
    """Each container once, with what its cgroup and its runtime tell; claims, parts of GPUs, runtimes."""
    assert still(shown(ContainerCollector, *RECORDS)) == golden("container")


def test_uptime() -> None:
    """It is the time since the start of what runs; what has ended, or never started, has none."""
    running = Container(runtime="docker", id="a", name="a", started_seconds=1.0)
    text = shown(ContainerCollector, running, Container(runtime="docker", id="b", name="b", state="exited"))
    (line,) = [line for line in text.splitlines() if line.startswith(FIXED)]
    assert 'container_name="a"' in line
    assert float(line.rpartition(" ")[2]) > 1e9


def test_labels_and_devices() -> None:
    """The labels that a container was left with are shown, and once each GPU and RDMA device that it was given."""
    devices = (
        ContainerDevice(kind="gpu", evidence="device", path="/dev/nvidia0", vendor="nvidia"),
        ContainerDevice(kind="gpu", evidence="device", path="/dev/nvidia0", vendor="nvidia"),
        ContainerDevice(kind="rdma", evidence="device", path="/dev/infiniband/uverbs1"),
        ContainerDevice(kind="other", evidence="device", path="/dev/fuse"),
    )
    known = Container(runtime="docker", id="a", name="web", labels={"team": 'x"'}, devices=devices)
    text = shown(ContainerCollector, known)
    head = 'container_id="a",container_name="web"'
    assert [line for line in text.splitlines() if line.startswith(("nodescope_container_label{", OWN_DEVICE))] == [
        f'{OWN_DEVICE}{head},device="/dev/nvidia0",evidence="device",kind="gpu",vendor="nvidia"}} 1',
        f'{OWN_DEVICE}{head},device="/dev/infiniband/uverbs1",evidence="device",kind="rdma",vendor=""}} 1',
        f'nodescope_container_label{{{head},label_name="team",label_value="x\\""}} 1',
    ]


def test_nothing_is_made_twice() -> None:
    """Who asks again before there is a new snapshot gets the same families."""
    with loop_of(*RECORDS) as loop:
        collector = ContainerCollector(loop)
        assert collector.collect() is collector.collect()


def test_no_containers() -> None:
    """A node without containers has no rows."""
    assert shown(ContainerCollector) == ""


@pytest.mark.parametrize(("state", "told"), [("running", True), ("paused", True), ("restarting", False)])
def test_uptime_of_what_is_up(state: str, told: bool) -> None:
    """It is told of what is up, not of what waits to be started again."""
    text = shown(ContainerCollector, Container(runtime="docker", id="a", name="a", state=state, started_seconds=1.0))
    assert ("container_uptime_seconds{" in text) is told
