from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.softirqs import VECTORS, parse_softirqs
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"""\
                    CPU0       CPU1       \n\
          HI:          7          1
       TIMER:     424191     108342
      NET_TX:       2301       2430
      NET_RX:      43066     104508
       BLOCK:      23776      24115
    IRQ_POLL:          0          0
     TASKLET:        372       1899
       SCHED:     378895     152852
     HRTIMER:         40        346
         RCU:     155929     146631
"""


def of(cpu: int, type: str) -> str:
    return f'node_softirqs_functions_total{{cpu="{cpu}",type="{type}"}}'


def test_all_vectors(machine: Machine) -> None:
    """Each of the ten vectors has a number for each CPU."""
    machine.write("proc/softirqs", SAMPLE)
    found = series(machine.build("softirqs").collect())
    assert len(found) == 2 * len(VECTORS)
    assert (found[of(0, "HI")], found[of(1, "NET_RX")], found[of(1, "RCU")]) == (7, 104508, 146631)


def test_cpus_by_name(machine: Machine) -> None:
    """The CPUs are those that the first line names."""
    machine.write("proc/softirqs", b" CPU3 CPU5\n RCU: 1 2\n")
    assert series(machine.build("softirqs").collect()) == {of(3, "RCU"): 1, of(5, "RCU"): 2}


@pytest.mark.parametrize("line", [b"RCU: 1", b"RCU: 1 2 3", b"RCU: 1 x", b"RCU: 1 -2", b"HI: 1 2", b"RCU:"])
def test_one_line_broken(machine: Machine, line: bytes) -> None:
    """A line that has not a number for each CPU, or was there before, costs itself alone and is counted."""
    machine.write("proc/softirqs", b" CPU0 CPU1\n HI: 7 8\n" + line + b"\n")
    collector = machine.build("softirqs")
    assert series(collector.collect()) == {of(0, "HI"): 7, of(1, "HI"): 8}
    assert collector.left_out == 1


def test_unknown_vector(machine: Machine) -> None:
    """A vector that is not among the ten is passed over."""
    machine.write("proc/softirqs", SAMPLE + b"NEW_ONE: 1 2\n")
    collector = machine.build("softirqs")
    assert len(series(collector.collect())) == 20
    assert collector.left_out == 0


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the CPU that went."""
    machine.write("proc/softirqs", SAMPLE)
    collector = machine.build("softirqs")
    collector.collect()
    machine.write("proc/softirqs", b" CPU1\n RCU: 146632\n")
    assert series(collector.collect()) == {of(1, "RCU"): 146632}


@pytest.mark.parametrize("data", [b"", b"HI: 1 2\n", b"CPU0 CPU1\n", b"CPU0\nRCU: x\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without CPUs or without vectors is refused, and the message names it."""
    machine.write("proc/softirqs", data)
    with pytest.raises(Malformed, match="proc/softirqs: expected"):
        machine.build("softirqs").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("softirqs").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_softirqs(data, "softirqs"))
