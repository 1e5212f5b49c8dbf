"""Routes of the kernel, over rtnetlink.

Source: rtnetlink(7), include/uapi/linux/rtnetlink.h (struct rtmsg, struct rtnexthop, RTA_*).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.netlink import NetlinkSocket, Question, at_most, attributes

SOURCE: Final = "rtnetlink"
DUMP_SECONDS: Final = 2.0
MAX_ROUTES: Final = 65_536

_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_RTN_UNICAST: Final = 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 6, 7, 9

_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, length of dst and src, tos, table, protocol, scope, type, flags
_NEXT_HOP: Final = struct.Struct("=HBBi")  # length, flags, hops, index
_U32: Final = struct.Struct("=I")
_ALL: Final = Question(_RTM_GETROUTE, _RTM_NEWROUTE, bytes(_ROUTE.size))
_ADDRESS_BYTES: Final = {socket.AF_INET.value: 4, socket.AF_INET6.value: 16}
_MAPPED: Final = bytes(10) + b"\xff\xff"

PROTOCOLS: Final = {
    0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 8: "gated", 9: "ra", 10: "mrt", 11: "zebra",
    12: "bird", 13: "dnrouted", 14: "xorp", 15: "ntk", 16: "dhcp", 17: "mrouted", 42: "babel", 186: "bgp",
    187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}  # fmt: skip
"""RTPROT_* by number."""


class Hop(NamedTuple):
    """One way that a route goes. `weight` is empty where it is the only one; `link` is the index of its device."""

    link: int
    source: str
    destination: str
    gateway: str
    priority: str
    protocol: str
    weight: str


def shown(packed: bytes) -> str:
    """An address as text (RFC 5952), empty where there is none; one of IPv4 mapped into IPv6 as that of IPv4."""
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[12:]
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if len(packed) != 16:
        return ""
    text = socket.inet_ntop(socket.AF_INET6, packed)
    if text.startswith("::") and "." in text:
        # The C library writes the low half of ::102:304 as if it were of IPv4.
        return f"::{int.from_bytes(packed[12:14]):x}:{int.from_bytes(packed[14:]):x}"
    return text


def parse_route(payload: bytes) -> list[Hop]:
    """The ways of a message RTM_NEWROUTE; none of a route that is not to hosts (unicast) of IP. Raises `Malformed`."""
    if len(payload) < _ROUTE.size:
        raise Malformed(SOURCE, payload, "a struct rtmsg of 12 bytes")
    family, length, _, _, _, protocol, _, kind, _ = _ROUTE.unpack_from(payload)
    width = _ADDRESS_BYTES.get(family)
    if kind != _RTN_UNICAST or width is None:
        return []
    found = attributes(payload, _ROUTE.size, SOURCE)
    destination = f"{shown(found.get(_RTA_DST, bytes(width)))}/{length}" if length else "default"
    only = Hop(
        _number(found.get(_RTA_OIF, b"")),
        shown(found.get(_RTA_PREFSRC, b"")),
        destination,
        shown(found.get(_RTA_GATEWAY, b"")),
        str(_number(found.get(_RTA_PRIORITY, b""))),
        PROTOCOLS.get(protocol, "unknown"),
        "",
    )
    if not found.get(_RTA_MULTIPATH):
        return [only]
    return [
        only._replace(link=link, gateway=shown(gateway), weight=str(hops + 1))
        for link, hops, gateway in next_hops(found[_RTA_MULTIPATH])
    ]


def next_hops(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Index of the device, hops and gateway of each struct rtnexthop. Raises `Malformed`."""
    start = 0
    while start < len(data):
        length, _, hops, link = _NEXT_HOP.unpack_from(data, start) if len(data) - start >= _NEXT_HOP.size else (0,) * 4
        if length < _NEXT_HOP.size or start + length > len(data):
            raise Malformed(SOURCE, data[start:], "a struct rtnexthop and its attributes")
        yield link, hops, attributes(data[start : start + length], _NEXT_HOP.size, SOURCE).get(_RTA_GATEWAY, b"")
        start += length + 3 & ~3


def _number(raw: bytes) -> int:
    return int(_U32.unpack(raw)[0]) if len(raw) == _U32.size else 0


class RouteTable:
    """Asks the kernel for its routes, of all tables."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(socket.NETLINK_ROUTE, SOURCE, DUMP_SECONDS)

    def payloads(self) -> tuple[list[bytes], int]:
        """The messages RTM_NEWROUTE, at most `MAX_ROUTES`, and how many more there were."""
        return self._netlink.dump(_ALL, partial(at_most, MAX_ROUTES))

    def close(self) -> None:
        self._netlink.close()
