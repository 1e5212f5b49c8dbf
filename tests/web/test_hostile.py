"""Clients that are slow, mute, malformed, many or gone: bounded in time and size, and no cost to a scrape."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.web.head import MAX_HEAD_BYTES
from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.server import Listener
from tests.web.conftest import Serve, hello
from tests.web.raw_client import GET, Client, get, port_of

Connect = Callable[..., Client]
Eventually = Callable[[Callable[[], bool]], None]

QUICK: Final = Limits(request_timeout_s=0.3, idle_timeout_s=0.3, max_connections=64, workers=2)
PATIENT: Final = Limits(request_timeout_s=60, idle_timeout_s=60, max_connections=64, workers=2)


def closed(listener: Listener, reason: str) -> int:
    return listener.counters.closed.get(reason, 0)


def test_slowloris_is_cut_off_and_costs_no_worker(serve: Serve, connect: Connect) -> None:
    """Clients that dribble a head are told 408 when their time is over, however steadily; scrapes go on meanwhile."""
    listener = serve(limits=QUICK)
    scraper = connect(listener)
    dribblers = [connect(listener).send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ") for _ in range(20)]
    deadline = time.monotonic() + 10
    while listener.counters.timeouts < 20:
        assert time.monotonic() < deadline
        assert scraper.ask().status == 200
        for dribbler in dribblers:
            if dribbler.is_open():
                try_to_send(dribbler, b"a")
        time.sleep(0.02)
    assert all(b"408 Request Timeout" in dribbler.rest() for dribbler in dribblers)


def try_to_send(client: Client, data: bytes) -> None:
    try:
        client.send(data)
    except ConnectionError:
        return


def test_a_body_that_does_not_come_is_cut_off(serve: Serve, connect: Connect) -> None:
    """A declared body has to arrive within the time of its head."""
    client = connect(serve(limits=QUICK))
    assert client.ask(get("/", "Content-Length: 10", method="POST") + b"abc").status == 408
    assert client.rest() == b""


def test_silent_and_idle_connections_are_closed(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """A connection that never says anything, or nothing more, is closed without a word."""
    listener = serve(limits=QUICK)
    mute, idle = connect(listener), connect(listener)
    assert idle.ask().status == 200
    assert (mute.rest(), idle.rest()) == (b"", b"")
    eventually(lambda: closed(listener, "timeout") == 1 and closed(listener, "idle") == 1)
    assert listener.counters.open == 0


def test_clients_that_do_not_read_cost_no_worker(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """Clients that take no answer are closed when their time is over; with two workers, scrapes go on meanwhile."""

    def large(request: Request) -> Response:
        return Response(200, b"x" * 8_000_000) if request.path == "/large" else hello(request)

    listener = serve(large, Limits(request_timeout_s=1.0, workers=2))
    deaf = [connect(listener).send(get("/large")) for _ in range(3)]
    scraper = connect(listener)
    eventually(lambda: listener.counters.requests.get(200, 0) >= 3)
    for _ in range(20):
        assert scraper.ask().body == b"hello\n"
    eventually(lambda: closed(listener, "timeout") == 3)
    assert all(len(client.rest()) < 8_000_000 for client in deaf)


def takes_all(client: Client) -> bool:
    """Whether a whole answer is there for it."""
    try:
        return client.reply().status == 200
    except (EOFError, ConnectionError):
        return False


def test_unread_answers_are_bounded(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """Where too much waits for its readers some are dropped, and the others get all, whoever's answer came first."""
    listener = serve(lambda request: Response(200, b"x" * 20_000_000), PATIENT)
    deaf = [connect(listener).send(GET) for _ in range(4)]
    eventually(lambda: closed(listener, "evicted") >= 2)
    assert listener.counters.open >= 1
    whole = sum(takes_all(client) for client in deaf)
    assert whole == len(deaf) - closed(listener, "evicted") >= 1


def test_a_thousand_connections(serve: Serve, connect: Connect, many_descriptors: None) -> None:
    """Of a thousand mute connections as many stay as there are places; a scraper that was there first, and one that
    comes in between, are both served."""
    listener = serve(limits=PATIENT)
    scraper = connect(listener)
    assert scraper.ask().status == 200
    crowd = []
    try:
        for number in range(1000):
            crowd.append(socket.create_connection(("127.0.0.1", port_of(listener)), timeout=10))
            if number % 100 == 99:
                assert scraper.ask().status == 200
                assert connect(listener).ask().status == 200
        assert listener.counters.open <= PATIENT.max_connections
        assert closed(listener, "evicted") >= 1000 - PATIENT.max_connections
    finally:
        for sock in crowd:
            sock.close()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Room for 2,500 descriptors in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2500:
        pytest.skip(f"at most {hard} open files here, and the test needs 2500 (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_those_who_never_asked_make_room_first(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """At the limit the longest silent connection goes; one that has been served stays as long as there are others."""
    limits = Limits(max_connections=8)
    listener = serve(limits=limits)
    served = connect(listener)
    assert served.ask().status == 200
    mute = [connect(listener) for _ in range(7)]
    eventually(lambda: listener.counters.open == 8)
    newcomer = connect(listener)
    assert newcomer.ask().status == 200
    assert not mute[0].is_open()
    assert all(client.is_open() for client in mute[1:])
    assert served.ask().status == 200


def test_connections_in_work_are_not_evicted(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """Where every place has a request in work the newcomer is turned away, and the others get their answers."""
    leave = threading.Event()

    def slow(request: Request) -> Response:
        leave.wait(10)
        return hello(request)

    listener = serve(slow, Limits(max_connections=8, workers=8))
    working = [connect(listener).send(GET) for _ in range(8)]
    eventually(lambda: listener.counters.busy == 8)
    assert connect(listener).rest() == b""
    assert closed(listener, "no room") == 1
    leave.set()
    assert [client.reply().status for client in working] == [200] * 8


def test_handlers_that_hang_hold_up_no_one_else(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """One worker less answers for each handler that hangs; with none left a request is told so in time, and bad ones
    are still refused; stopping waits a second, not for them."""
    leave = threading.Event()

    def hang(request: Request) -> Response:
        if request.path == "/hang":
            leave.wait(30)
        return hello(request)

    listener = serve(hang, Limits(request_timeout_s=0.5, workers=2))
    connect(listener).send(get("/hang"))
    eventually(lambda: listener.counters.busy == 1)
    assert connect(listener).ask().status == 200
    eventually(lambda: listener.counters.busy == 1)
    connect(listener).send(get("/hang"))
    eventually(lambda: listener.counters.busy == 2)
    late = connect(listener).send(GET)
    assert connect(listener).ask(b"nonsense\r\n\r\n").status == 400
    reply = late.reply()
    assert (reply.status, b"every worker is busy" in reply.body) == (503, True)
    began = time.monotonic()
    listener.stop()
    assert time.monotonic() - began < 5
    leave.set()


def test_a_worker_that_dies_is_replaced(serve: Serve, connect: Connect) -> None:
    """A handler that tries to end the program ends its own connection at most."""

    def leave(request: Request) -> Response:
        if request.path == "/exit":
            raise SystemExit(3)
        return hello(request)

    listener = serve(leave, Limits(workers=2))
    for _ in range(5):
        connect(listener).send(get("/exit")).rest()
        assert connect(listener).ask().status == 200
    assert listener.alive


def test_garbage_behind_a_request_is_refused_after_its_answer(serve: Serve, connect: Connect) -> None:
    """A request is answered, and what follows it and is none is refused."""
    raw = connect(serve()).send(GET + b"\x00\xff\r\n\r\n" + b"x" * 50_000).rest()
    assert raw.startswith(b"HTTP/1.1 200 OK")
    assert raw.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400 Bad Request" in raw


def test_endless_pipelines_are_read_no_further_than_answers_are_taken(
    serve: Serve, connect: Connect, eventually: Eventually
) -> None:
    """A client that sends and never reads is soon read no more, and closed in time; another is served meanwhile."""
    listener = serve(lambda request: Response(200, b"x" * 1_000_000), Limits(request_timeout_s=0.5, workers=2))
    flood, scraper = connect(listener), connect(listener)
    flood.sock.setblocking(False)
    full_or_closed = False
    while not full_or_closed:
        try:
            flood.sock.send(GET * 1000)
        except OSError:
            full_or_closed = True
    assert scraper.ask().status == 200
    eventually(lambda: closed(listener, "timeout") == 1)
    assert listener.counters.requests[200] < 100


def test_gone_before_the_answer(serve: Serve, connect: Connect, eventually: Eventually) -> None:
    """Clients that reset their connection with a request in flight leave nothing behind."""
    listener = serve(lambda request: Response(200, b"x" * 1_000_000), PATIENT)
    for _ in range(50):
        client = connect(listener).send(GET)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    assert connect(listener).ask().status == 200
    eventually(lambda: listener.counters.open <= 1)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Listener]:
    listener = Listener("127.0.0.1:0", hello, Limits(request_timeout_s=5, workers=2))
    listener.start()
    yield listener
    listener.stop()


PIECES: Final = (
    GET, b"\r\n", b"\r\n\r\n", b"GET ", b"/ HTTP/1.1", b"Host: x\r\n", b"Content-Length: 5\r\n", b"\x00", b" ",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"A" * 9000,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)), st.booleans())
@settings(max_examples=150)
def test_any_bytes_leave_the_listener_well(fuzzed: Listener, raw: bytes, polite: bool) -> None:
    """Whatever a client sends, it gets well-formed answers or none, and the next client is served."""
    with Client(port_of(fuzzed)) as client:
        try_to_send(client, raw)
        if polite:
            client.sock.shutdown(socket.SHUT_WR)
            answer = client.rest()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    with Client(port_of(fuzzed)) as client:
        assert client.ask().status == 200


def test_a_head_is_bounded_however_it_comes(serve: Serve, connect: Connect) -> None:
    """Endless fields are refused once they are too many bytes, not when they end."""
    client = connect(serve())
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    field = b"X-Filler: " + b"y" * 500 + b"\r\n"
    for _ in range(MAX_HEAD_BYTES // len(field) + 1):
        try_to_send(client, field)
    assert client.reply().status == 431


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many more can be opened in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        # Whatever is free below the highest is taken, so that the limit tells how many are left.
        while len(taken) < count or taken[-1] < highest:
            taken.append(os.dup(taken[0]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1, hard))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


def test_the_last_descriptor_is_for_who_comes(serve: Serve) -> None:
    """A client that gets the last descriptor, the first of all too, is answered: that there is none for another, who
    did not come, is no reason to hang up on it."""
    listener = serve(limits=Limits(again_after_s=60))
    # The other is the client's own.
    with descriptors_left(2), Client(port_of(listener)) as client:
        assert [client.ask().status for _ in range(3)] == [200] * 3
    assert closed(listener, "evicted") == 0


class FewWatches:
    """An epoll that has no room for one more connection, once."""

    def __init__(self, epoll: select.epoll, error: Exception) -> None:
        self.modify = epoll.modify
        self._epoll = epoll
        self._errors = [error]

    def register(self, fd: int, events: int) -> None:
        if self._errors:
            raise self._errors.pop()
        self._epoll.register(fd, events)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no more watches"), MemoryError()])
def test_who_cannot_be_taken_in_keeps_out_no_other(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A connection that cannot be watched, or for which memory is short, is let go; the next one is answered."""
    listener = serve()
    entrance = listener._server._connections._entrance
    monkeypatch.setattr(entrance, "_epoll", FewWatches(entrance._epoll, error))
    assert connect(listener).rest() == b""
    assert connect(listener).ask().status == 200
