"""systemd's units."""

from __future__ import annotations

import os
import re
import time
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote

from nodescope.collectors.host.dbus import DBus
from nodescope.collectors.host.systemd_unit import (
    MANAGER_PATH,
    NAME,
    Property,
    Unit,
    list_units,
    read_properties,
)
from nodescope.host import Host
from nodescope.metric import Family, Metric, Row, single
from nodescope.settings import Settings

MAX_UNITS: Final = 20_000
TYPE_SECONDS: Final = 60.0
"""A unit's type changes only when somebody edits the unit."""
SHARE_OF_TIMEOUT: Final = 0.9
"""Of the time that the collector has, so that it ends by itself before it counts as hung."""

BUS_SOCKET: Final = "/run/dbus/system_bus_socket"
PRIVATE_SOCKET: Final = "/run/systemd/private"

STATES: Final = ("active", "activating", "deactivating", "inactive", "failed")

_VERSION: Final = re.compile(r"[0-9]{3,}(\.[0-9]+)?")


def _metric(name: str, kind: str, help: str, *label_names: str) -> Metric:
    return Metric(f"node_systemd_{name}", "counter" if kind == "counter" else "gauge", help, label_names)


UNIT_STATE: Final = _metric("unit_state", "gauge", "Systemd unit", "name", "state", "type")
START_TIME: Final = _metric(
    "unit_start_time_seconds", "gauge", "Start time of the unit since unix epoch in seconds.", "name"
)
TASKS: Final = _metric("unit_tasks_current", "gauge", "Current number of tasks per Systemd unit", "name")
MAX_TASKS: Final = _metric("unit_tasks_max", "gauge", "Maximum number of tasks per Systemd unit", "name")
RUNNING: Final = _metric(
    "system_running", "gauge", "Whether the system is operational (see 'systemctl is-system-running')"
)
UNITS: Final = _metric("units", "gauge", "Summary of systemd unit states", "state")
RESTARTS: Final = _metric("service_restart_total", "counter", "Service unit count of Restart triggers", "name")
LAST_TRIGGER: Final = _metric("timer_last_trigger_seconds", "gauge", "Seconds since epoch of last trigger.", "name")
ACCEPTED: Final = _metric(
    "socket_accepted_connections_total", "counter", "Total number of accepted socket connections", "name"
)
CONNECTIONS: Final = _metric("socket_current_connections", "gauge", "Current number of socket connections", "name")
REFUSED: Final = _metric(
    "socket_refused_connections_total", "gauge", "Total number of refused socket connections", "name"
)
VERSION: Final = _metric("version", "gauge", "Detected systemd version", "version")
VIRTUALIZATION: Final = _metric(
    "virtualization_info", "gauge", "Detected virtualization technology", "virtualization_type"
)

TYPED: Final = {".service": "Service", ".mount": "Mount"}
"""Ending of the unit's name -> the interface that says its type."""


class Question(NamedTuple):
    """What of a unit becomes which family: the interface and name of the property, and what its number is divided by.

    `option`: the setting that it needs, or "". `active`: a unit that is not active has 0 without being asked.
    """

    ending: str
    metric: Metric
    interface: str
    property: str
    divisor: float = 1
    option: str = ""
    active: bool = False


RESTARTS_OPTION: Final = "enable-restarts-metrics"
START_TIME_OPTION: Final = "enable-start-time-metrics"
TASKS_OPTION: Final = "enable-task-metrics"

QUESTIONS: Final = (
    Question(".timer", LAST_TRIGGER, "Timer", "LastTriggerUSec", 1e6),
    Question(".socket", ACCEPTED, "Socket", "NAccepted"),
    Question(".socket", CONNECTIONS, "Socket", "NConnections"),
    Question(".socket", REFUSED, "Socket", "NRefused"),
    Question(".service", RESTARTS, "Service", "NRestarts", option=RESTARTS_OPTION),
    Question(".service", TASKS, "Service", "TasksCurrent", option=TASKS_OPTION),
    Question(".service", MAX_TASKS, "Service", "TasksMax", option=TASKS_OPTION),
    Question("", START_TIME, "Unit", "ActiveEnterTimestamp", 1e6, START_TIME_OPTION, True),
)
UNSET: Final = {(TASKS, 2**64 - 1), (MAX_TASKS, 2**64 - 1)}
"""Numbers that say that there is none."""


class SystemdCollector:
    """The state of each unit, and what units of some kinds count.

    *Source*: org.freedesktop.systemd1(5) over the system bus, or over systemd's own socket. *Units*: seconds since the
    epoch, numbers of tasks, connections, restarts. *Absent when*: nothing listens at the socket, or nobody on the bus
    is systemd. What a unit does not answer is left out. *Cost*: one connection, one question for all units, one for
    each timer, three for each socket, one a minute for each service and mount; more with the settings enable-*. All
    of it ends at the collector's deadline.
    """

    name: ClassVar[str] = "systemd"
    metrics: ClassVar[tuple[Metric, ...]] = (
        UNIT_STATE, START_TIME, TASKS, MAX_TASKS, RUNNING, UNITS, RESTARTS, LAST_TRIGGER, ACCEPTED, CONNECTIONS,
        REFUSED, VERSION, VIRTUALIZATION,
    )  # fmt: skip
    left_out: int = 0

    def __init__(
        self,
        socket_path: str,
        destination: str | None,
        timeout_s: float,
        include: re.Pattern[str] | None,
        exclude: re.Pattern[str] | None,
        options: frozenset[str],
    ) -> None:
        self._socket_path = socket_path
        self._destination = destination
        self._timeout_s = timeout_s
        self._include = include
        self._exclude = exclude
        self._questions = [one for one in QUESTIONS if not one.option or one.option in options]
        self._types: dict[str, tuple[float, str]] = {}
        self._states: tuple[list[tuple[str, str, str]], list[Row]] = ([], [])

    def collect(self) -> list[Family]:
        self.left_out = 0
        with DBus(self._socket_path, self._destination, time.monotonic() + self._timeout_s) as bus:
            units = list_units(bus)
            shown = self._shown(units)
            untyped = self._without_type(shown)
            asked = [(unit, one) for one in self._questions for unit in shown if unit.name.endswith(one.ending)]
            open_ones = [(unit, one) for unit, one in asked if not one.active or unit.active_state == "active"]
            answers = read_properties(
                bus,
                [
                    *(Property(MANAGER_PATH, "Manager", name) for name in ("Version", "Virtualization", "SystemState")),
                    *(Property(unit.path, interface, "Type") for unit, interface in untyped),
                    *(Property(unit.path, one.interface, one.property) for unit, one in open_ones),
                ],
            )
        self._learn_types(shown, [unit for unit, _ in untyped], answers[3 : 3 + len(untyped)])
        numbers = dict(zip(open_ones, answers[3 + len(untyped) :], strict=True))
        found = [
            Family(UNIT_STATE, self._state_rows(shown)),
            Family(UNITS, summary_rows(units)),
            *self._manager(*answers[:3]),
            *self._counted({pair: numbers.get(pair, 0) for pair in asked}),
        ]
        return [family for family in found if family.rows]

    def _shown(self, units: list[Unit]) -> list[Unit]:
        """The units that are loaded and that the settings keep, each once."""
        found: dict[str, Unit] = {}
        for unit in units:
            if unit.load_state != "loaded" or not self._keeps(unit.name):
                continue
            if unit.name in found or len(found) >= MAX_UNITS:
                self.left_out += 1
                continue
            found[unit.name] = unit
        return list(found.values())

    def _keeps(self, name: str) -> bool:
        if self._include is not None and not self._include.fullmatch(name):
            return False
        return self._exclude is None or not self._exclude.fullmatch(name)

    def _without_type(self, shown: list[Unit]) -> list[tuple[Unit, str]]:
        """The units whose type is not known, or not known to be still right, and the interface to ask for it."""
        now = time.monotonic()
        return [
            (unit, interface)
            for unit in shown
            for ending, interface in TYPED.items()
            if unit.name.endswith(ending) and self._types.get(unit.path, (0.0, ""))[0] <= now
        ]

    def _learn_types(self, shown: list[Unit], asked: list[Unit], answers: list[Any]) -> None:
        now = time.monotonic()
        known = {unit.path: self._types[unit.path] for unit in shown if unit.path in self._types}
        for number, (unit, answer) in enumerate(zip(asked, answers, strict=True)):
            # Not all at once: the questions are spread over the half of that time.
            until = now + TYPE_SECONDS * (1 - number % 64 / 128)
            known[unit.path] = (until, answer) if isinstance(answer, str) else (0.0, "")
        self._types = known

    def _state_rows(self, shown: list[Unit]) -> list[Row]:
        states = [(unit.name, unit.active_state, self._types.get(unit.path, (0.0, ""))[1]) for unit in shown]
        if states != self._states[0]:
            rows: list[Row] = [
                ((name, state, kind), 1 if state == active else 0) for name, active, kind in states for state in STATES
            ]
            self._states = (states, rows)
        return self._states[1]

    def _manager(self, version: object, virtualization: object, state: object) -> list[Family]:
        families = []
        detected = _VERSION.search(version) if isinstance(version, str) else None
        if detected is not None:
            families.append(Family(VERSION, [((str(version),), float(detected[0]))]))
        kind = (virtualization or "none") if isinstance(virtualization, str) else "unknown"
        families.append(Family(VIRTUALIZATION, [((kind,), 1)]))
        if isinstance(state, str):
            families.append(single(RUNNING, 1 if state == "running" else 0))
        return families

    def _counted(self, numbers: dict[tuple[Unit, Question], Any]) -> list[Family]:
        """A unit that does not answer, or has no such number, has no row."""
        rows: dict[Metric, list[Row]] = {}
        for (unit, one), number in numbers.items():
            if number is not None and not isinstance(number, int):
                self.left_out += 1
                continue
            if number is None or (one.metric, number) in UNSET:
                continue
            value = number if one.divisor == 1 else number / one.divisor
            rows.setdefault(one.metric, []).append(((unit.name,), value))
        return [Family(metric, found) for metric, found in rows.items()]


def summary_rows(units: list[Unit]) -> list[Row]:
    """How many of all units are in each state, those states that every systemd has first."""
    counts = dict.fromkeys(STATES, 0)
    for unit in units:
        counts[unit.active_state] = counts.get(unit.active_state, 0) + 1
    return [((state,), count) for state, count in counts.items()]


def bus_socket(host: Host, address: str) -> str:
    """Where the system bus listens: the first socket in `address` (DBUS_SYSTEM_BUS_ADDRESS), or the usual one."""
    for one in address.split(";"):
        transport, _, said = one.partition(":")
        for pair in said.split(",") if transport == "unix" else ():
            key, _, value = pair.partition("=")
            if key in ("path", "abstract") and value:
                return unquote(value) if key == "path" else f"\0{unquote(value)}"
    return host.root(BUS_SOCKET)


def build(host: Host, settings: Settings) -> SystemdCollector:
    private = settings["collector.systemd.private"]
    options = (RESTARTS_OPTION, START_TIME_OPTION, TASKS_OPTION)
    return SystemdCollector(
        host.root(PRIVATE_SOCKET) if private else bus_socket(host, os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "")),
        None if private else NAME,
        settings["collector.timeout"] * SHARE_OF_TIMEOUT,
        settings["collector.systemd.unit-include"],
        settings["collector.systemd.unit-exclude"],
        frozenset(option for option in options if settings[f"collector.systemd.{option}"]),
    )
