"""Dumps of links and addresses over rtnetlink.

Source: netlink(7), rtnetlink(7), include/uapi/linux/{netlink,rtnetlink,if_link,if_addr}.h. Numbers are in the byte
order of the machine; messages and attributes are aligned to four bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import ClassVar, Final, NamedTuple

from nodescope.host import Malformed, text

SOURCE: Final = "rtnetlink"
DUMP_SECONDS: Final = 0.5
BUFFER_BYTES: Final = 64 * 1024
MAX_MESSAGES: Final = 65_536

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWSTATS, RTM_GETSTATS = 92, 94
IFLA_IFNAME, IFLA_STATS, IFLA_STATS64 = 3, 7, 23
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFLA_STATS_LINK_64 = 1

_NLMSG_NOOP, _NLMSG_ERROR, _NLMSG_DONE = 1, 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
_TYPE_MASK: Final = 0x3FFF

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK: Final = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_STATS: Final = struct.Struct("=BxHII")  # family, padding, index, mask of what is wanted
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_EXTENDED: Final = struct.pack("=HHI", 8, 29, 1 << 3)  # IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS
_U32: Final = struct.Struct("=I")
_U64: Final = struct.Struct("=Q")
_ERRNO: Final = struct.Struct("=i")
_LINK_WANTED: Final = frozenset({IFLA_IFNAME, IFLA_STATS, IFLA_STATS64})
_ADDRESS_WANTED: Final = frozenset({IFA_ADDRESS, IFA_LOCAL})
_STATS_WANTED: Final = frozenset({IFLA_STATS_LINK_64})
_ADDRESS_BYTES: Final = {socket.AF_INET.value: 4, socket.AF_INET6.value: 16}


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


class Interrupted(Exception):
    """The kernel's tables changed under the dump, or it ran out of room for it: ask again."""


def messages(data: bytes, sequence: int) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and payload of each message that answers `sequence`. Raises `Malformed`."""
    start = 0
    while start < len(data):
        if len(data) - start < _HEADER.size:
            raise Malformed(SOURCE, data[start:], "a message header of 16 bytes")
        length, kind, flags, number, _ = _HEADER.unpack_from(data, start)
        if length < _HEADER.size or start + length > len(data):
            raise Malformed(SOURCE, data[start:], f"a message of {length} bytes")
        if number == sequence:
            yield kind, flags, data[start + _HEADER.size : start + length]
        start += length + 3 & ~3


def attributes(payload: bytes, start: int, wanted: frozenset[int], last: int = -1) -> dict[int, tuple[int, int]]:
    """Type -> where the value begins and ends, of the `wanted` attributes from `start` on until the type `last`.

    Raises `Malformed`.
    """
    found: dict[int, tuple[int, int]] = {}
    size, header, unpack = len(payload), _ATTRIBUTE.size, _ATTRIBUTE.unpack_from
    while start + header <= size:
        length, kind = unpack(payload, start)
        if length < header or start + length > size:
            raise Malformed(SOURCE, payload[start:], f"an attribute of {length} bytes")
        kind &= _TYPE_MASK
        if kind in wanted:
            found[kind] = (start + header, start + length)
            if kind == last:
                break
        start += length + 3 & ~3
    return found


def parse_link(payload: bytes) -> Link:
    """A message RTM_NEWLINK; 64-bit counters where there are, else those of 32 bits."""
    if len(payload) < _LINK.size:
        raise Malformed(SOURCE, payload, "a struct ifinfomsg of 16 bytes")
    index = _LINK.unpack_from(payload)[2]
    # The kernel gives the name first, and the 64-bit counters late, but before much else.
    found = attributes(payload, _LINK.size, _LINK_WANTED, IFLA_STATS64)
    start, end = found.get(IFLA_IFNAME, (0, 0))
    name = text(payload[start:end].partition(b"\0")[0])
    start, end = found.get(IFLA_STATS64, (0, 0))
    if end - start >= _U64.size:
        return Link(index, name, struct.unpack_from(f"={(end - start) // _U64.size}Q", payload, start))
    start, end = found.get(IFLA_STATS, (0, 0))
    return Link(index, name, struct.unpack_from(f"={(end - start) // _U32.size}I", payload, start))


def parse_statistics(payload: bytes) -> tuple[int, tuple[int, ...]]:
    """A message RTM_NEWSTATS: index of the link, and its counters as in `Link`."""
    if len(payload) < _STATS.size:
        raise Malformed(SOURCE, payload, "a struct if_stats_msg of 12 bytes")
    start, end = attributes(payload, _STATS.size, _STATS_WANTED, IFLA_STATS_LINK_64).get(IFLA_STATS_LINK_64, (0, 0))
    return _STATS.unpack_from(payload)[2], struct.unpack_from(f"={(end - start) // _U64.size}Q", payload, start)


def parse_address(payload: bytes) -> Address | None:
    """A message RTM_NEWADDR; the local address where there is one, for the other is then the peer's."""
    if len(payload) < _ADDRESS.size:
        raise Malformed(SOURCE, payload, "a struct ifaddrmsg of 8 bytes")
    family, prefix_length, _, _, link = _ADDRESS.unpack_from(payload)
    found = attributes(payload, _ADDRESS.size, _ADDRESS_WANTED)
    start, end = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, (0, 0))
    known = end - start == _ADDRESS_BYTES.get(family)
    return Address(link, family, payload[start:end], prefix_length) if known else None


class RouteSocket:
    """One socket, opened at the first dump and after a failure, that asks the kernel for whole tables.

    A dump takes `DUMP_SECONDS` at most, and is asked for again once where the kernel was interrupted. Raises
    `OSError`, `Malformed`, `Interrupted`.
    """

    protocol: ClassVar[int] = socket.NETLINK_ROUTE

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._buffer = bytearray(BUFFER_BYTES)

    def __del__(self) -> None:
        self.close()

    def links(self) -> list[Link]:
        return [parse_link(payload) for payload in self._dump(RTM_GETLINK, RTM_NEWLINK, _LINK.pack(0, 0, 0, 0, 0))]

    def link_messages(self, statistics: bool = False) -> list[bytes]:
        """The payload of RTM_NEWLINK of each link; without `statistics` (since Linux 4.4) no counter of packets."""
        body = _LINK.pack(0, 0, 0, 0, 0)
        return self._dump(RTM_GETLINK, RTM_NEWLINK, body if statistics else body + _EXTENDED)

    def statistics(self) -> dict[int, tuple[int, ...]]:
        """Index of each link -> its counters alone, which costs the kernel a fraction of `links`. Since Linux 4.7."""
        body = _STATS.pack(0, 0, 0, 1 << IFLA_STATS_LINK_64 - 1)
        return dict(parse_statistics(payload) for payload in self._dump(RTM_GETSTATS, RTM_NEWSTATS, body))

    def addresses(self) -> list[Address]:
        found = map(parse_address, self._dump(RTM_GETADDR, RTM_NEWADDR, _ADDRESS.pack(0, 0, 0, 0, 0)))
        return [address for address in found if address is not None]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _dump(self, request: int, answer: int, body: bytes) -> list[bytes]:
        try:
            try:
                return self._ask(request, answer, body, strict=True)
            except Interrupted:
                self.close()
            return self._ask(request, answer, body, strict=False)
        except (OSError, Malformed, Interrupted):
            self.close()
            raise

    def _ask(self, request: int, answer: int, body: bytes, strict: bool) -> list[bytes]:
        """The payloads of one dump. `strict`: one during which a link came or went is not good enough."""
        deadline = time.monotonic() + DUMP_SECONDS
        self._sequence = self._sequence + 1 & 0xFFFFFFFF
        route = self._socket = self._socket or _open(self.protocol)
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        route.send(_HEADER.pack(_HEADER.size + len(body), request, flags, self._sequence, 0) + body)
        payloads: list[bytes] = []
        while True:
            for kind, flags, payload in messages(self._receive(route, deadline), self._sequence):
                if strict and flags & _NLM_F_DUMP_INTR:
                    raise Interrupted("the kernel's table changed during the dump")
                if kind == _NLMSG_DONE:
                    return payloads
                if kind == _NLMSG_ERROR:
                    raise _error(payload)
                if kind == answer and len(payloads) < MAX_MESSAGES:
                    payloads.append(payload)

    def _receive(self, route: socket.socket, deadline: float) -> bytes:
        if time.monotonic() >= deadline:
            raise _too_late()
        try:
            size, _, flags, sender = route.recvmsg_into([self._buffer])
        except BlockingIOError as error:
            raise _too_late() from error
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Interrupted("the kernel ran out of room for the dump") from error
            raise
        if flags & socket.MSG_TRUNC:
            raise Malformed(SOURCE, bytes(self._buffer[:16]), f"at most {BUFFER_BYTES} bytes at once")
        # Only the kernel, which is port 0, is believed.
        return bytes(memoryview(self._buffer)[:size]) if sender[0] == 0 else b""


def _open(protocol: int) -> socket.socket:
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        route.bind((0, 0))
        bound_calls(route, DUMP_SECONDS)
    except OSError:
        route.close()
        raise
    return route


def bound_calls(route: socket.socket, limit_s: float) -> None:
    """Has the kernel end each call after `limit_s`: Python's own limit would be a poll(2) before each."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        route.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(limit_s), int(limit_s % 1 * 1e6)))


def _too_late() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, f"{SOURCE}: no whole answer in {DUMP_SECONDS:g} s")


def _error(payload: bytes) -> OSError:
    number = -_ERRNO.unpack_from(payload)[0] if len(payload) >= _ERRNO.size else errno.EPROTO
    return OSError(number, f"{SOURCE}: {os.strerror(number)}")
