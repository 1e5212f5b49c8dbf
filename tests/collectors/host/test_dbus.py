from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodescope.collectors.host.dbus import Call, CallFailed, DBus
from nodescope.host import Absent, Malformed
from tests.collectors.host.fake_systemd import NAME, FakeSystemd, message

MANAGER = ("/org/freedesktop/systemd1", f"{NAME}.Manager")


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a bus may listen; short enough for the name of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "bus"


def ask(path: Path, timeout_s: float = 20) -> object:
    with DBus(str(path), NAME, time.monotonic() + timeout_s) as bus:
        return bus.call(Call(*MANAGER, "ListUnits"))


def test_call(path: Path) -> None:
    """A method's values come back, and an error as one with its name; signals that come between are passed over."""
    fake = FakeSystemd()
    fake.manager(Version="252")
    get = [Call(MANAGER[0], "org.freedesktop.DBus.Properties", "Get", (MANAGER[1], name)) for name in ("Version", "No")]
    with fake.listening(path), DBus(str(path), NAME, time.monotonic() + 20) as bus:
        assert bus.call(Call(*MANAGER, "ListUnits")) == [[]]
        known, unknown = bus.call_all(get)
        assert known == ["252"]
        assert isinstance(unknown, CallFailed)
        assert unknown.args == ("org.freedesktop.DBus.Error.UnknownProperty", "no such property")
        assert bus.call_all([]) == []
        with pytest.raises(CallFailed):
            bus.call(get[1])


def test_nobody_listens(path: Path) -> None:
    """Without a socket there is no bus; one at which nobody listens any more is an error."""
    with pytest.raises(Absent):
        ask(path)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(ConnectionRefusedError):
        ask(path)


def test_nobody_has_the_name(path: Path) -> None:
    """Where nobody on the bus has the name, that is absence."""
    error = message(3, {5: ("u", 2), 4: ("s", "org.freedesktop.DBus.Error.ServiceUnknown")}, "s", ["no"])
    peer = Peer(path, says(b"OK 1\r\n", HELLO + error))
    with pytest.raises(Absent, match=NAME):
        ask(path)
    peer.close()


def test_a_bus_that_is_full(path: Path) -> None:
    """A bus that takes no more connections is an error at once, or at the deadline."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(str(path))
        with pytest.raises(OSError, match=r"temporarily unavailable|timed out|in time"):
            ask(path, 0.3)
        for one in waiting:
            one.close()


class Peer:
    """Something at the bus's socket that is no bus: it does what `behave` says with each connection."""

    def __init__(self, path: Path, behave: Callable[[socket.socket], None]) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.done = threading.Event()
        self.behave = behave
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(OSError):
            self.behave(connection)
            self.done.wait(30)

    def close(self) -> None:
        self.done.set()
        self.thread.join()
        self.listener.close()


def says(*parts: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        for part in parts:
            connection.recv(4096)
            connection.sendall(part)

    return behave


HELLO = message(2, {5: ("u", 1)}, "s", [":1.7"])
STRAY = message(4, {1: ("o", "/"), 2: ("s", "x.y"), 3: ("s", "Z")}, "", [])


@pytest.mark.parametrize(
    "parts", [(), (b"OK 1\r\n",), (b"OK 1\r\n", b"", HELLO[:20]), (b"OK 1\r\n", HELLO, b""), (b"no line",)]
)
def test_a_bus_that_hangs(path: Path, parts: tuple[bytes, ...]) -> None:
    """A bus that falls silent at any point is given up at the deadline."""
    peer = Peer(path, says(*parts))
    with pytest.raises(TimeoutError):
        ask(path, 0.3)
    peer.close()


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((b"REJECTED EXTERNAL\r\n",), PermissionError), ((b"x" * 9000,), Malformed),
        ((b"OK 1\r\n" + b"HTTP/1.1 400 Bad Request\r\n\r\n",), Malformed),
        ((b"OK 1\r\n" + STRAY * 1100,), Malformed), ((b"OK 1\r\n" + b"l\2\0\1" + b"\xff" * 12,), Malformed),
    ],
)  # fmt: skip
def test_a_peer_that_is_no_bus(path: Path, parts: tuple[bytes, ...], error: type[Exception]) -> None:
    """One that refuses, talks something else, or talks without end is left with a reason."""
    peer = Peer(path, says(*parts))
    with pytest.raises(error):
        ask(path)
    peer.close()


def test_a_bus_that_goes_away(path: Path) -> None:
    """A connection that is closed in the middle is an error, not an answer."""
    peer = Peer(path, lambda connection: connection.shutdown(socket.SHUT_RDWR))
    with pytest.raises((ConnectionError, BrokenPipeError)):
        ask(path)
    peer.close()
