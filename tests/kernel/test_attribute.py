from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from nodescope.host import Host
from nodescope.kernel.attribute import attribute, seldom
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine

ENOTSUPP = 524  # of the kernel's own, for which the C library has no name

Read = Callable[[Host, str], bytes | None]
both = pytest.mark.parametrize("read", [attribute, seldom])


@both
@pytest.mark.parametrize(
    "number", [errno.EINVAL, errno.EREMOTEIO, errno.ENXIO, errno.EPROTO, errno.EBADMSG, errno.ENODEV, ENOTSUPP]
)
def test_whatever_a_driver_answers(machine: Machine, read: Read, number: int) -> None:
    """An error of a device, its bus or its firmware is no value, and no failure of what asks for others."""
    host = DriverHost(machine)
    machine.write("sys/a", " 1 \n")
    machine.write("sys/b", "2\n")
    host.refuses = {"/b": number}
    assert [read(host, host.sys(name)) for name in "abc"] == [b"1", None, None]


@both
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_is_not_the_devices_fault(machine: Machine, read: Read, number: int) -> None:
    """Where nodescope itself has no means left to read, nothing is known of the device: that is a failure."""
    host = DriverHost(machine)
    host.refuses = {"/a": number}
    with pytest.raises(OSError, match="/sys/a"):
        read(host, host.sys("a"))


@both
def test_a_folder_is_no_attribute(machine: Machine, read: Read) -> None:
    """A folder in an attribute's place is no answer of a driver: who asks for the device is told."""
    with pytest.raises(IsADirectoryError):
        read(machine.host, machine.host.sysfs)
