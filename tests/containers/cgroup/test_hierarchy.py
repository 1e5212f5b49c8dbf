"""nodescope.containers.cgroup.hierarchy: which hierarchies a host has."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.containers.cgroup.hierarchy import find_hierarchies
from nodescope.host import Absent, Host
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import mount_v1, mount_v2


def test_v2(tmp_path: Path) -> None:
    """A host of v2 has one hierarchy, at the top."""
    machine = Machine(tmp_path)
    mount_v2(machine)
    found = find_hierarchies(machine.host)
    assert (found.unified, found.legacy, found.walked) == (machine.host.sys("fs/cgroup"), {}, None)
    assert found.available == {"cpuset", "cpu", "io", "memory", "pids"}


def test_v1(tmp_path: Path) -> None:
    """A host of v1 has a folder for each controller, two controllers in one among them."""
    machine = Machine(tmp_path)
    mount_v1(machine)
    found = find_hierarchies(machine.host)
    root = machine.host.sys("fs/cgroup")
    assert (found.unified, found.walked) == (None, f"{root}/memory")
    assert set(found.legacy) == {"cpu", "cpuacct", "memory", "blkio", "pids", "name=systemd"}
    assert found.legacy["cpuacct"] == f"{root}/cpu,cpuacct"


def test_hybrid(tmp_path: Path) -> None:
    """A hybrid host has both."""
    machine = Machine(tmp_path)
    mount_v1(machine)
    mount_v2(machine, "/unified", "")
    found = find_hierarchies(machine.host)
    assert found.unified == machine.host.sys("fs/cgroup/unified")
    assert (found.available, "memory" in found.legacy) == (frozenset(), True)


def test_none(tmp_path: Path) -> None:
    """A host without cgroups, or with an empty place for them, has no containers to tell of."""
    machine = Machine(tmp_path)
    with pytest.raises(Absent):
        find_hierarchies(machine.host)
    machine.write("sys/fs/cgroup/notes", "")
    with pytest.raises(Absent):
        find_hierarchies(machine.host)


def test_this_machine() -> None:
    """The machine that runs the test has cgroups of some version, or says that it has none."""
    try:
        found = find_hierarchies(Host())
    except Absent:
        pytest.skip("no cgroups are mounted here")
    assert found.unified or found.legacy
