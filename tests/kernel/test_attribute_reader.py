from __future__ import annotations

import errno

import pytest

from nodescope.kernel.attribute_reader import AttributeReader
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine


@pytest.mark.parametrize(("number", "counted"), [(errno.EAGAIN, 0), (errno.EACCES, 0), (errno.ELOOP, 1)])
def test_what_is_counted(machine: Machine, number: int, counted: int) -> None:
    """A file that is not there, or that its driver refuses, is nothing to count; any other failure is."""
    host = DriverHost(machine)
    machine.write("sys/a", "1\n")
    machine.write("sys/b", "2\n")
    host.refuses = {"/b": number}
    reader = AttributeReader(host)
    for read in (reader.now, reader.anew):
        reader.left_out = 0
        assert [read(host.sys(name)) for name in "abc"] == [b"1\n", None, None]
        assert reader.left_out == counted


def test_a_folder_in_the_place_of_a_file(machine: Machine) -> None:
    """A folder is no attribute."""
    reader = AttributeReader(machine.host)
    assert reader.now(machine.host.sysfs) is None
    assert reader.anew(machine.host.sysfs) is None
    assert reader.left_out == 2
