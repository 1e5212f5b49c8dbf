"""A listener as its clients see it: HTTP/1.1 and 1.0 on real sockets."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.web.address import BindError, bind, parse
from nodescope.web.head import MAX_BODY_BYTES, MAX_HEAD_BYTES
from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.server import Listener
from tests.web.conftest import Serve
from tests.web.raw_client import GET, Client, get, port_of

Connect = Callable[..., Client]
IMPOSSIBLE_STACK_BYTES = 2**45

Eventually = Callable[[Callable[[], bool]], None]


def echo(request: Request) -> Response:
    """What was understood of a request, one part a line."""
    lines = [request.method, request.path, repr(request.query), request.remote, request.body.decode()]
    return Response(200, "\n".join(lines).encode())


def test_a_request_reaches_the_handler_whole(serve: Serve, connect: Connect) -> None:
    """Method, path, query, peer and body are what the client sent."""
    client = connect(serve(echo))
    body = client.ask(get("/a%20b?c=1&c=2", "Content-Length: 4", method="POST") + b"data").body
    assert body == b"POST\n/a b\n{'c': ['1', '2']}\n127.0.0.1\ndata"


def test_a_connection_is_kept_for_further_requests(serve: Serve, connect: Connect) -> None:
    """Requests follow each other on one connection, each answered in full."""
    listener = serve()
    client = connect(listener)
    for _ in range(50):
        assert client.ask().body == b"hello\n"
    assert (listener.counters.accepted, listener.counters.requests) == (1, {200: 50})


def test_requests_may_come_before_the_answers(serve: Serve, connect: Connect) -> None:
    """Pipelined requests are answered in order."""
    client = connect(serve(echo))
    client.send(b"".join(get(f"/{number}") for number in range(20)))
    assert [client.reply().body.split(b"\n")[1] for _ in range(20)] == [b"/%d" % number for number in range(20)]


def test_a_request_may_come_byte_by_byte(serve: Serve, connect: Connect) -> None:
    """However a request is cut into packets, it is one request; an empty line before it is overlooked."""
    client = connect(serve(echo))
    raw = b"\r\n" + get("/x", "Content-Length: 3", method="PUT") + b"abc"
    for index in range(len(raw)):
        client.send(raw[index : index + 1])
    assert client.reply().body.startswith(b"PUT\n/x\n")
    assert client.ask(GET).status == 200


def test_the_same_request_again_is_read_as_the_first_time(serve: Serve, connect: Connect) -> None:
    """A head that has been seen on the connection is a whole request with its own body, however it is cut."""
    client = connect(serve(echo))
    head = get("/x", "Content-Length: 3", method="PUT")
    for body in (b"abc", b"def"):
        assert client.ask(head + body).body.endswith(b"\n" + body)
        client.send(head)
        assert client.ask(body).body.endswith(b"\n" + body)
    client.send(GET)
    client.reply()
    client.send(GET + GET + GET[:9])
    assert [client.reply().status, client.reply().status, client.ask(GET[9:]).status] == [200, 200, 200]


@pytest.mark.parametrize(
    ("request_line", "field", "kept", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"", True, None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"Connection: close\r\n", False, "close"),
        (b"GET / HTTP/1.0\r\n", b"", False, "close"),
        (b"GET / HTTP/1.0\r\n", b"Connection: keep-alive\r\n", True, "keep-alive"),
    ],
)
def test_persistence(
    serve: Serve, connect: Connect, request_line: bytes, field: bytes, kept: bool, said: str | None
) -> None:
    """A connection is kept or closed as the client asks, and the answer says which."""
    client = connect(serve())
    assert client.ask(request_line + field + b"\r\n").headers.get("connection") == said
    if kept:
        assert client.ask(request_line + field + b"\r\n").status == 200
    else:
        assert client.rest() == b""


def test_a_client_that_stops_sending_is_answered(serve: Serve, connect: Connect) -> None:
    """A client may close its sending half after its request and still get the answer."""
    client = connect(serve())
    client.send(GET)
    client.sock.shutdown(socket.SHUT_WR)
    assert client.reply().status == 200
    assert client.rest() == b""


def test_head_has_the_fields_of_get_and_no_body(serve: Serve, connect: Connect) -> None:
    """HEAD says how long the body would be and leaves it out."""
    client = connect(serve())
    reply = client.send(get("/", method="HEAD")).reply(has_body=False)
    assert reply.headers["content-length"] == "6"
    assert client.ask().body == b"hello\n"


def test_answers_are_dated_and_name_no_software(serve: Serve, connect: Connect) -> None:
    """An answer has the date in HTTP's form and does not say what has made it."""
    headers = connect(serve()).ask().headers
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
    assert "server" not in headers


def test_100_continue_is_said_before_the_body(serve: Serve, connect: Connect) -> None:
    """A client that waits for leave to send its body gets it, and then its answer."""
    client = connect(serve(echo))
    client.send(get("/", "Expect: 100-continue", "Content-Length: 3", method="POST"))
    assert client.reply().status == 100
    assert client.ask(b"abc").body.endswith(b"abc")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xf8\x01\x00", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (get("/", f"Content-Length: {MAX_BODY_BYTES + 1}", method="POST") + b"x" * 100_000, 413),
        (b"GET /" + b"a" * 2 * MAX_HEAD_BYTES, 414),
        (get("/", "X: " + "a" * 2 * MAX_HEAD_BYTES), 431),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_is_refused_and_hung_up_on(serve: Serve, connect: Connect, raw: bytes, status: int) -> None:
    """The refusal arrives even where the client is still sending, and nothing after it is read as a request."""
    listener = serve()
    client = connect(listener)
    reply = client.ask(raw)
    assert (reply.status, reply.headers["connection"]) == (status, "close")
    assert client.rest() == b""
    assert (listener.counters.refused, listener.counters.requests) == (1, {status: 1})


def test_nothing_is_answered_after_a_refusal(serve: Serve, connect: Connect) -> None:
    """A request behind one that was refused, or behind one that closes, is never answered."""
    listener = serve()
    assert connect(listener).send(b"GET / HTTP/1.1\r\n\r\n" + GET).rest().count(b"HTTP/1.1 ") == 1
    assert connect(listener).send(get("/", "Connection: close") + GET).rest().count(b"HTTP/1.1 ") == 1


def test_a_handler_that_fails_is_500(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """A handler's exception is logged and answered with 500, and the next request is served."""

    def fail(request: Request) -> Response:
        if request.path == "/":
            raise KeyError("broken")
        return Response(200, b"fine", headers=(("X-Evil", "a\r\nb"),) if request.path == "/evil" else ())

    listener = serve(fail)
    for path in ("/", "/evil"):
        client = connect(listener)
        reply = client.ask(get(path))
        assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
        assert client.rest() == b""
        assert connect(listener).send(get(path, method="HEAD")).rest().endswith(b"\r\n\r\n")
    assert connect(listener).ask(get("/fine")).body == b"fine"
    assert "broken" in caplog.text
    assert "line break" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 33_000, 5_000_000])
def test_bodies_of_any_size_arrive(serve: Serve, connect: Connect, size: int) -> None:
    """A body that the socket does not take at once is sent on as the client reads."""
    body = os.urandom(size)
    client = connect(serve(lambda request: Response(200, body)))
    for _ in range(2):
        assert client.ask().body == body


def test_a_listener_on_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    """A unix socket is served like any other, its peer is "unix", and its file goes with the listener."""
    path = tmp_path / "web.sock"
    listener = serve(echo, where=f"unix:{path}")
    assert listener.address == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(get("/", "Connection: close"))
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b"\nunix\n" in answer
    listener.stop()
    assert not path.exists()


def test_a_listener_on_given_sockets(serve: Serve) -> None:
    """Several sockets are one listener."""
    listener = serve(where=[bind(parse("127.0.0.1:0")), bind(parse("127.0.0.1:0"))])
    ports = [int(address.rpartition(":")[2]) for address in listener.address.split(", ")]
    assert len(set(ports)) == 2
    for port in ports:
        with Client(port) as client:
            assert client.ask().status == 200


def test_an_address_in_use_raises(serve: Serve) -> None:
    """A listener that cannot have its address says so when it is made."""
    with pytest.raises(BindError, match="in use"):
        Listener(serve().address, echo)


def test_swap_changes_the_handler_and_keeps_connections(serve: Serve, connect: Connect) -> None:
    """After a swap the next request on the same connection gets the new handler and the new limits hold."""
    listener = serve()
    client = connect(listener)
    assert client.ask().body == b"hello\n"
    listener.swap(lambda request: Response(200, b"new\n"), None, Limits(idle_timeout_s=0.2))
    assert client.ask().body == b"new\n"
    assert client.rest() == b""


def test_alive_says_whether_requests_are_taken() -> None:
    """A listener is alive from start to stop."""
    listener = Listener("127.0.0.1:0", echo)
    seen = [listener.alive]
    for change in (listener.start, listener.stop, listener.stop):
        change()
        seen.append(listener.alive)
    assert seen == [False, True, False, False]


def test_a_start_without_threads_fails() -> None:
    """A listener that has no worker does not say that it serves."""
    listener = Listener("127.0.0.1:0", echo)
    before = threading.stack_size(IMPOSSIBLE_STACK_BYTES)
    try:
        with pytest.raises(RuntimeError, match="no thread to answer requests"):
            listener.start()
    finally:
        threading.stack_size(before)
        listener.stop()
    assert not listener.alive


def test_a_worker_that_ends_is_replaced_when_there_is_a_thread(serve: Serve, connect: Connect) -> None:
    """Where none is to be had when a handler ends its worker, one is started as soon as there is."""

    def end(request: Request) -> Response:
        if request.path == "/end":
            threading.stack_size(IMPOSSIBLE_STACK_BYTES)
            raise SystemExit
        return Response(200, b"fine")

    listener = serve(end, Limits(workers=1))
    before = threading.stack_size()
    try:
        assert connect(listener).send(get("/end")).rest() == b""
        waiting = connect(listener).send(GET)
        assert waiting.is_open()
    finally:
        threading.stack_size(before)
    assert waiting.reply().body == b"fine"


def test_stop_closes_what_is_open(serve: Serve, connect: Connect) -> None:
    """Stopping hangs up on idle and half-finished clients alike, and nothing listens any more."""
    listener = serve()
    idle, half = connect(listener), connect(listener)
    assert idle.ask().status == 200
    half.send(b"GET / HT")
    listener.stop()
    assert (idle.rest(), half.rest()) == (b"", b"")
    with pytest.raises(ConnectionRefusedError):
        Client(port_of(listener))


def test_stop_lets_an_answer_finish(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """A request that is being answered when the listener stops gets its answer."""
    leave = threading.Event()

    def slow(request: Request) -> Response:
        leave.wait(10)
        return Response(200, b"done\n")

    listener = serve(slow)
    client = connect(listener).send(GET)
    eventually(lambda: listener.counters.busy == 1)
    stopping = threading.Thread(target=listener.stop)
    stopping.start()
    leave.set()
    assert client.reply().body == b"done\n"
    stopping.join(10)
    assert not stopping.is_alive()


def test_start_and_stop_leave_nothing_behind(eventually: Eventually) -> None:
    """After fifty listeners there are no more descriptors and threads than before."""

    def once() -> None:
        listener = Listener("127.0.0.1:0", echo)
        listener.start()
        with Client(port_of(listener)) as client, Client(port_of(listener)):
            assert client.ask().status == 200
            listener.stop()

    once()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(50):
        once()
    # What other tests left to be collected may go meanwhile, and a stopped worker may take a moment.
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors and threading.active_count() <= threads)
