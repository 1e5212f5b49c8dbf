from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodescope.collectors.host.dbus_wire import decode_message, encode_call
from nodescope.collectors.host.systemd import bus_socket
from nodescope.host import Absent, Host
from tests.collectors.host.fake_systemd import NAME, FakeSystemd, Stream, message
from tests.collectors.host.machine import Machine, series

BUS = "run/dbus/system_bus_socket"
UINT64_MAX = 2**64 - 1


@pytest.fixture
def short() -> Iterator[Machine]:
    """A machine whose root is short enough for the name of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Machine(Path(folder))


@pytest.fixture
def systemd() -> FakeSystemd:
    """Units of several kinds and states, as systemd 252 tells them."""
    fake = FakeSystemd()
    fake.manager(Version="252.17-1~deb12u1", Virtualization="kvm", SystemState="running")
    fake.unit(
        "ssh.service", Type=("Service", "s", "notify"), NRestarts=("Service", "u", 3),
        TasksCurrent=("Service", "t", 7), TasksMax=("Service", "t", 4915),
        ActiveEnterTimestamp=("Unit", "t", 1_700_000_000_500_000),
    )  # fmt: skip
    fake.unit(
        "nvidia-persistenced.service", "failed", Type=("Service", "s", "forking"), NRestarts=("Service", "u", 0),
        TasksCurrent=("Service", "t", UINT64_MAX), TasksMax=("Service", "t", UINT64_MAX),
    )  # fmt: skip
    fake.unit("gone.service", "inactive", load="not-found")
    fake.unit("logrotate.timer", "active", LastTriggerUSec=("Timer", "t", 1_700_000_001_250_000))
    fake.unit(
        "docker.socket", "active", NAccepted=("Socket", "u", 5), NConnections=("Socket", "u", 1),
        NRefused=("Socket", "u", 2),
    )  # fmt: skip
    fake.unit("data.mount", "active", Type=("Mount", "s", "xfs"))
    fake.unit("multi-user.target", "reloading")
    return fake


def states(name: str, kind: str, active: str) -> dict[str, float]:
    return {
        f'node_systemd_unit_state{{name="{name}",state="{state}",type="{kind}"}}': float(state == active)
        for state in ("active", "activating", "deactivating", "inactive", "failed")
    }


def collected(machine: Machine, systemd: FakeSystemd, settings: dict[str, Any] | None = None) -> dict[str, float]:
    with systemd.listening(machine.folder / "root" / BUS):
        return series(machine.build("systemd", settings).collect())


def test_all_families(short: Machine, systemd: FakeSystemd) -> None:
    """Five states for each loaded unit that is kept, a summary of all units, timers, sockets, version and the system's
    state; mounts are left out and what must be switched on is off."""
    assert collected(short, systemd) == {
        **states("ssh.service", "notify", "active"),
        **states("nvidia-persistenced.service", "forking", "failed"),
        **states("logrotate.timer", "", "active"),
        **states("docker.socket", "", "active"),
        **states("multi-user.target", "", "reloading"),
        'node_systemd_units{state="active"}': 4, 'node_systemd_units{state="activating"}': 0,
        'node_systemd_units{state="deactivating"}': 0, 'node_systemd_units{state="inactive"}': 1,
        'node_systemd_units{state="failed"}': 1, 'node_systemd_units{state="reloading"}': 1,
        'node_systemd_version{version="252.17-1~deb12u1"}': 252.17,
        'node_systemd_virtualization_info{virtualization_type="kvm"}': 1,
        "node_systemd_system_running": 1,
        'node_systemd_timer_last_trigger_seconds{name="logrotate.timer"}': 1_700_000_001_250_000 / 1e6,
        'node_systemd_socket_accepted_connections_total{name="docker.socket"}': 5,
        'node_systemd_socket_current_connections{name="docker.socket"}': 1,
        'node_systemd_socket_refused_connections_total{name="docker.socket"}': 2,
    }  # fmt: skip


def test_big_endian(short: Machine, systemd: FakeSystemd) -> None:
    """A machine of the other byte order is understood as well."""
    little = collected(short, systemd)
    systemd.order = ">"
    assert collected(short, systemd) == little


def test_what_is_switched_on(short: Machine, systemd: FakeSystemd) -> None:
    """Restarts, start times (0 for what is not active) and tasks; a number of tasks without limit has no row."""
    switches = {"enable-restarts-metrics": True, "enable-start-time-metrics": True, "enable-task-metrics": True}
    found = collected(short, systemd, {**switches, "unit-include": r".*\.service"})
    added = {
        name: value for name, value in found.items() if "restart" in name or "start_time" in name or "task" in name
    }
    assert added == {
        'node_systemd_service_restart_total{name="ssh.service"}': 3,
        'node_systemd_service_restart_total{name="nvidia-persistenced.service"}': 0,
        'node_systemd_unit_tasks_current{name="ssh.service"}': 7,
        'node_systemd_unit_tasks_max{name="ssh.service"}': 4915,
        'node_systemd_unit_start_time_seconds{name="ssh.service"}': 1_700_000_000.5,
        'node_systemd_unit_start_time_seconds{name="nvidia-persistenced.service"}': 0,
    }


def test_filters_match_whole_names(short: Machine, systemd: FakeSystemd) -> None:
    """A pattern for a part of a name neither keeps a unit nor leaves it out."""
    settings = {"unit-include": r"ssh\.service|data\.mount|docker", "unit-exclude": "ssh"}
    found = {name for name in collected(short, systemd, settings) if "unit_state" in name}
    assert found == {*states("ssh.service", "notify", ""), *states("data.mount", "xfs", "")}


def test_what_is_not_answered(short: Machine, systemd: FakeSystemd) -> None:
    """Properties that an older systemd does not have are left out; a service without type has an empty one."""
    systemd.properties = {}
    found = collected(short, systemd)
    assert set(states("ssh.service", "", "active")) < set(found)
    rest = [name for name in found if not name.startswith(("node_systemd_unit_state{", "node_systemd_units{"))]
    assert rest == ['node_systemd_virtualization_info{virtualization_type="unknown"}']


def test_properties_of_another_type(short: Machine, systemd: FakeSystemd) -> None:
    """A number that is none costs its series alone, and is counted."""
    path = next(unit[6] for unit in systemd.units if unit[0] == "docker.socket")
    systemd.properties[path, f"{NAME}.Socket", "NAccepted"] = ("s", "five")
    collector = short.build("systemd")
    with systemd.listening(short.folder / "root" / BUS):
        found = series(collector.collect())
    assert not [name for name in found if "accepted" in name]
    assert 'node_systemd_socket_current_connections{name="docker.socket"}' in found
    assert collector.left_out == 1


@pytest.mark.parametrize(
    ("version", "expected"), [("v255.4-1ubuntu8", 255.4), ("257~rc1", 257), ("systemd 49", None), ("", None)]
)
def test_version(short: Machine, systemd: FakeSystemd, version: str, expected: float | None) -> None:
    """The version is the first number of three digits; where there is none, nothing is shown."""
    systemd.manager(Version=version)
    assert collected(short, systemd).get(f'node_systemd_version{{version="{version}"}}') == expected


def test_bare_metal_and_degraded(short: Machine, systemd: FakeSystemd) -> None:
    """A machine that is not virtual has the type none; any state but running is 0."""
    systemd.manager(Virtualization="", SystemState="degraded")
    found = collected(short, systemd)
    assert found['node_systemd_virtualization_info{virtualization_type="none"}'] == 1
    assert found["node_systemd_system_running"] == 0


def test_changes_between_two_scrapes(short: Machine, systemd: FakeSystemd) -> None:
    """A unit that fails is seen, one that vanishes vanishes; types are asked once and remembered."""
    collector = short.build("systemd")
    with systemd.listening(short.folder / "root" / BUS):
        collector.collect()
        assert systemd.asked.count("Type") == 2
        ssh = systemd.units[0]
        systemd.units = [(*ssh[:3], "failed", *ssh[4:])]
        systemd.asked.clear()
        found = series(collector.collect())
        assert systemd.asked == ["ListUnits", "Version", "Virtualization", "SystemState"]
    assert states("ssh.service", "notify", "failed").items() <= found.items()
    assert 'node_systemd_units{state="failed"}' in found
    assert not [name for name in found if "docker" in name]


def test_twice_the_same_unit(short: Machine, systemd: FakeSystemd) -> None:
    """A unit that is told twice is shown once, and counted as left out."""
    systemd.units.append(systemd.units[0])
    collector = short.build("systemd")
    with systemd.listening(short.folder / "root" / BUS):
        names = [row[0] for family in collector.collect() for row in family.rows if "state" in family.metric.name]
    assert len(names) == len(set(names))
    assert collector.left_out == 1


def test_many_units(short: Machine, systemd: FakeSystemd) -> None:
    """More questions than may be open at a time are asked one after the other."""
    for number in range(300):
        systemd.unit(f"job-{number}.service", Type=("Service", "s", "simple"))
    found = collected(short, systemd)
    assert states("job-299.service", "simple", "active").items() <= found.items()


def test_private_socket(short: Machine, systemd: FakeSystemd) -> None:
    """systemd's own socket is asked without a bus: no Hello, no destination."""
    seen: list[Any] = []
    answer = systemd.answer

    class Watching(FakeSystemd):
        def answer(self, serial: int, call: Any) -> bytes:
            seen.append(call)
            return answer(serial, call)

    with Watching().listening(short.folder / "root/run/systemd/private"):
        found = series(short.build("systemd", {"private": True}).collect())
    assert states("ssh.service", "notify", "active").items() <= found.items()
    assert seen[0].fields[3] == "ListUnits"
    assert all(6 not in call.fields for call in seen)


def test_absent(short: Machine) -> None:
    """Without the socket there is no systemd."""
    with pytest.raises(Absent):
        short.build("systemd").collect()


def test_where_the_bus_is() -> None:
    """The address in the environment holds, else the usual socket below the host's root."""
    host = Host(rootfs="/host")
    assert bus_socket(host, "") == "/host/run/dbus/system_bus_socket"
    assert bus_socket(host, "tcp:host=x;unix:guid=1,path=/run/a%20b") == "/run/a b"
    assert bus_socket(host, "unix:abstract=bus") == "\0bus"


@pytest.fixture
def daemon(short: Machine) -> Iterator[Machine]:
    """A machine with a real dbus-daemon."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("dbus-daemon is not installed")
    path = short.folder / "root" / BUS
    path.parent.mkdir(parents=True)
    short.write(
        "bus.conf",
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
        '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"><busconfig><type>custom</type>'
        f"<listen>unix:path={path}</listen><auth>EXTERNAL</auth><policy context='default'><allow send_destination='*'/>"
        "<allow receive_sender='*'/><allow own='*'/><allow user='*'/></policy></busconfig>",
    )
    started = [program, "--nofork", "--print-address", f"--config-file={short.folder}/bus.conf"]
    with subprocess.Popen(started, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield short
        process.terminate()


def test_real_bus_without_systemd(daemon: Machine) -> None:
    """A bus on which nobody is systemd has nothing to tell."""
    with pytest.raises(Absent):
        daemon.build("systemd").collect()


def test_real_bus(daemon: Machine, systemd: FakeSystemd) -> None:
    """Over a real bus all is as it is when systemd is asked directly."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(daemon.folder / "root" / BUS))
    serving = threading.Thread(target=serve_on_bus, args=(systemd, connection, ready := threading.Event()))
    serving.start()
    assert ready.wait(30)
    found = series(daemon.build("systemd").collect())
    connection.shutdown(socket.SHUT_RDWR)
    serving.join()
    connection.close()
    assert states("ssh.service", "notify", "active").items() <= found.items()
    assert found['node_systemd_socket_refused_connections_total{name="docker.socket"}'] == 2


def serve_on_bus(systemd: FakeSystemd, connection: socket.socket, ready: threading.Event) -> None:
    """Takes systemd's name on a bus, and answers what comes until the connection ends."""
    stream = Stream(connection)
    connection.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
    while not stream.line().startswith(b"OK "):
        pass
    bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    connection.sendall(b"BEGIN\r\n" + encode_call(1, *bus, "Hello"))
    request = message(
        1, {1: ("o", bus[1]), 2: ("s", bus[2]), 3: ("s", "RequestName"), 6: ("s", bus[0])}, "su", [NAME, 0], "<", 2
    )
    connection.sendall(request)
    while True:
        try:
            serial, received = stream.next()
        except (EOFError, OSError):
            return
        if received.kind == 2 and received.fields[5] == 2:
            ready.set()
        elif received.kind == 1:
            connection.sendall(systemd.answer(serial, received))


def test_the_fake_answers_as_systemd_does(systemd: FakeSystemd) -> None:
    """ListUnits of the fake has ten fields for each unit, as org.freedesktop.systemd1(5) says."""
    answer = decode_message(systemd.answer(1, decode_message(encode_call(1, NAME, "/", NAME, "ListUnits"))))
    assert {len(unit) for unit in answer.body[0]} == {10}
