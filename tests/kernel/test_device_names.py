from __future__ import annotations

import socket

from nodescope.kernel.device_names import DeviceNames
from tests.kernel.network_namespace import in_a_network_namespace, ip


def test_names_of_this_machine() -> None:
    """Every device has its name, at the first time and at those after it."""
    names = DeviceNames()
    for _ in range(2):
        names.refresh()
        assert {index: names.name_of(index) for index, _ in socket.if_nameindex()} == dict(socket.if_nameindex())


def test_no_such_device() -> None:
    """A device that is gone, and an index that none can have, have no name."""
    assert [DeviceNames().name_of(index) for index in (2**31 - 1, 0, -1, 2**64)] == [None] * 4


def test_a_device_that_comes_later() -> None:
    """That there was no such device is not remembered."""

    def later() -> tuple[str | None, str | None]:
        names = DeviceNames()
        before = names.name_of(50)
        ip("link add later index 50 type bridge")
        return before, names.name_of(50)

    assert in_a_network_namespace(later) == (None, "later")


def test_a_new_name_holds_at_once() -> None:
    """A device that has got another name has it from the next look on."""

    def renamed() -> tuple[str | None, str | None]:
        names = DeviceNames()
        names.refresh()
        before = names.name_of(1)
        ip("link set lo name other")
        names.refresh()
        return before, names.name_of(1)

    assert in_a_network_namespace(renamed) == ("lo", "other")
