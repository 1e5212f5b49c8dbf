"""Requests that a worker has for too long are given to the handler once more, and the first answer is sent."""

from __future__ import annotations

import gc
import select
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest

from nodescope.web.alarm import Alarm
from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.web_config import load
from tests.web.conftest import Serve
from tests.web.raw_client import GET, Client, get

Connect = Callable[..., Client]
Eventually = Callable[[Callable[[], bool]], None]

LIMITS = Limits(again_after_s=0.05, workers=2)
IMPOSSIBLE_STACK_BYTES = 2**45


class Hanging:
    """A handler that hangs on what is asked for the first time, until `leave` is set."""

    def __init__(self) -> None:
        self.leave = threading.Event()
        self.asked: list[tuple[str, bool]] = []
        self.returned = 0

    def __call__(self, request: Request) -> Response:
        self.asked.append((request.method, request.again))
        if request.path != "/quick" and not request.again:
            self.leave.wait(20)
            self.returned += 1
        if request.path == "/fails" and request.again:
            raise RuntimeError("the second try fails")
        return Response(200, b"again" if request.again else b"first")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    handler = Hanging()
    yield handler
    handler.leave.set()


def test_a_request_that_hangs_is_overtaken(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """The second try's answer is sent, and the connection goes on; the first, when it comes back, is not heard."""
    listener = serve(hanging, LIMITS)
    client = connect(listener)
    assert client.ask().body == b"again"
    assert client.ask(get("/quick")).body == b"first"
    hanging.leave.set()
    for _ in range(20):
        assert client.ask(get("/quick")).body == b"first"
    assert hanging.asked[:2] == [("GET", False), ("GET", True)]
    assert listener.counters.requests == {200: 22}


def test_others_stand_in_for_workers_that_hang(
    serve: Serve, connect: Connect, hanging: Hanging, eventually: Eventually
) -> None:
    """However many workers hang, requests are answered; when those are back the pool is no larger than it may be, and
    nothing is left of who was one too many."""
    before = _workers()
    listener = serve(hanging, LIMITS)
    for _ in range(4 * LIMITS.workers):
        assert connect(listener).ask().body == b"again"
        assert connect(listener).ask(get("/quick")).body == b"first"
    hanging.leave.set()
    eventually(lambda: hanging.returned == 4 * LIMITS.workers)
    eventually(lambda: _workers() - before <= LIMITS.workers + 1)
    for _ in range(10):
        assert connect(listener).ask(get("/quick")).body == b"first"


def test_a_worker_that_dies_once_it_is_replaced_takes_no_other_with_it(
    serve: Serve, connect: Connect, eventually: Eventually
) -> None:
    """Handlers that end their worker after another has answered leave a pool that answers as before."""
    leave = threading.Event()

    def end(request: Request) -> Response:
        if request.path == "/quick" or request.again:
            return Response(200, b"fine")
        leave.wait(20)
        raise SystemExit

    before, hung = _workers(), 4 * LIMITS.workers
    listener = serve(end, LIMITS)
    for _ in range(hung):
        assert connect(listener).ask().body == b"fine"
    leave.set()
    eventually(lambda: _workers() - before <= LIMITS.workers + 1)
    for _ in range(hung):
        assert connect(listener).ask(get("/quick")).body == b"fine"


class Deadly:
    """A listening socket that ends whoever accepts from it."""

    def accept(self) -> None:
        raise SystemExit


def test_workers_at_the_front_are_replaced_while_others_hang(
    serve: Serve, connect: Connect, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Those that end while no thread is to be had are replaced when there is one, however many others hang."""
    listener = serve(hanging, Limits(again_after_s=0.05, workers=1))
    for _ in range(3):
        assert connect(listener).ask().body == b"again"
    entrance = listener._server._connections._entrance
    before = threading.stack_size()
    with monkeypatch.context() as patched:
        for fd in list(entrance._listening):
            patched.setitem(entrance._listening, fd, Deadly())
        threading.stack_size(IMPOSSIBLE_STACK_BYTES)
        try:
            client = connect(listener).send(get("/quick"))
            eventually(lambda: listener._server.requests.size == 3)
            time.sleep(0.2)
        finally:
            threading.stack_size(before)
    assert client.reply().body == b"first"


def _workers() -> int:
    gc.collect()
    threads = [each for each in gc.get_objects() if isinstance(each, threading.Thread)]
    return sum(thread.name.startswith("web-worker-") for thread in threads)


def test_a_request_that_is_answered_in_time_is_asked_once(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """What does not hang reaches the handler once, however long the connection is kept."""
    client = connect(serve(hanging, LIMITS))
    for _ in range(3):
        assert client.ask(get("/quick")).body == b"first"
        time.sleep(0.07)
    assert hanging.asked == [("GET", False)] * 3


def test_what_changes_something_is_never_asked_twice(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """A POST waits for the one handler that has it."""
    client = connect(serve(hanging, LIMITS)).send(get("/", method="POST"))
    time.sleep(0.2)
    hanging.leave.set()
    assert client.reply().body == b"first"
    assert hanging.asked == [("POST", False)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_second_try_that_fails_leaves_the_first(
    serve: Serve, connect: Connect, hanging: Hanging, eventually: Eventually
) -> None:
    """Where the second try raises, the first one's answer is sent when it comes."""
    client = connect(serve(hanging, LIMITS)).send(get("/fails"))
    eventually(lambda: len(hanging.asked) == 2)
    eventually(lambda: all(thread.name != "web-again" for thread in threading.enumerate()))
    hanging.leave.set()
    assert client.reply().body == b"first"


def test_several_requests_are_watched_at_a_time(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """Each of several that hang is overtaken in its own time."""
    listener = serve(hanging, Limits(again_after_s=0.05, workers=4))
    clients = [connect(listener).send(GET) for _ in range(4)]
    assert [client.reply().body for client in clients] == [b"again"] * 4


def test_a_request_counts_once_for_the_rate_limit(
    serve: Serve, connect: Connect, hanging: Hanging, tmp_path: Path
) -> None:
    """The second try of a request that was let in is not charged again, and one that is not let in has none."""
    (tmp_path / "web.yml").write_text("rate_limit: {interval: 1h, burst: 1}")
    listener = serve(hanging, LIMITS, load(str(tmp_path / "web.yml")))
    assert connect(listener).ask().body == b"again"
    assert connect(listener).ask().status == 429
    assert hanging.asked == [("GET", False), ("GET", True)]


def test_a_request_is_not_tried_again_while_its_user_is_not_known(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """While a password is checked, which takes long, the handler is not asked a second time before the first."""
    asked: dict[str, list[bool]] = {"/ada": [], "/eve": []}

    def handle(request: Request) -> Response:
        asked[request.path].append(request.again)
        return Response(200, b"first")

    secret = bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=10)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{ada: {secret}}}")
    listener = serve(handle, Limits(again_after_s=0.02, workers=2), load(str(tmp_path / "web.yml")))
    given = b64encode(b"ada:secret").decode()
    clients = [connect(listener).send(get(path, f"Authorization: Basic {given}")) for path in asked]
    assert [client.reply().body for client in clients] == [b"first"] * 2
    # On a busy machine a worker may rest between the check and the handler, and the request is then tried again.
    assert [times[0] for times in asked.values()] == [False] * 2


def test_what_comes_behind_a_request_that_was_overtaken(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """The next request on the connection is answered though the worker that hangs has not come back."""
    listener = serve(hanging, LIMITS)
    client = connect(listener).send(GET + get("/quick"))
    assert [client.reply().body, client.reply().body] == [b"again", b"first"]
    half = connect(serve(hanging, Limits(again_after_s=0.05, workers=2, request_timeout_s=0.3, idle_timeout_s=60)))
    half.send(GET + GET[:9])
    assert [half.reply().body, half.reply().status] == [b"again", 408]


def test_a_moment_without_threads(serve: Serve, connect: Connect, hanging: Hanging) -> None:
    """Where no thread is to be had the request is tried again later, and the listener goes on."""
    listener = serve(hanging, LIMITS)
    client = connect(listener)
    assert client.ask(get("/quick")).body == b"first"
    before = threading.stack_size(IMPOSSIBLE_STACK_BYTES)
    try:
        client.send(GET)
        time.sleep(0.3)
        assert hanging.asked[1:] == [("GET", False)]
    finally:
        threading.stack_size(before)
    assert client.reply().body == b"again"
    assert connect(listener).ask(get("/quick")).body == b"first"


def test_an_alarm_goes_off_when_it_is_set_to() -> None:
    """An alarm is readable after its time, not before, not once it is unset, and not again once it is read."""
    alarm = Alarm()
    try:
        alarm.set(60)
        assert not readable(alarm, 0)
        alarm.set(0)
        assert readable(alarm, 10)
        alarm.read()
        assert not readable(alarm, 0)
        alarm.read()
        alarm.set(0.01)
        alarm.set(None)
        assert not readable(alarm, 0.05)
        alarm.set(-1)
        assert readable(alarm, 10)
    finally:
        alarm.close()


def readable(alarm: Alarm, within_s: float) -> bool:
    return bool(select.select([alarm.fd], [], [], within_s)[0])
