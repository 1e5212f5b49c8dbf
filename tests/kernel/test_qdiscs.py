from __future__ import annotations

import struct

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel.qdiscs import Qdisc, QdiscSocket, Statistics, parse_qdisc
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import attribute

ROOT, INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
KIND, STATS, STATS2 = 1, 3, 7
BASIC, QUEUE, PKT64 = 1, 3, 8


def qdisc(*attributes: bytes, parent: int = ROOT, link: int = 2) -> bytes:
    return struct.pack("=BxxxiIII", 0, link, 0x10000, parent, 2) + b"".join(attributes)


OLDER = attribute(STATS, struct.pack("=QIIIIIII", 1, 2, 3, 4, 5, 6, 7, 8))
BASIC_COUNTS = attribute(BASIC, struct.pack("=QIxxxx", 1 << 40, 20))
NEWER = attribute(STATS2, BASIC_COUNTS + attribute(QUEUE, struct.pack("=IIIII", 70, 80, 30, 90, 40)))
NAME = attribute(KIND, b"fq_codel\0")
SAMPLE = qdisc(NAME, NEWER, OLDER)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (SAMPLE, Statistics(1 << 40, 20, 30, 90, 40, 70, 80)),
        (qdisc(NAME, NEWER), Statistics(1 << 40, 20, 30, 90, 40, 70, 80)),
        (qdisc(NAME, OLDER, parent=0), Statistics(1, 2, 3, 0, 4, 7, 8)),
        (qdisc(NAME, attribute(STATS2, BASIC_COUNTS)), Statistics(1 << 40, 20)),
        (
            qdisc(NAME, attribute(STATS2, BASIC_COUNTS + attribute(PKT64, struct.pack("=Q", 20 + (1 << 32))))),
            Statistics(1 << 40, 20 + (1 << 32)),
        ),
    ],
)
def test_roots(payload: bytes, expected: Statistics) -> None:
    """The newer statistics, 64 bits of packets where the kernel gives them; what they lack from the older."""
    assert parse_qdisc(payload) == Qdisc(2, "fq_codel", expected)


@pytest.mark.parametrize("parent", [INGRESS, 0x10001])
def test_what_is_no_root(parent: int) -> None:
    """Disciplines below another and those of what comes in are none of a device's root."""
    assert parse_qdisc(qdisc(NAME, NEWER, parent=parent)) is None


@pytest.mark.parametrize("payload", [bytes(19), qdisc(NAME), qdisc(struct.pack("=HH", 3, 1)), qdisc(NAME, OLDER[:20])])
def test_malformed(payload: bytes) -> None:
    """A message without statistics, and lengths that lead nowhere, are refused."""
    with pytest.raises(Malformed, match="rtnetlink: expected"):
        parse_qdisc(payload)


def test_this_machine() -> None:
    """The kernel tells its disciplines, time and again over one socket."""
    qdiscs = QdiscSocket()
    try:
        for _ in range(2):
            payloads, more = qdiscs.payloads()
            assert more == 0
            assert all(parse_qdisc(payload) is None or isinstance(parse_qdisc(payload), Qdisc) for payload in payloads)
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    qdiscs.close()


@given(mangled(SAMPLE))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    parses_or_refuses(lambda: parse_qdisc(payload))
