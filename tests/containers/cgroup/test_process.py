"""nodescope.containers.cgroup.process: who a process belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given

from nodescope.containers.cgroup.path import NOBODY
from nodescope.containers.cgroup.process import (
    KEPT_SECONDS,
    MAX_LINES,
    ProcessCgroups,
    holder_of_paths,
    parse_process_cgroups,
)
from nodescope.host import Absent, Host, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses

ID: Final = "4f0c1d2e" * 8
OTHER: Final = "a1b2c3d4" * 8
HYBRID: Final = b"9:name=systemd:/\n5:devices,freezer:/\n4:memory:/\n1:cpu,cpuacct:/\n0::/docker/" + ID.encode() + b"\n"
STAT: Final = b"7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 %d 1000 10 18446744073709551615 1 1 0 0\n"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def put(machine: Machine, pid: int, cgroup: bytes, start: int = 500) -> None:
    machine.write(f"proc/{pid}/stat", STAT % start)
    machine.write(f"proc/{pid}/cgroup", cgroup)


@pytest.mark.parametrize(
    "lines",
    [
        HYBRID,
        b"4:memory:/docker/" + ID.encode() + b"\n0::/\n",
        b"0::/docker/" + ID.encode() + b"\n",
        b"3:cpu:/default/name\n1:name=systemd:/system.slice/docker-" + ID.encode() + b".scope\n0::/init.scope\n",
        b"4:memory:/docker/" + OTHER.encode() + b"\n0::/docker/" + OTHER.encode() + b"/docker/" + ID.encode() + b"\n",
    ],
)
def test_all_lines_count(lines: bytes) -> None:
    """The one line that names the container tells, be it v1's or v2's; of two the innermost, and the certain one."""
    container = holder_of_paths(parse_process_cgroups(lines, "cgroup")).container
    assert container is not None
    assert container.id == ID


def test_a_name_with_colons() -> None:
    """Only the first two colons of a line divide it."""
    assert parse_process_cgroups(b"0::/a:b/crio:c\n", "cgroup") == ["/a:b/crio:c"]


def test_no_lines_and_no_such_lines() -> None:
    """A process without cgroups has no paths; lines of another form are refused, not taken."""
    assert parse_process_cgroups(b"", "cgroup") == []
    with pytest.raises(Malformed, match="cgroup: expected lines of number"):
        parse_process_cgroups(b"what\n", "cgroup")
    assert len(parse_process_cgroups(b"0::/a\n" * 1000, "cgroup")) == MAX_LINES


def test_a_pid_that_is_used_again(machine: Machine) -> None:
    """Another start time is another process, however short the time between."""
    put(machine, 7, HYBRID)
    processes = ProcessCgroups(machine.host, Clock())
    container = processes.of(7).container
    assert container is not None
    assert container.id == ID
    put(machine, 7, b"0::/user.slice/user-1000.slice/session-1.scope\n", start=501)
    assert (processes.of(7).container, processes.of(7).uid) == (None, 1000)


def test_a_process_that_is_moved(machine: Machine) -> None:
    """What is remembered is read again after a while."""
    clock = Clock()
    put(machine, 7, b"0::/\n")
    processes = ProcessCgroups(machine.host, clock)
    assert processes.of(7) == NOBODY
    put(machine, 7, HYBRID)
    assert processes.of(7) == NOBODY
    clock.now += KEPT_SECONDS
    assert processes.of(7).container is not None


def test_a_process_that_is_gone(machine: Machine) -> None:
    """Without the process there is nobody to tell of, also where only a part of it is there."""
    with pytest.raises(Absent):
        ProcessCgroups(machine.host).of(7)
    machine.write("proc/7/stat", STAT % 1)
    with pytest.raises(Absent):
        ProcessCgroups(machine.host).of(7)


def test_this_process() -> None:
    """The test's own process has cgroups on a real kernel, and a start time."""
    processes = ProcessCgroups(Host())
    assert processes.start_ticks(os.getpid()) > 0
    assert processes.of(os.getpid()) == processes.of(os.getpid())


@given(mangled(HYBRID))
def test_any_cgroup_file(data: bytes) -> None:
    """Whatever the file says, it is read or refused."""
    parses_or_refuses(lambda: holder_of_paths(parse_process_cgroups(data, "cgroup")))
