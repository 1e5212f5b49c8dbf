from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.filefd import parse_file_nr
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

FILE = "proc/sys/fs/file-nr"
ALLOCATED = "node_filefd_allocated"
MAXIMUM = "node_filefd_maximum"


def test_both(machine: Machine) -> None:
    """The first number and the third, the largest that there is too; new values are seen at the next scrape."""
    machine.write(FILE, b"21504\t0\t9223372036854775807\n")
    collector = machine.build("filefd")
    assert series(collector.collect()) == {ALLOCATED: 21504, MAXIMUM: 9223372036854775807}
    machine.write(FILE, b"1024\t0\t1631329\n")
    assert series(collector.collect()) == {ALLOCATED: 1024, MAXIMUM: 1631329}


def test_an_odd_number_costs_itself_alone(machine: Machine) -> None:
    """A number that is none is left out and counted, the other stays."""
    machine.write(FILE, b"x\t0\t10\n")
    collector = machine.build("filefd")
    assert series(collector.collect()) == {MAXIMUM: 10}
    assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"1024\t0\n", b"x 0 y\n", b"\0"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Fewer than three numbers are refused, and the message names the file."""
    machine.write(FILE, data)
    with pytest.raises(Malformed, match="file-nr: expected three numbers"):
        machine.build("filefd").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("filefd").collect()


@given(mangled(b"1024 0 1631329\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_file_nr(data, "file-nr"))
