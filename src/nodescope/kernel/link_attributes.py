"""What a message RTM_NEWLINK says of a link.

Source: rtnetlink(7), include/uapi/linux/{if_link,rtnetlink}.h, rtnl_fill_ifinfo() of net/core/rtnetlink.c.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.netlink import attributes
from nodescope.kernel.rtnetlink import SOURCE, counters

_HEADER: Final = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_U32: Final = struct.Struct("=I")
_U64_BYTES: Final = 8
MAX_ALTNAMES: Final = 64

ADDRESS, BROADCAST, NAME, MTU, LINK, TX_QUEUE_LENGTH, OPERSTATE, LINK_MODE = 1, 2, 3, 4, 5, 13, 16, 17
ALIAS, STATS64, GROUP, PROMISCUITY, CARRIER, CARRIER_CHANGES = 20, 23, 27, 30, 33, 35
CARRIER_UP, CARRIER_DOWN, PROPERTIES, ALTNAME, ALL_MULTICAST = 47, 48, 52, 53, 61

_MARKS: Final = frozenset(
    {
        ADDRESS, BROADCAST, NAME, MTU, LINK, TX_QUEUE_LENGTH, OPERSTATE, LINK_MODE, ALIAS, GROUP, PROMISCUITY, CARRIER,
        CARRIER_CHANGES, CARRIER_UP, CARRIER_DOWN, ALL_MULTICAST,
    }
)  # fmt: skip
_WANTED: Final = _MARKS | {STATS64, PROPERTIES}


class Mark(NamedTuple):
    """Equal to an earlier mark of the link as long as nothing has changed of what /sys/class/net says of it.

    Not in it: speed and duplex, how name and address were assigned, and the number of the port. `told`: the header,
    then each attribute's type and value. `all_multicast`: whether the kernel tells that flag (since Linux 6.0).
    """

    ifindex: int
    name: bytes
    address: bytes
    all_multicast: bool
    told: tuple[bytes | int, ...]


class LinkAttributes(NamedTuple):
    """Numbers are None where the message has no such attribute; names are as the kernel has them."""

    type: int
    ifindex: int
    flags: int
    name: bytes
    address: bytes
    broadcast: bytes
    alias: bytes
    altnames: tuple[bytes, ...]
    operstate: int
    numbers: dict[int, int]
    statistics: tuple[int, ...]


def _header(payload: bytes) -> tuple[int, int, int]:
    """Device type, index and flags. Raises `Malformed`."""
    if len(payload) < _HEADER.size:
        raise Malformed(SOURCE, payload, f"a struct ifinfomsg of {_HEADER.size} bytes")
    _, kind, index, flags, _ = _HEADER.unpack_from(payload)
    return kind, index, flags


def _string(found: dict[int, bytes], kind: int) -> bytes:
    return found.get(kind, b"").partition(b"\0")[0]


def parse_mark(payload: bytes) -> Mark:
    """Raises `Malformed`."""
    _, index, _ = _header(payload)
    found = attributes(payload, _HEADER.size, SOURCE, _MARKS)
    told: list[bytes | int] = [payload[: _HEADER.size]]
    for attribute in found.items():
        told += attribute
    return Mark(index, _string(found, NAME), found.get(ADDRESS, b""), ALL_MULTICAST in found, tuple(told))


def parse_attributes(payload: bytes) -> LinkAttributes:
    """Raises `Malformed`."""
    kind, index, flags = _header(payload)
    found = attributes(payload, _HEADER.size, SOURCE, _WANTED)
    numbers: dict[int, int] = {}
    for number, value in found.items():
        if len(value) == _U32.size:
            numbers[number] = _U32.unpack(value)[0]
        elif len(value) == 1:
            numbers[number] = value[0]
    return LinkAttributes(
        type=kind,
        ifindex=index,
        flags=flags,
        name=_string(found, NAME),
        address=found.get(ADDRESS, b""),
        broadcast=found.get(BROADCAST, b""),
        alias=_string(found, ALIAS),
        altnames=_altnames(found.get(PROPERTIES, b"")),
        operstate=numbers.get(OPERSTATE, 0),
        numbers=numbers,
        statistics=counters(found.get(STATS64, b""), _U64_BYTES),
    )


def _altnames(properties: bytes) -> tuple[bytes, ...]:
    """The other names of a link, each an attribute of its own. Raises `Malformed`."""
    names: list[bytes] = []
    start = 0
    while start + 4 <= len(properties) and len(names) < MAX_ALTNAMES:
        length, kind = struct.unpack_from("=HH", properties, start)
        if length < 4 or start + length > len(properties):
            raise Malformed(SOURCE, properties[start:], f"an attribute of {length} bytes")
        if kind & 0x3FFF == ALTNAME:
            names.append(properties[start + 4 : start + length].partition(b"\0")[0])
        start += length + 3 & ~3
    return tuple(names)


def hardware_address(address: bytes) -> str:
    """As sysfs shows it: 00:1b:21:0a:0b:0c."""
    return address.hex(":")
