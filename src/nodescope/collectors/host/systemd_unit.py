"""What systemd's manager and units say over D-Bus, of the interfaces org.freedesktop.systemd1.*.

Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from nodescope.collectors.host.dbus import Call, CallFailed, DBus
from nodescope.host import Malformed

NAME: Final = "org.freedesktop.systemd1"
MANAGER: Final = f"{NAME}.Manager"
MANAGER_PATH: Final = "/org/freedesktop/systemd1"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"

UNIT_FIELDS: Final = 10
"""ListUnits: name, description, load, active and sub state, followed unit, object path, job: id, type, path."""


class Unit(NamedTuple):
    name: str
    load_state: str
    active_state: str
    path: str


class Property(NamedTuple):
    """`interface`: without what all of systemd's begin with, such as Service."""

    path: str
    interface: str
    name: str


def list_units(bus: DBus) -> list[Unit]:
    """All units that systemd has in memory. Raises `CallFailed`, `Malformed`, and what a connection raises."""
    answer = bus.call(Call(MANAGER_PATH, MANAGER, "ListUnits"))
    rows = answer[0] if len(answer) == 1 else None
    if not isinstance(rows, list):
        raise Malformed(MANAGER, str(answer), "a list of units")
    units = []
    for row in rows:
        if not isinstance(row, tuple) or len(row) != UNIT_FIELDS or not all(isinstance(row[at], str) for at in _USED):
            raise Malformed(MANAGER, str(row), "units of ten fields")
        units.append(Unit(*(row[at] for at in _USED)))
    return units


_USED: Final = (0, 2, 3, 6)


def read_properties(bus: DBus, wanted: Sequence[Property]) -> list[Any]:
    """The value of each of `wanted`, in their order; None where systemd has no answer."""
    calls = [Call(one.path, PROPERTIES, "Get", (f"{NAME}.{one.interface}", one.name)) for one in wanted]
    return [None if isinstance(answer, CallFailed) or len(answer) != 1 else answer[0] for answer in bus.call_all(calls)]
