"""nodescope.containers.cgroup.reader: which containers' cgroups are frozen. What it reads of them is in test_usage."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodescope.containers.cgroup.usage import ContainerUsage
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import ID, OTHER, mount_v1, mount_v2, put_v1, put_v2

CGROUP = f"/docker/{ID}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def is_frozen(machine: Machine) -> bool:
    usage = ContainerUsage(machine.host)
    usage.look()
    return usage.is_frozen(ID)


@pytest.mark.parametrize(
    ("events", "frozen"),
    [
        ("populated 1\nfrozen 1\n", True),
        ("populated 1\nfrozen 0\n", False),
        ("populated 1\n", False),
        ("frozen\n", False),
        (None, False),
    ],
)
def test_v2(machine: Machine, events: str | None, frozen: bool) -> None:
    """cgroup.events says so; a kernel before 5.2, or what cannot be read, says nothing."""
    mount_v2(machine)
    put_v2(machine, CGROUP, {"cgroup.events": events} if events is not None else {})
    assert is_frozen(machine) is frozen


@pytest.mark.parametrize(("state", "frozen"), [("FROZEN", True), ("FREEZING", False), ("THAWED", False), ("", False)])
def test_v1(machine: Machine, state: str, frozen: bool) -> None:
    """freezer.state says so once all processes stand still."""
    mount_v1(machine)
    put_v1(machine, CGROUP, {"freezer/freezer.state": f"{state}\n"})
    assert is_frozen(machine) is frozen


def test_what_cannot_be_read_is_counted(machine: Machine) -> None:
    """A file that is not as documented is told with the next look, and not again."""
    mount_v2(machine)
    put_v2(machine, CGROUP, {"cgroup.events": "frozen\n"})
    usage = ContainerUsage(machine.host)
    assert usage.look().left_out == 0
    assert not usage.is_frozen(ID)
    missed, after = usage.look(), usage.look()
    assert (missed.left_out, after.left_out, after.problem) == (1, 0, "")
    assert f"{CGROUP.strip('/')}: cgroup.events: expected" in missed.problem


def test_a_cgroup_that_goes_while_it_is_read(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's end is no fault: the kernel says ENODEV also to who opens a file of a cgroup that is going."""
    mount_v2(machine)
    put_v2(machine, CGROUP)
    usage = ContainerUsage(machine.host)
    assert usage.look().left_out == 0
    opened = os.open

    def going(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", going)
    gone = usage.look()
    assert (gone.left_out, gone.problem) == (0, "")


def test_hybrid(machine: Machine) -> None:
    """Where v1 has the freezer and v2 the container's cgroup too, either tells."""
    mount_v1(machine)
    mount_v2(machine, "/unified", "")
    put_v1(machine, CGROUP, {"freezer/freezer.state": "FROZEN\n"})
    put_v2(machine, CGROUP, {"cgroup.events": "populated 1\nfrozen 0\n"}, "/unified")
    assert is_frozen(machine)


def test_v1_without_a_freezer(machine: Machine) -> None:
    """Where that hierarchy is not mounted, and of a container that is not there, nobody tells."""
    mount_v1(machine)
    put_v1(machine, CGROUP)
    usage = ContainerUsage(machine.host)
    usage.look()
    assert not usage.is_frozen(ID)
    assert not usage.is_frozen(OTHER)
