from __future__ import annotations

import errno

import pytest
from hypothesis import given

from nodescope.collectors.host.entropy import parse_bits
from nodescope.host import Absent, Malformed
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

FOLDER = "proc/sys/kernel/random"
AVAILABLE = "node_entropy_available_bits"
POOL_SIZE = "node_entropy_pool_size_bits"


def test_both(machine: Machine) -> None:
    """What there is and what there can be, in bits; new values are seen at the next scrape."""
    machine.write(f"{FOLDER}/entropy_avail", b"256\n")
    machine.write(f"{FOLDER}/poolsize", b"256\n")
    collector = machine.build("entropy")
    assert series(collector.collect()) == {AVAILABLE: 256, POOL_SIZE: 256}
    machine.write(f"{FOLDER}/entropy_avail", b"0\n")
    assert series(collector.collect()) == {AVAILABLE: 0, POOL_SIZE: 256}


@pytest.mark.parametrize("odd", [None, b"", b"x\n", b"-1\n", b"1 2\n", b"18446744073709551616\n"])
def test_one_is_enough(machine: Machine, odd: bytes | None) -> None:
    """A file that is not there, or no number, costs itself alone; the latter is counted."""
    machine.write(f"{FOLDER}/poolsize", b"4096\n")
    if odd is not None:
        machine.write(f"{FOLDER}/entropy_avail", odd)
    collector = machine.build("entropy")
    assert series(collector.collect()) == {POOL_SIZE: 4096}
    assert collector.left_out == (odd is not None)


def test_a_refused_file_costs_itself_alone(machine: Machine) -> None:
    """A file that the kernel refuses is counted, the other stays; where it refuses both, that is the error."""
    host = DriverHost(machine)
    machine.write(f"{FOLDER}/poolsize", b"4096\n")
    host.refuses["entropy_avail"] = errno.EIO
    collector = host.build("entropy")
    assert series(collector.collect()) == {POOL_SIZE: 4096}
    assert collector.left_out == 1
    host.refuses["poolsize"] = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        collector.collect()


def test_malformed(machine: Machine) -> None:
    """Where neither is a number the message names a file."""
    machine.write(f"{FOLDER}/entropy_avail", b"x\n")
    with pytest.raises(Malformed, match="entropy_avail: expected a number of bits"):
        machine.build("entropy").collect()


def test_absent(machine: Machine) -> None:
    """Without the files there is nothing."""
    with pytest.raises(Absent):
        machine.build("entropy").collect()


@given(mangled(b"256\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_bits(data, "poolsize"))
