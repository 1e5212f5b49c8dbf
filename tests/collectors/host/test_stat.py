from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.stat import VECTORS, parse_softirqs, parse_stat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = (
    b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 8885917 17 0 0\nctxt 38014093\nbtime 1418183276\n"
    b"processes 26442\nprocs_running 2\nprocs_blocked 1\n"
    b"softirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n"
)
SIX = {
    "node_intr_total": 8885917, "node_context_switches_total": 38014093, "node_forks_total": 26442,
    "node_boot_time_seconds": 1418183276, "node_procs_running": 2, "node_procs_blocked": 1,
}  # fmt: skip


def test_six_numbers(machine: Machine) -> None:
    """Each line's first number has its family; softirqs are off unless asked for."""
    machine.write("proc/stat", SAMPLE)
    assert series(machine.build("stat").collect()) == SIX


def test_softirqs(machine: Machine) -> None:
    """With the setting, the calls of each vector in the kernel's order."""
    machine.write("proc/stat", SAMPLE)
    found = series(machine.build("stat", {"softirq": True}).collect())
    assert list(found)[6:] == [f'node_softirqs_total{{vector="{vector}"}}' for vector in VECTORS]
    assert found['node_softirqs_total{vector="hi"}'] == 250191
    assert found['node_softirqs_total{vector="rcu"}'] == 508444


def test_an_odd_line_costs_itself_alone(machine: Machine) -> None:
    """A line that is missing or holds no number has no row; the others stay; unknown is never 0."""
    machine.write("proc/stat", SAMPLE.replace(b"ctxt 38014093", b"ctxt x").replace(b"btime 1418183276\n", b""))
    gone = ("node_context_switches_total", "node_boot_time_seconds")
    assert series(machine.build("stat").collect()) == {name: SIX[name] for name in SIX if name not in gone}


def test_softirqs_that_are_not_whole_are_left_out(machine: Machine) -> None:
    """A softirq line with too few vectors gives none."""
    machine.write("proc/stat", SAMPLE.replace(b" 508444", b""))
    assert series(machine.build("stat", {"softirq": True}).collect()) == SIX


def test_numbers_up_to_64_bits() -> None:
    """The highest counter is a number, one more is not."""
    assert parse_stat(b"ctxt 18446744073709551615\nbtime 1\n", "stat")[0][1] == 2**64 - 1
    assert len(parse_stat(b"ctxt 18446744073709551616\nbtime 1\n", "stat")) == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"ctxt\n", b"intr \nctxt \n", b"cpu  1 2 3\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file with none of the lines is refused."""
    machine.write("proc/stat", data)
    with pytest.raises(Malformed, match="proc/stat: expected a line intr"):
        machine.build("stat").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("stat").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parsers answer or refuse."""
    parses_or_refuses(lambda: parse_stat(data, "stat"))
    assert len(parse_softirqs(data)) in (0, len(VECTORS))


def test_a_line_without_a_number_is_counted(machine: Machine) -> None:
    """What the file has but does not say as a number is left out and counted; what it lacks is not counted."""
    machine.write("proc/stat", "ctxt 5\nbtime x\nprocesses\n")
    collector = machine.build("stat")
    assert series(collector.collect()) == {"node_context_switches_total": 5}
    assert collector.left_out == 1
