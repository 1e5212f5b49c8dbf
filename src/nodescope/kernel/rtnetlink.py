"""Dumps of links and addresses over rtnetlink.

Source: netlink(7), rtnetlink(7), include/uapi/linux/{netlink,rtnetlink,if_link,if_addr}.h. Numbers are in the byte
order of the machine; messages and attributes are aligned to four bytes.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.netlink import NetlinkSocket, Question, attributes

SOURCE: Final = "rtnetlink"
DUMP_SECONDS: Final = 0.5

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWSTATS, RTM_GETSTATS = 92, 94
IFLA_IFNAME, IFLA_STATS, IFLA_STATS64 = 3, 7, 23
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFLA_STATS_LINK_64 = 1

_LINK: Final = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_STATS: Final = struct.Struct("=BxHII")  # family, padding, index, mask of what is wanted
_STATS_AND_ATTRIBUTE: Final = struct.Struct("=4xI4xHH")  # index, then length and type of the first attribute
_EXTENDED: Final = struct.pack("=HHI", 8, 29, 1 << 3)  # IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS
_U32_BYTES, _U64_BYTES = 4, 8

_LINKS: Final = Question(RTM_GETLINK, RTM_NEWLINK, _LINK.pack(0, 0, 0, 0, 0))
_LINKS_ALONE: Final = Question(RTM_GETLINK, RTM_NEWLINK, _LINKS.body + _EXTENDED)
_STATISTICS: Final = Question(RTM_GETSTATS, RTM_NEWSTATS, _STATS.pack(0, 0, 0, 1 << IFLA_STATS_LINK_64 - 1))
_ADDRESSES: Final = Question(RTM_GETADDR, RTM_NEWADDR, _ADDRESS.pack(0, 0, 0, 0, 0))

_LINK_WANTED: Final = frozenset({IFLA_IFNAME, IFLA_STATS, IFLA_STATS64})
_ADDRESS_WANTED: Final = frozenset({IFA_ADDRESS, IFA_LOCAL})
_STATS_WANTED: Final = frozenset({IFLA_STATS_LINK_64})
_FAMILY_BYTES: Final = {socket.AF_INET.value: 4, socket.AF_INET6.value: 16}


class Link(NamedTuple):
    """`statistics`: the counters of struct rtnl_link_stats64 in its order, as many as the kernel has; none where it
    gives none."""

    ifindex: int
    name: str
    statistics: tuple[int, ...]


class Address(NamedTuple):
    """`link`: index of its device. `family` as in socket(2), `packed` in network byte order."""

    link: int
    family: int
    packed: bytes
    prefix_length: int


def counters(data: bytes, each_bytes: int, start: int = 0) -> tuple[int, ...]:
    """As many whole numbers as there are from `start` on."""
    letter = "Q" if each_bytes == _U64_BYTES else "I"
    return struct.unpack_from(f"={(len(data) - start) // each_bytes}{letter}", data, start)


def parse_link(payload: bytes) -> Link:
    """A message RTM_NEWLINK; 64-bit counters where there are, else those of 32 bits."""
    if len(payload) < _LINK.size:
        raise Malformed(SOURCE, payload, "a struct ifinfomsg of 16 bytes")
    # The kernel gives the name first, and the 64-bit counters late, but before much else.
    found = attributes(payload, _LINK.size, SOURCE, _LINK_WANTED, IFLA_STATS64)
    name = text(found.get(IFLA_IFNAME, b"").partition(b"\0")[0])
    wide = counters(found.get(IFLA_STATS64, b""), _U64_BYTES)
    return Link(_LINK.unpack_from(payload)[2], name, wide or counters(found.get(IFLA_STATS, b""), _U32_BYTES))


def parse_statistics(payload: bytes) -> tuple[int, tuple[int, ...]]:
    """A message RTM_NEWSTATS: index of the link, and its counters as in `Link`."""
    size = len(payload)
    if size >= _STATS_AND_ATTRIBUTE.size:
        index, length, kind = _STATS_AND_ATTRIBUTE.unpack_from(payload)
        # As the kernel answers when it was asked for nothing else.
        if kind == IFLA_STATS_LINK_64 and length == size - _STATS.size:
            return index, counters(payload, _U64_BYTES, _STATS_AND_ATTRIBUTE.size)
    if size < _STATS.size:
        raise Malformed(SOURCE, payload, "a struct if_stats_msg of 12 bytes")
    found = attributes(payload, _STATS.size, SOURCE, _STATS_WANTED, IFLA_STATS_LINK_64)
    return _STATS.unpack_from(payload)[2], counters(found.get(IFLA_STATS_LINK_64, b""), _U64_BYTES)


def parse_address(payload: bytes) -> Address | None:
    """A message RTM_NEWADDR; the local address where there is one, for the other is then the peer's."""
    if len(payload) < _ADDRESS.size:
        raise Malformed(SOURCE, payload, "a struct ifaddrmsg of 8 bytes")
    family, prefix_length, _, _, link = _ADDRESS.unpack_from(payload)
    found = attributes(payload, _ADDRESS.size, SOURCE, _ADDRESS_WANTED)
    packed = found.get(IFA_LOCAL, found.get(IFA_ADDRESS, b""))
    return Address(link, family, packed, prefix_length) if len(packed) == _FAMILY_BYTES.get(family) else None


def _links(payloads: Iterator[bytes]) -> list[Link]:
    return [parse_link(payload) for payload in payloads]


def _statistics(payloads: Iterator[bytes]) -> dict[int, tuple[int, ...]]:
    return dict(map(parse_statistics, payloads))


def _addresses(payloads: Iterator[bytes]) -> list[Address]:
    return [address for address in map(parse_address, payloads) if address is not None]


class RouteSocket(NetlinkSocket):
    """Asks the kernel for its links, their counters and addresses.

    A dump takes `DUMP_SECONDS` at most. Raises `OSError`, `Malformed`, `Interrupted`.
    """

    def __init__(self) -> None:
        super().__init__(socket.NETLINK_ROUTE, SOURCE, DUMP_SECONDS)

    def links(self) -> list[Link]:
        return self.dump(_LINKS, _links)

    def link_messages(self, statistics: bool = False) -> list[bytes]:
        """The payload of RTM_NEWLINK of each link; without `statistics` (since Linux 4.4) no counter of packets."""
        payloads: list[bytes] = self.dump(_LINKS if statistics else _LINKS_ALONE, list)
        return payloads

    def statistics(self) -> dict[int, tuple[int, ...]]:
        """Index of each link -> its counters alone, which costs the kernel a fraction of `links`. Since Linux 4.7."""
        return self.dump(_STATISTICS, _statistics)

    def addresses(self) -> list[Address]:
        return self.dump(_ADDRESSES, _addresses)
