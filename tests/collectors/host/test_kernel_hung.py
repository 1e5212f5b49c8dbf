from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.kernel_hung import parse_count
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

FILE = "proc/sys/kernel/hung_task_detect_count"
TASKS = "node_kernel_hung_tasks_total"


def test_count(machine: Machine) -> None:
    """The number of hung tasks since boot, at each scrape as it is then."""
    machine.write(FILE, b"0\n")
    collector = machine.build("kernel_hung")
    assert series(collector.collect()) == {TASKS: 0}
    machine.write(FILE, b"42\n")
    assert series(collector.collect()) == {TASKS: 42}


@pytest.mark.parametrize("data", [b"", b"\n", b"-1\n", b"x\n", b"1 2\n", b"0x10\n", b"18446744073709551616\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """What is no number is refused, and the message names the file."""
    machine.write(FILE, data)
    with pytest.raises(Malformed, match="hung_task_detect_count: expected a number of tasks"):
        machine.build("kernel_hung").collect()


def test_absent(machine: Machine) -> None:
    """A kernel before 6.13 has no such file."""
    with pytest.raises(Absent):
        machine.build("kernel_hung").collect()


@given(mangled(b"42\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_count(data, "hung_task_detect_count"))
