from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel import rtnetlink
from nodescope.kernel.rtnetlink import (
    Address,
    Link,
    RouteSocket,
    parse_address,
    parse_link,
    parse_statistics,
)
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import DONE, ERROR, INTERRUPTED, attribute, message

COUNTERS = tuple(range(100, 125))


def link(*attributes: bytes, index: int = 7) -> bytes:
    return struct.pack("=BxHiII", 0, 1, index, 0, 0) + b"".join(attributes)


def address(family: int, *attributes: bytes, prefix: int = 24, index: int = 7) -> bytes:
    return struct.pack("=BBBBI", family, prefix, 0, 0, index) + b"".join(attributes)


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


def statistics(*attributes: bytes) -> bytes:
    return struct.pack("=BxHII", 0, 0, 7, 1) + b"".join(attributes)


ALONE = attribute(1, struct.pack("=25Q", *COUNTERS))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (statistics(ALONE), COUNTERS),
        (statistics(attribute(1, bytes(24 * 8))), (0,) * 24),
        (statistics(attribute(5, b"x"), ALONE), COUNTERS),
        (statistics(ALONE, attribute(5, b"x")), COUNTERS),
        (statistics(attribute(5, bytes(24 * 8))), ()),
        (statistics(attribute(1, struct.pack("=Q", 3) + bytes(7))), (3,)),
        (statistics(), ()),
    ],
)
def test_statistics(payload: bytes, expected: tuple[int, ...]) -> None:
    """Counters alone, by the index of their link, as many as there are, whether or not they come alone."""
    assert parse_statistics(payload) == (7, expected)


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
        lambda: parse_statistics(statistics(struct.pack("=HH", 3, 1))),
        lambda: parse_statistics(statistics(struct.pack("=HH", 400, 1))),
    ],
)  # fmt: skip
def test_malformed(parse: Callable[[], object]) -> None:
    """Lengths that lead nowhere or beyond the end are refused."""
    with pytest.raises(Malformed, match="rtnetlink: expected"):
        parse()


class Answers(RouteSocket):
    """A route socket that asks the kernel, and hears what is written here."""

    def __init__(self, *answers: bytes | OSError) -> None:
        super().__init__()
        self.answers = list(answers)

    def _receive(self, asked: socket.socket, deadline: float) -> bytes:
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
def test_an_error_at_the_end() -> None:
    """A dump that the kernel could not end is an OSError, not a table that is short."""
    with pytest.raises(OSError, match="rtnetlink: Message too long"):
        Answers(message(16, ETH0) + message(DONE, struct.pack("=i", -errno.EMSGSIZE))).links()


@pytest.mark.usefixtures("route")
def test_an_interrupted_dump_is_asked_again_once() -> None:
    """A table that changed under the dump is read anew; the second time it is good enough."""
    first, second = (
        message(16, link(attribute(3, name), WIDE), sequence=number, flags=INTERRUPTED) + message(DONE, sequence=number)
        for number, name in ((1, b"old\0"), (2, b"new\0"))
    )
    assert [found.name for found in Answers(first, second).links()] == ["new"]


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


@given(mangled(ETH0) | mangled(address(socket.AF_INET, attribute(2, V4))) | mangled(statistics(ALONE)))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    for parse in (parse_link, parse_address, parse_statistics):
        parses_or_refuses(partial(parse, payload))


def test_requests_fit_their_answers() -> None:
    """Numbers of include/uapi/linux/rtnetlink.h: an answer is two below its request."""
    assert rtnetlink.RTM_GETLINK - rtnetlink.RTM_NEWLINK == rtnetlink.RTM_GETADDR - rtnetlink.RTM_NEWADDR == 2
