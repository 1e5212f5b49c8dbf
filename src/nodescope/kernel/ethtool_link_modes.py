"""Speed and duplex of all links over generic netlink, in one dump.

Source: Documentation/networking/ethtool-netlink.rst, include/uapi/linux/{genetlink,ethtool_netlink}.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.netlink import NetlinkSocket, Question, attributes

SOURCE: Final = "ethtool netlink"
NETLINK_GENERIC: Final = 16
DUMP_SECONDS: Final = 0.5
UNKNOWN_SPEED: Final = 0xFFFFFFFF
FAMILY: Final = b"ethtool"
DUPLEXES: Final = {0: "Half", 1: "Full", 0xFF: "Unknown"}

_CONTROLLER: Final = 16
_MESSAGE: Final = struct.Struct("=BBH")  # command, version, reserved
_GET_FAMILY, _LINKMODES_GET = 3, 4
_FAMILY_ID, _FAMILY_NAME = 1, 2
_HEADER, _SPEED, _DUPLEX = 1, 5, 6
_LINK_MODE_WANTED: Final = frozenset({_HEADER, _SPEED, _DUPLEX})
_DEVICE_INDEX: Final = 1
# Bitsets in their short form: an attribute header with flags, in the request's header.
_COMPACT_BITSETS: Final = struct.pack("=HHHHI", 12, _HEADER | 0x8000, 8, 3, 1)


class LinkMode(NamedTuple):
    """`speed`: megabits per second, None where the link does not know it."""

    ifindex: int
    speed: int | None
    duplex: str


def _start(payload: bytes) -> int:
    if len(payload) < _MESSAGE.size:
        raise Malformed(SOURCE, payload, f"a struct genlmsghdr of {_MESSAGE.size} bytes")
    return _MESSAGE.size


def parse_family(payload: bytes) -> tuple[bytes, int]:
    """Name and number of a family of generic netlink. Raises `Malformed`."""
    found = attributes(payload, _start(payload), SOURCE)
    number = found.get(_FAMILY_ID, b"")
    if len(number) != 2:
        raise Malformed(SOURCE, payload, "a family's number of two bytes")
    return found.get(_FAMILY_NAME, b"").partition(b"\0")[0], struct.unpack("=H", number)[0]


def parse_link_mode(payload: bytes) -> LinkMode:
    """Raises `Malformed`."""
    found = attributes(payload, _start(payload), SOURCE, _LINK_MODE_WANTED)
    index = attributes(found.get(_HEADER, b""), 0, SOURCE).get(_DEVICE_INDEX, b"")
    if len(index) != 4:
        raise Malformed(SOURCE, payload, "the index of a link")
    speed = found.get(_SPEED, b"")
    megabits = struct.unpack("=I", speed)[0] if len(speed) == 4 else UNKNOWN_SPEED
    duplex = found.get(_DUPLEX, b"")[:1] or b"\0"
    return LinkMode(
        struct.unpack("=i", index)[0],
        None if megabits == UNKNOWN_SPEED else megabits,
        DUPLEXES.get(duplex[0], f"Duplex({duplex[0]})"),
    )


def _families(payloads: Iterator[bytes]) -> dict[bytes, int]:
    return dict(map(parse_family, payloads))


def _link_modes(payloads: Iterator[bytes]) -> dict[int, LinkMode]:
    return {mode.ifindex: mode for mode in map(parse_link_mode, payloads)}


class EthtoolSocket(NetlinkSocket):
    """A socket of generic netlink that asks the family ethtool (since Linux 5.6).

    A dump takes `DUMP_SECONDS` at most. Raises `OSError`, `Malformed`, `Interrupted`.
    """

    def __init__(self) -> None:
        super().__init__(NETLINK_GENERIC, SOURCE, DUMP_SECONDS)
        self._family: int | None = None

    def link_modes(self) -> dict[int, LinkMode]:
        """Index of each link that has speed and duplex -> these; none where the kernel has no such family."""
        if self._family is None:
            question = Question(_CONTROLLER, _CONTROLLER, _MESSAGE.pack(_GET_FAMILY, 1, 0))
            self._family = self.dump(question, _families).get(FAMILY, 0)
        if not self._family:
            return {}
        question = Question(self._family, self._family, _MESSAGE.pack(_LINKMODES_GET, 1, 0) + _COMPACT_BITSETS)
        try:
            return self.dump(question, _link_modes)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOENT):
                return {}
            raise
