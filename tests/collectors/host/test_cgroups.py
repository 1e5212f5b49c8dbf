from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.cgroups import parse_cgroups
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t5\t47\t1\nmemory\t7\t234\t0\n"


def of(controller: str, cgroups: int, enabled: int) -> dict[str, float]:
    return {
        f'node_cgroups_cgroups{{subsys_name="{controller}"}}': cgroups,
        f'node_cgroups_enabled{{subsys_name="{controller}"}}': enabled,
    }


def test_controllers(machine: Machine) -> None:
    """Each controller has how many cgroups it has, and whether it is enabled."""
    machine.write("proc/cgroups", SAMPLE)
    assert series(machine.build("cgroups").collect()) == {**of("cpuset", 47, 1), **of("memory", 234, 0)}


@pytest.mark.parametrize("line", [b"pids 1 2", b"pids 1 x 1", b"pids x 2 1", b"pids 1 -2 1", b"cpuset 1 2 0", b"\xff"])
def test_one_line_broken(machine: Machine, line: bytes) -> None:
    """A line that is not understood, or whose controller was there, costs itself alone and is counted each time."""
    machine.write("proc/cgroups", SAMPLE + line)
    collector = machine.build("cgroups")
    for _ in range(2):
        assert series(collector.collect()) == {**of("cpuset", 47, 1), **of("memory", 234, 0)}
        assert collector.left_out == 1


def test_heading_alone(machine: Machine) -> None:
    """A kernel whose controllers are all of the second kind may list none."""
    machine.write("proc/cgroups", SAMPLE.split(b"\n")[0] + b"\n")
    assert machine.build("cgroups").collect() == []


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the controller that went."""
    machine.write("proc/cgroups", SAMPLE)
    collector = machine.build("cgroups")
    collector.collect()
    machine.write("proc/cgroups", b"memory 7 235 1\n")
    assert series(collector.collect()) == of("memory", 235, 1)
    machine.remove("proc/cgroups")
    with pytest.raises(Absent):
        collector.collect()


@pytest.mark.parametrize("data", [b"", b"\n", b"cpuset\n", b"\xff\xfe"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file that is no list of controllers is refused at each scrape, and the message names it."""
    machine.write("proc/cgroups", data)
    collector = machine.build("cgroups")
    for _ in range(2):
        with pytest.raises(Malformed, match="proc/cgroups: expected lines of controller"):
            collector.collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("cgroups").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_cgroups(data, "cgroups"))
