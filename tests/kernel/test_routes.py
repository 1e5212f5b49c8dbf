from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel.routes import Hop, RouteTable, parse_route, shown
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import attribute

UNICAST, BLACKHOLE = 1, 6
DST, OIF, GATEWAY, PRIORITY, PREFSRC, MULTIPATH = 1, 4, 5, 6, 7, 9
V4, V6 = (10, 1, 0, 0), (0xFD, *range(1, 15), 1)


def route(
    *attributes: bytes, family: int = socket.AF_INET, length: int = 0, protocol: int = 2, kind: int = UNICAST
) -> bytes:
    return struct.pack("=BBBBBBBBI", family, length, 0, 0, 254, protocol, 0, kind, 0) + b"".join(attributes)


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def next_hop(link: int, hops: int, *attributes: bytes) -> bytes:
    inside = b"".join(attributes)
    return struct.pack("=HBBi", 8 + len(inside), 0, hops, link) + inside


SAMPLE = route(
    attribute(DST, bytes(V4)), u32(OIF, 2), attribute(GATEWAY, bytes((10, 0, 0, 1))), u32(PRIORITY, 100),
    attribute(PREFSRC, bytes((10, 0, 0, 9))), length=16, protocol=16,
)  # fmt: skip
TWO_WAYS = route(
    attribute(MULTIPATH, next_hop(2, 0, attribute(GATEWAY, bytes((10, 0, 0, 1)))) + next_hop(3, 9)), protocol=186
)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (SAMPLE, [Hop(2, "10.0.0.9", "10.1.0.0/16", "10.0.0.1", "100", "dhcp", "")]),
        (route(u32(OIF, 2)), [Hop(2, "", "default", "", "0", "kernel", "")]),
        (TWO_WAYS, [Hop(2, "", "default", "10.0.0.1", "0", "bgp", "1"), Hop(3, "", "default", "", "0", "bgp", "10")]),
        (
            route(attribute(DST, bytes(V6)), family=socket.AF_INET6, length=128, protocol=99),
            [Hop(0, "", "fd01:203:405:607:809:a0b:c0d:e01/128", "", "0", "unknown", "")],
        ),
        (route(u32(OIF, 2), kind=BLACKHOLE), []),
        (route(attribute(DST, bytes(4)), family=28, length=20), []),
    ],
)
def test_routes(payload: bytes, expected: list[Hop]) -> None:
    """Each way of a route to hosts, of IPv4 and IPv6; those of several ways with their weights."""
    assert parse_route(payload) == expected


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (bytes(16), "::"), (bytes(15) + b"\1", "::1"), (bytes(12) + bytes((1, 2, 3, 4)), "::102:304"),
        (bytes(10) + b"\xff\xff" + bytes((1, 2, 3, 4)), "1.2.3.4"), (b"\xfe\x80" + bytes(14), "fe80::"),
        (bytes(4), "0.0.0.0"), (b"", ""), (bytes(5), ""),
    ],
)  # fmt: skip
def test_addresses(packed: bytes, expected: str) -> None:
    """Addresses of IPv6 in their shortest form, those of IPv4 mapped into it as IPv4."""
    assert shown(packed) == expected


@pytest.mark.parametrize(
    "payload",
    [
        bytes(11),
        route(struct.pack("=HH", 3, 1)),
        route(attribute(MULTIPATH, bytes(8))),
        route(attribute(MULTIPATH, b"x")),
    ],
)
def test_malformed(payload: bytes) -> None:
    """Lengths that lead nowhere are refused."""
    with pytest.raises(Malformed, match="rtnetlink: expected"):
        parse_route(payload)


def test_this_machine() -> None:
    """The kernel tells its routes, time and again over one socket."""
    table = RouteTable()
    try:
        for _ in range(2):
            payloads, more = table.payloads()
            assert more == 0
            assert all(isinstance(parse_route(payload), list) for payload in payloads)
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    table.close()


@given(mangled(SAMPLE) | mangled(TWO_WAYS))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    parses_or_refuses(lambda: parse_route(payload))
