"""Collector container: OpenTelemetry's names, claims and attribution."""

from __future__ import annotations

import pytest

from nodescope.collectors.container.container import ContainerCollector
from nodescope.records.container import Container
from tests.collectors.container.container_snapshot import RECORDS, golden
from tests.collectors.gpu.gpu_snapshot import loop_of, shown

FIXED = "container_uptime_seconds{"


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


@pytest.mark.parametrize("secret", ["nvidia", "team", "all"])
def test_labels_and_variables_stay(secret: str) -> None:
    """Neither labels nor values of variables are shown."""
    assert f'"{secret}"' not in shown(ContainerCollector, *RECORDS)


def test_nothing_is_made_twice() -> None:
    """Who asks again before there is a new snapshot gets the same families."""
    with loop_of(*RECORDS) as loop:
        collector = ContainerCollector(loop)
        assert collector.collect() is collector.collect()


def test_no_containers() -> None:
    """A node without containers has no rows."""
    assert shown(ContainerCollector) == ""
