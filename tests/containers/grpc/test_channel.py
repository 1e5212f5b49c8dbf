"""Calls to a server of the reference implementation, and to servers that mean harm."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.grpc import hpack
from nodescope.containers.grpc.channel import UNIMPLEMENTED, CallFailed, Channel, Stream, reason_of
from nodescope.containers.grpc.connection import END_HEADERS, END_STREAM, Unreachable, frame
from nodescope.kernel.file import Absent, Malformed
from tests.containers.grpc_fake import serving

NOBODY: Final = 65534
OPENING: Final = hpack.encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
TRAILERS: Final = hpack.encode([(b"grpc-status", b"0")])


def test_unary_calls_share_a_connection(tmp_path: Path) -> None:
    """Two hundred calls, with metadata, go over one connection, windows refilled on the way."""

    def echo(request: bytes, context: Any) -> bytes:
        who: str = dict(context.invocation_metadata())["who"]
        return request + who.encode()

    with serving(tmp_path / "s", {"/a.B/Echo": echo}):
        channel = Channel(str(tmp_path / "s"))
        for number in range(200):
            body = bytes([number]) * 2000
            assert channel.unary("/a.B/Echo", body, (("who", "me"),)) == body + b"me"
        with pytest.raises(Malformed, match="a request of at most"):
            channel.unary("/a.B/Echo", metadata=(("who", "m" * 20_000),))
        channel.close()
    assert channel.reconnects <= 3


def test_an_answer_of_12_mib(tmp_path: Path) -> None:
    """An answer beyond gRPC's own 4 MiB is received whole; one beyond nodescope's bound is refused."""
    answer = os.urandom(12 * 1024 * 1024)
    with serving(tmp_path / "s", {"/a.B/Big": lambda *_: answer}):
        channel = Channel(str(tmp_path / "s"))
        assert channel.unary("/a.B/Big", timeout_s=30) == answer
        with pytest.raises(Malformed, match="at most 1000 bytes"):
            channel.unary("/a.B/Big", max_bytes=1000)
        channel.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"not found", "not found"),
        (b"no %E2%82%AC left, 100%25", "no \u20ac left, 100%"),
        (b"%zz %4", "%zz %4"),
        (b"%ff%fe", "\ufffd"),
        (b"", ""),
    ],
)
def test_the_words_of_a_refusal(sent: bytes, reason: str) -> None:
    """%XX is a byte of UTF-8; what is no such escape stays as it is."""
    assert reason_of({b"grpc-message": sent}) == reason


def test_refusals(tmp_path: Path) -> None:
    """A method that is not there and one that fails say so with status and reason; the connection lives on."""

    def fail(_request: bytes, context: Any) -> bytes:
        context.abort(__import__("grpc").StatusCode.NOT_FOUND, "no container \u201cx\u201d\n")
        return b""

    with serving(tmp_path / "s", {"/a.B/Fail": fail}):
        channel = Channel(str(tmp_path / "s"))
        with pytest.raises(CallFailed) as none:
            channel.unary("/a.B/Nothing")
        with pytest.raises(CallFailed, match="NOT_FOUND: no container \u201cx\u201d"):
            channel.unary("/a.B/Fail")
        channel.close()
    assert none.value.code == UNIMPLEMENTED
    assert channel.reconnects == 0


def test_a_stream(tmp_path: Path) -> None:
    """Messages of a stream come one by one, silence is None, and its end is told."""
    more = threading.Event()

    def count(_request: bytes, _context: Any) -> Iterator[bytes]:
        yield from (b"1", b"", b"3")
        more.wait(10)
        yield b"x" * 3_000_000

    with serving(tmp_path / "s", streaming={"/a.B/Count": count}):
        stream = Stream(str(tmp_path / "s"), "/a.B/Count")
        assert [stream.receive(10) for _ in range(3)] == [b"1", b"", b"3"]
        assert stream.receive(0.05) is None
        ends = [stream.ended]
        more.set()
        assert stream.receive(10) == b"x" * 3_000_000
        assert stream.receive(10) is None
        ends.append(stream.ended)
        stream.close()
    assert ends == [False, True]


def test_a_server_that_restarts(tmp_path: Path) -> None:
    """A call that finds its connection gone is made on a new one, unseen."""
    channel = Channel(str(tmp_path / "s"))
    for _ in range(2):
        with serving(tmp_path / "s", {"/a.B/Hi": lambda *_: b"hi"}):
            assert channel.unary("/a.B/Hi") == b"hi"
    channel.close()
    assert channel.reconnects == 1


def test_nobody_there(tmp_path: Path) -> None:
    """No socket is absence; one that nobody listens on is a failure that names it."""
    with pytest.raises(Absent):
        Channel(str(tmp_path / "none")).unary("/a.B/Hi")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(Unreachable, match="dead: cannot connect"):
        Channel(str(tmp_path / "dead")).unary("/a.B/Hi")


def test_permission_refused(tmp_path: Path) -> None:
    """A socket that may not be opened raises `PermissionError`, which the watch says once."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        os.chmod(tmp_path / "s", 0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(PermissionError):
                Channel(str(tmp_path / "s")).unary("/a.B/Hi")
        finally:
            os.seteuid(user)


@contextlib.contextmanager
def answering(data: bytes, path: str, hang: bool = False) -> Iterator[None]:
    """A server that says `data` to whoever connects, whatever is asked."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(5)

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as peer:
                peer.sendall(data)
                done.wait(5 if hang else 0)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def call(data: bytes, hang: bool = False, timeout_s: float = 2.0) -> bytes:
    """One call to a server that says `data`."""
    with tempfile.TemporaryDirectory() as folder, answering(data, f"{folder}/s", hang):
        channel = Channel(f"{folder}/s")
        try:
            return channel.unary("/a.B/C", timeout_s=timeout_s)
        finally:
            channel.close()


def test_a_server_that_hangs() -> None:
    """A server that accepts and says nothing, or trickles, costs its deadline and no more."""
    began = time.monotonic()
    for data in (b"", frame(1, END_HEADERS, 1, OPENING)):
        with pytest.raises(Unreachable, match="in time"):
            call(data, hang=True, timeout_s=0.2)
    assert time.monotonic() - began < 10


def test_frames_of_all_kinds() -> None:
    """Settings, pings, unknown frames, padding, a split header block: the answer is found among them."""
    data = (
        frame(4, 0, 0, struct.pack(">HI", 3, 100))
        + frame(6, 0, 0, b"12345678")
        + frame(0x77, 0, 0, b"unknown")
        + frame(1, 0x8, 1, b"\x03" + OPENING[:5] + b"\0\0\0")
        + frame(9, END_HEADERS, 1, OPENING[5:])
        + frame(0, 0x8, 1, b"\x02\0\0\0\0\x02h\0\0")
        + frame(0, 0, 1, b"i")
        + frame(1, END_HEADERS | END_STREAM, 1, TRAILERS)
    )
    assert call(data) == b"hi"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        frame(1, END_HEADERS, 1, hpack.encode([(b":status", b"404"), (b"content-type", b"text/html")])),
        frame(0, 0, 1, b"early"),
        frame(0, 0, 3, b"of no stream"),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, b"\1\0\0\0\1x"),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, b"\0\xff\xff\xff\xff"),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, END_STREAM, 1, b"\0\0\0\0\1x"),
        frame(1, END_HEADERS, 1, OPENING) + frame(1, END_HEADERS | END_STREAM, 1, TRAILERS),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1) * 10_002,
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, bytes(10)),
        frame(1, 0, 1, OPENING) + frame(6, 0, 0, bytes(8)),
        frame(9, END_HEADERS, 1, OPENING),
        frame(1, 0, 1) + frame(9, 0, 1, bytes(16384)) * 5,
        frame(5, END_HEADERS, 1, bytes(4)),
        frame(6, 0, 0, b"short"),
        frame(0, 0x8, 1, b"\x05abc"),
        b"\xff\xff\xff\0\0\0\0\0\1",
    ],
)
def test_servers_that_lie(data: bytes) -> None:
    """What is not HTTP/2, not gRPC, or more than it may be is refused as malformed."""
    with pytest.raises(Malformed):
        call(data)


SECRET: Final = b"PASSWORD=hunter2"


@pytest.mark.parametrize(
    "data",
    [
        frame(0, 0, 1, SECRET),
        frame(0, 0, 3, SECRET),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, SECRET),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, b"\0\0\0\0\x20" + SECRET) + frame(1, 5, 1, TRAILERS),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0, 1, b"\0\0\0\0\x10" + SECRET + b"\0\0\0\0\x10" + SECRET),
        frame(1, 0, 1, OPENING) + frame(0, 0, 1, SECRET),
        frame(1, END_HEADERS, 1, OPENING) + frame(0, 0x8, 1, b"\x7f" + SECRET),
        frame(6, 0, 0, SECRET),
    ],
)
def test_nothing_of_an_answer_is_shown(data: bytes) -> None:
    """An answer may hold a container's environment: what is wrong with it is told without it."""
    with pytest.raises(Malformed) as raised:
        call(data)
    assert "PASS" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", frame(3, 0, 1, bytes(4)), frame(7, 0, 0, bytes(8))])
def test_servers_that_leave(data: bytes) -> None:
    """An end, a reset and a GOAWAY that turns the call away are failures to reach it."""
    with pytest.raises(Unreachable):
        call(data)


FRAMES: Final = st.builds(
    frame, st.integers(0, 10), st.integers(0, 255), st.sampled_from([0, 1, 1, 3]), st.binary(max_size=40)
)


@given(st.lists(st.one_of(FRAMES, st.just(frame(1, END_HEADERS, 1, OPENING)), st.binary(max_size=20)), max_size=8))
def test_any_frames(frames: Iterable[bytes]) -> None:
    """Whatever a server sends, the call ends with an answer or one of its own exceptions."""
    with contextlib.suppress(Malformed, Unreachable, CallFailed):
        call(b"".join(frames))
