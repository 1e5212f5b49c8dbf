from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host import rtnetlink
from nodescope.collectors.host.rtnetlink import (
    Address,
    Interrupted,
    Link,
    RouteSocket,
    attributes,
    bound_calls,
    messages,
    parse_address,
    parse_link,
    parse_statistics,
)
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses

COUNTERS = tuple(range(100, 125))
DONE, ERROR = 3, 2
INTERRUPTED = 0x10


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(*attributes: bytes, index: int = 7) -> bytes:
    return struct.pack("=BxHiII", 0, 1, index, 0, 0) + b"".join(attributes)


def address(family: int, *attributes: bytes, prefix: int = 24, index: int = 7) -> bytes:
    return struct.pack("=BBBBI", family, prefix, 0, 0, index) + b"".join(attributes)


def message(kind: int, payload: bytes = b"", sequence: int = 1, flags: int = 2) -> bytes:
    body = payload + bytes(-len(payload) % 4)
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + body


NAME = attribute(3, b"eth0\0")
WIDE = attribute(23, struct.pack("=25Q", *COUNTERS))
NARROW = attribute(7, struct.pack("=24I", *range(24)))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (link(NAME, attribute(13, bytes(4)), WIDE, NARROW), Link(7, "eth0", COUNTERS)),
        (link(NARROW, NAME), Link(7, "eth0", tuple(range(24)))),
        (link(NAME, attribute(23 | 0x8000, bytes(192))), Link(7, "eth0", (0,) * 24)),
        (link(NAME), Link(7, "eth0", ())),
        (link(attribute(3, b"a\xff\xfe\0"), WIDE, index=1), Link(1, "a\ufffd", COUNTERS)),
    ],
)
def test_links(payload: bytes, expected: Link) -> None:
    """Name and counters, 64 bits wide where the kernel has them, else 32, else none."""
    assert parse_link(payload) == expected


def test_statistics() -> None:
    """Counters alone, by the index of their link."""
    payload = struct.pack("=BxHII", 0, 0, 7, 1) + attribute(1, struct.pack("=25Q", *COUNTERS))
    assert parse_statistics(payload) == (7, COUNTERS)


V4, PEER4, V6 = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), bytes(15) + b"\1"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (address(socket.AF_INET, attribute(1, V4)), Address(7, socket.AF_INET, V4, 24)),
        (address(socket.AF_INET, attribute(1, PEER4), attribute(2, V4)), Address(7, socket.AF_INET, V4, 24)),
        (address(socket.AF_INET6, attribute(1, V6), prefix=128), Address(7, socket.AF_INET6, V6, 128)),
        (address(socket.AF_INET, attribute(1, V6)), None),
        (address(socket.AF_INET), None),
        (address(17, attribute(1, V4)), None),
    ],
)
def test_addresses(payload: bytes, expected: Address | None) -> None:
    """The local address, not the peer's, of the families that have one."""
    assert parse_address(payload) == expected


@pytest.mark.parametrize(
    "parse",
    [
        lambda: parse_link(bytes(15)), lambda: parse_address(bytes(7)), lambda: parse_statistics(bytes(11)),
        lambda: parse_link(link(struct.pack("=HH", 3, 1))), lambda: parse_link(link(struct.pack("=HH", 400, 1))),
        lambda: list(messages(bytes(15), 1)), lambda: list(messages(bytes(16), 1)),
        lambda: list(messages(struct.pack("=IHHII", 17, 0, 0, 1, 0), 1)),
    ],
)  # fmt: skip
def test_malformed(parse: Callable[[], object]) -> None:
    """Lengths that lead nowhere or beyond the end are refused."""
    with pytest.raises(Malformed, match="rtnetlink: expected"):
        parse()


def test_messages_of_another_question_are_not_answers() -> None:
    """What answers an earlier request is passed over."""
    data = message(16, b"old", sequence=1) + message(16, b"new!", sequence=2) + message(DONE, bytes(4), sequence=2)
    assert [(kind, payload) for kind, _, payload in messages(data, 2)] == [(16, b"new!"), (DONE, bytes(4))]


def test_attributes_until_the_last_that_is_wanted() -> None:
    """The walk ends where it may, and gives only what was asked for."""
    payload = attribute(1, b"a") + attribute(2, b"bcd") + attribute(3, b"e")
    assert attributes(payload, 0, frozenset({1, 2})) == {1: (4, 5), 2: (12, 15)}
    assert attributes(payload, 0, frozenset({1, 2, 3}), last=1) == {1: (4, 5)}


class Answers(RouteSocket):
    """A route socket that asks the kernel, and hears what is written here."""

    def __init__(self, *answers: bytes | OSError) -> None:
        super().__init__()
        self.answers = list(answers)

    def _receive(self, route: socket.socket, deadline: float) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


ETH0 = link(NAME, WIDE)


@pytest.fixture
def route() -> RouteSocket:
    """A socket to this machine's kernel; the test is skipped where there is none to have."""
    route = RouteSocket()
    try:
        route.links()
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    return route


@pytest.mark.usefixtures("route")
def test_an_answer_in_parts() -> None:
    """A dump comes in as many datagrams as the kernel likes, and ends when it says so."""
    answers = Answers(message(16, ETH0) * 2, b"", message(16, ETH0), message(DONE, bytes(4)))
    assert [found.name for found in answers.links()] == ["eth0"] * 3


@pytest.mark.usefixtures("route")
def test_an_error() -> None:
    """The kernel's refusal is an OSError with its number."""
    with pytest.raises(OSError, match="rtnetlink: Operation not permitted") as refused:
        Answers(message(ERROR, struct.pack("=i", -errno.EPERM))).links()
    assert refused.value.errno == errno.EPERM


@pytest.mark.usefixtures("route")
def test_an_interrupted_dump_is_asked_again_once() -> None:
    """A table that changed under the dump is read anew; the second time it is good enough."""
    first, second = (
        message(16, link(attribute(3, name), WIDE), sequence=number, flags=INTERRUPTED) + message(DONE, sequence=number)
        for number, name in ((1, b"old\0"), (2, b"new\0"))
    )
    assert [found.name for found in Answers(first, second).links()] == ["new"]


@pytest.mark.usefixtures("route")
def test_no_room_twice() -> None:
    """A kernel that has no room for the dump is asked twice, no more."""

    class NoRoom(Answers):
        def _receive(self, route: socket.socket, deadline: float) -> bytes:
            super()._receive(route, deadline)
            raise Interrupted

    no_room = NoRoom(b"", b"", b"")
    with pytest.raises(Interrupted):
        no_room.links()
    assert len(no_room.answers) == 1


def test_this_machine(route: RouteSocket) -> None:
    """The kernel gives the loopback device with its counters and address, over one socket, time and again."""
    for _ in range(2):
        links = {found.name: found for found in route.links()}
        assert len(links["lo"].statistics) >= 23
        assert all(isinstance(found.packed, bytes) for found in route.addresses())
        assert route.statistics().keys() <= {found.ifindex for found in links.values()}
    route.close()
    assert route.links()
    route.close()


def test_a_socket_that_says_nothing(route: RouteSocket) -> None:
    """Waiting ends at the deadline, whether it is near or past."""
    for left_s in (-1.0, 0.01):
        silent, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        bound_calls(silent, 0.01)
        with silent, peer, pytest.raises(TimeoutError):
            route._receive(silent, time.monotonic() + left_s)


@given(mangled(message(16, ETH0) + message(DONE, bytes(4))), st.integers(0, 2))
def test_any_messages(data: bytes, sequence: int) -> None:
    """Whatever comes over the socket, it is read or refused."""

    def parse() -> None:
        for _, _, payload in messages(data, sequence):
            parse_link(payload)

    parses_or_refuses(parse)


@given(mangled(ETH0) | mangled(address(socket.AF_INET, attribute(2, V4))))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    for parse in (parse_link, parse_address, parse_statistics):
        parses_or_refuses(partial(parse, payload))


def test_requests_fit_their_answers() -> None:
    """Numbers of include/uapi/linux/rtnetlink.h: an answer is two below its request."""
    assert rtnetlink.RTM_GETLINK - rtnetlink.RTM_NEWLINK == rtnetlink.RTM_GETADDR - rtnetlink.RTM_NEWADDR == 2
