from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import Malformed
from nodescope.kernel.netlink import (
    Interrupted,
    NetlinkSocket,
    Question,
    at_most,
    attributes,
    bound_calls,
    messages,
)
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import DONE, ERROR, INTERRUPTED, Answers, attribute, message

ANSWER = 36
UNKNOWN_PROTOCOL = 31  # the highest that there can be (MAX_LINKS of linux/netlink.h is 32), and nobody's
ALL = Question(38, ANSWER, bytes(20))


@pytest.fixture(autouse=True)
def netlink() -> Iterator[NetlinkSocket]:
    """A socket to this machine's kernel; the test is skipped where there is none to have."""
    netlink = NetlinkSocket(socket.NETLINK_ROUTE, "rtnetlink", 1.0)
    try:
        netlink.dump(ALL, list)
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    yield netlink
    netlink.close()


def closed(netlink: NetlinkSocket) -> bool:
    return netlink._socket is None


def test_messages_of_another_question_are_not_answers() -> None:
    """What answers an earlier request is passed over; payloads are padded to four bytes."""
    data = message(ANSWER, b"old", sequence=1) + message(ANSWER, b"new", sequence=2) + message(DONE, bytes(4), 2)
    assert [(kind, payload) for kind, _, payload in messages(data, 2, "x")] == [(ANSWER, b"new"), (DONE, bytes(4))]


def test_attributes() -> None:
    """Values by type without the bits that say how they are written; of a type that comes twice the last."""
    payload = b"head" + attribute(1, b"a") + attribute(0x8002, b"bcd") + attribute(1, b"e")
    assert attributes(payload, 4, "x") == {1: b"e", 2: b"bcd"}


def test_attributes_until_the_last_that_is_wanted() -> None:
    """The walk ends where it may, before what is malformed, and gives only what was asked for."""
    payload = attribute(1, b"a") + attribute(2, b"bcd") + attribute(3, b"e")
    assert attributes(payload, 0, "x", frozenset({1, 2})) == {1: b"a", 2: b"bcd"}
    assert attributes(payload + bytes(4), 0, "x", frozenset({1, 2, 3}), last=1) == {1: b"a"}


@pytest.mark.parametrize(
    "parse",
    [
        lambda: list(messages(bytes(15), 1, "rtnetlink")),
        lambda: list(messages(bytes(16), 1, "rtnetlink")),
        lambda: list(messages(struct.pack("=IHHII", 17, 0, 0, 1, 0), 1, "rtnetlink")),
        lambda: attributes(struct.pack("=HH", 3, 1), 0, "rtnetlink"),
        lambda: attributes(struct.pack("=HH", 400, 1), 0, "rtnetlink"),
    ],
)
def test_malformed(parse: Callable[[], object]) -> None:
    """Lengths that lead nowhere or beyond the end are refused, and the message names the source."""
    with pytest.raises(Malformed, match="rtnetlink: expected"):
        parse()


def test_an_answer_in_parts() -> None:
    """A dump comes in as many datagrams as the kernel likes, and ends when it says so; the socket stays."""
    parts = Answers(message(ANSWER, b"a") * 2, b"", message(99) + message(ANSWER, b"b"), message(DONE, bytes(4)))
    assert parts.dump(ALL, list) == [b"a", b"a", b"b"]
    assert not closed(parts)
    parts.close()


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (message(ERROR, struct.pack("=i", -errno.EPERM)), errno.EPERM),
        (message(ERROR), errno.EPROTO),
        (message(ANSWER) + message(DONE, struct.pack("=i", -errno.ENOENT)), errno.ENOENT),
        (OSError(errno.ECONNREFUSED, "x"), errno.ECONNREFUSED),
    ],
)
def test_a_refusal(answer: bytes | OSError, number: int) -> None:
    """The kernel's refusal, at the start or at the end of a dump, is an OSError with its number."""
    refusing = Answers(answer)
    with pytest.raises(OSError) as refused:  # noqa: PT011
        refusing.dump(ALL, list)
    assert refused.value.errno == number
    assert closed(refusing)


def test_a_system_that_gives_no_netlink_socket() -> None:
    """The refusal says what was asked for, and where such sockets are allowed."""
    refused = NetlinkSocket(UNKNOWN_PROTOCOL, "netlink of a test", 1.0)
    with pytest.raises(OSError, match=r"netlink of a test: no netlink socket: .*; allow AF_NETLINK") as raised:
        refused.dump(ALL, list)
    assert raised.value.errno == errno.EPROTONOSUPPORT


def test_an_interrupted_dump_is_asked_again_once() -> None:
    """A table that changed under the dump is read anew, without what came before; then it is good enough."""
    first, second = (
        message(ANSWER, b"x") + message(ANSWER, name, sequence, INTERRUPTED) + message(DONE, bytes(4), sequence)
        for sequence, name in ((1, b"old"), (2, b"new"))
    )
    asked = Answers(first, second)
    assert asked.dump(ALL, list) == [b"new"]
    asked.close()


def test_no_room_twice() -> None:
    """A kernel that has no room for the dump is asked twice, no more."""
    asked = Answers(Interrupted(), Interrupted(), b"")
    with pytest.raises(Interrupted):
        asked.dump(ALL, list)
    assert len(asked.answers) == 1


def test_a_dump_that_is_left_half_read() -> None:
    """What was not read to its end is never taken for the next answer: the socket is closed."""
    asked = Answers(message(ANSWER) * 2)

    def fold(payloads: Iterator[bytes]) -> None:
        raise Malformed("x", next(payloads), "something else")

    with pytest.raises(Malformed):
        asked.dump(ALL, fold)
    assert closed(asked)


def test_only_the_kernel_is_believed(netlink: NetlinkSocket) -> None:
    """A datagram that another process sends is as if it were empty."""
    receiver = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_USERSOCK)
    sender = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_USERSOCK)
    with receiver, sender:
        for end in (receiver, sender):
            end.bind((0, 0))
        sender.sendto(message(ANSWER, b"forged"), receiver.getsockname())
        assert netlink._receive(receiver, time.monotonic() + 1) == b""


def test_waiting_ends(netlink: NetlinkSocket) -> None:
    """A kernel that says nothing is waited for until the deadline, whether it is near or past."""
    for left_s in (-1.0, 0.01):
        silent, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        bound_calls(silent, 0.01)
        with silent, peer, pytest.raises(TimeoutError, match="no whole answer in 1 s"):
            netlink._receive(silent, time.monotonic() + left_s)


def test_this_machine(netlink: NetlinkSocket) -> None:
    """The kernel answers over one socket, time and again."""
    assert netlink.dump(ALL, list)
    assert netlink.dump(ALL, list)


def test_at_most() -> None:
    """What is beyond the limit is counted, not kept."""
    assert at_most(2, iter([b"a", b"b", b"c"])) == ([b"a", b"b"], 1)


@given(mangled(message(ANSWER, attribute(1, b"abc")) + message(DONE, bytes(4))), st.integers(0, 2))
def test_any_messages(data: bytes, sequence: int) -> None:
    """Whatever comes over the socket, it is read or refused."""
    parses_or_refuses(lambda: [attributes(payload, 0, "x") for _, _, payload in messages(data, sequence, "x")])
