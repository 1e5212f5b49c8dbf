"""systemd's protocols, against real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nodescope.systemd import Notifier, passed_sockets, watchdog_interval_s


def test_messages_arrive_on_the_notify_socket(tmp_path: Path) -> None:
    """Readiness, reload, watchdog, status and stop are sent as sd_notify(3) spells them."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": address})
        notifier.ready()
        notifier.reloading(12)
        notifier.watchdog()
        notifier.status("a\nb")
        notifier.stopping()
        messages = [manager.recv(1000) for _ in range(5)]
    assert messages == [b"READY=1", b"RELOADING=1\nMONOTONIC_USEC=12", b"WATCHDOG=1", b"STATUS=a b", b"STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    """An address that starts with @ is in the abstract namespace."""
    name = f"nodescope-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        manager.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert manager.recv(100) == b"READY=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """No address, or one where nobody listens, is no error."""
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_watchdog_interval(environment: dict[str, str], seconds: float | None) -> None:
    """Half of the service's limit, where it is meant for this process."""
    assert watchdog_interval_s(environment) == seconds


def test_passed_sockets_are_taken_by_the_process_they_are_for() -> None:
    """A process that LISTEN_PID names gets descriptor 3 and on as sockets; another gets none."""
    assert passed_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert passed_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == []
    code = (
        "import os; from nodescope.systemd import passed_sockets;"
        "print([s.getsockname()[1] for s in passed_sockets({'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'})])"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        shell = f'exec 3<&{server.fileno()}; exec {sys.executable} -W error -c "{code}"'
        done = subprocess.run(
            ["bash", "-c", shell], pass_fds=[server.fileno()], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.stdout.strip() == f"[{server.getsockname()[1]}]", done.stderr


def test_a_socket_that_does_not_listen_is_refused() -> None:
    """A datagram socket (ListenDatagram=), or one that is a connection (Accept=yes), would serve nobody unseen."""
    code = (
        "import os; from nodescope.systemd import passed_sockets;"
        "passed_sockets({'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'})"
    )
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            shell = f'exec 3<&{sock.fileno()}; exec {sys.executable} -c "{code}"'
            done = subprocess.run(
                ["bash", "-c", shell], pass_fds=[sock.fileno()], capture_output=True, text=True, timeout=30, check=False
            )
        assert "it does not listen for streams; give ListenStream= and Accept=no" in done.stderr
