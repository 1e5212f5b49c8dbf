"""EngineClient and LineStream on real sockets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.containers.engine.client import MAX_LINE_BYTES, EngineClient, EngineFailed, EngineRefused, readable
from nodescope.containers.engine.version import Engine, negotiate
from nodescope.kernel.file import Absent, Malformed
from tests.containers.engine.fake_engine import FakeEngine


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="nse", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_requests_share_a_connection_across_a_restart(folder: Path) -> None:
    """A kept connection that the engine has closed is made anew, and nobody notices."""
    with FakeEngine(folder / "s") as engine:
        client = EngineClient(engine.path)
        assert b"ApiVersion" in client.get("/version", 5, 10_000)
        engine.down()
        with pytest.raises(Absent):
            client.get("/version", 5, 10_000)
        engine.up()
        assert b"ApiVersion" in client.get("/version", 5, 10_000)
        engine.down()
        engine.up()
        assert b"ApiVersion" in client.get("/version", 5, 10_000)
        client.close()


def test_what_an_engine_answers_wrongly_is_named(folder: Path) -> None:
    """An error of the engine, a hung one, one that drips and an answer that is too long each say what was asked."""
    with FakeEngine(folder / "s") as engine:
        client = EngineClient(engine.path)
        with pytest.raises(EngineFailed, match="longer than 20 bytes"):
            client.get("/version", 5, 20)
        with pytest.raises(EngineRefused, match="No such container") as refused:
            client.get("/v1.47/containers/ab/json", 5, 10_000)
        assert refused.value.status == 404
        for fault in ("hang", "drip"):
            engine.faults = {"version": fault}
            with pytest.raises(EngineFailed, match="/version: no whole answer in time"):
                client.get("/version", 0.2, 10_000)
        engine.faults = {"version": "truncated"}
        with pytest.raises(Malformed, match="closed"):
            client.get("/version", 5, 10_000)
        client.close()


def test_a_container_that_goes_while_podman_is_asked() -> None:
    """podman's 500 about a container that is gone is told as the 404 that it is; any other stays."""
    of_podman = b'{"cause":"no such container","message":"container 05fb does not exist in database","response":500}'
    assert EngineRefused("/containers/05fb/json", 500, of_podman).status == 404
    assert EngineRefused("/containers/05fb/json", 500, b'{"message":"server error"}').status == 500


def test_sockets_that_cannot_be_opened(folder: Path) -> None:
    """A socket that is not there or that nobody listens on is absent; too long a path says so."""
    with pytest.raises(Absent):
        EngineClient(str(folder / "none")).get("/version", 1, 1)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "dead"))
    with pytest.raises(Absent):
        EngineClient(str(folder / "dead")).get("/version", 1, 1)
    with pytest.raises(EngineFailed, match="at most 107 bytes"):
        EngineClient(f"/{'x' * 200}").get("/version", 1, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not open a socket")
def test_permission_refused_says_what_to_do(folder: Path) -> None:
    """A user who may not open the socket is told of the group."""
    with FakeEngine(folder / "s") as engine:
        Path(engine.path).chmod(0o600)
        script = (
            "import os, sys; from nodescope.containers.engine.client import EngineClient, EngineDenied\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try: EngineClient(sys.argv[1]).get('/version', 5, 1000)\n"
            "except EngineDenied as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", script, engine.path], capture_output=True, timeout=30, check=True)
    assert b"permission refused: run as root, or add this user to the group" in done.stdout


def test_a_line_without_end_is_refused(folder: Path) -> None:
    """A stream's line may not be longer than a megabyte; nothing is kept of it."""
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def flood() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\none\ntwo\n")
                try:
                    connection.sendall(b"x" * 2 * MAX_LINE_BYTES)
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        stream = EngineClient(path).stream("/events", 5)
        lines: list[bytes] = []

        def drain() -> None:
            while readable([stream.fileno()], 5):
                lines.extend(stream.lines())

        with pytest.raises(Malformed, match="lines of at most"):
            drain()
        stream.close()
        thread.join(5)
    assert lines == [b"one", b"two"]


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.52", "1.44", "1.52"), ("1.99", "1.44", "1.52"), ("1.99", "1.60", "1.60")],
)
def test_the_newest_version_that_both_speak(newest: str, oldest: str, spoken: str) -> None:
    """The engine's newest, but not newer than is known here unless it speaks nothing older."""
    body = f'{{"Version":"27.1","ApiVersion":"{newest}","MinAPIVersion":"{oldest}"}}'.encode()
    assert negotiate(body, "s") == Engine("docker", "27.1", spoken)


def test_podman_names_itself() -> None:
    """podman is told from Docker by its components."""
    body = b'{"ApiVersion":"1.41","Version":"4.3.1","Components":[{"Name":"Podman Engine"}]}'
    assert negotiate(body, "s") == Engine("podman", "4.3.1", "1.41")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ApiVersion":"new"}', b'{"ApiVersion":"1.\xc2\xb2"}', b"\xff"])
def test_versions_that_are_none(body: bytes) -> None:
    """What names no version is malformed."""
    with pytest.raises(Malformed):
        negotiate(body, "s")


def test_an_old_engine_is_told_to_be_updated() -> None:
    """API 1.40 is too old, and the sentence says what to do."""
    with pytest.raises(EngineFailed, match=r"1\.40, and 1\.41 is needed: update it"):
        negotiate(b'{"ApiVersion":"1.40"}', "s")
