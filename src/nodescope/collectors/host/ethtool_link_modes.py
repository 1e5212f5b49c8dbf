"""Speed and duplex of all links over generic netlink, in one dump.

Source: Documentation/networking/ethtool-netlink.rst, include/uapi/linux/{genetlink,ethtool_netlink}.h.
"""

from __future__ import annotations

import errno
import struct
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.rtnetlink import SOURCE, RouteSocket, attributes
from nodescope.host import Malformed

NETLINK_GENERIC: Final = 16
UNKNOWN_SPEED: Final = 0xFFFFFFFF
FAMILY: Final = b"ethtool"
DUPLEXES: Final = {0: "Half", 1: "Full", 0xFF: "Unknown"}

_CONTROLLER: Final = 16
_MESSAGE: Final = struct.Struct("=BBH")  # command, version, reserved
_GET_FAMILY, _LINKMODES_GET = 3, 4
_FAMILY_ID, _FAMILY_NAME = 1, 2
_HEADER, _SPEED, _DUPLEX = 1, 5, 6
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
    found = attributes(payload, _start(payload), frozenset({_FAMILY_ID, _FAMILY_NAME}))
    number = payload[slice(*found.get(_FAMILY_ID, (0, 0)))]
    if len(number) != 2:
        raise Malformed(SOURCE, payload, "a family's number of two bytes")
    return payload[slice(*found.get(_FAMILY_NAME, (0, 0)))].partition(b"\0")[0], struct.unpack("=H", number)[0]


def parse_link_mode(payload: bytes) -> LinkMode:
    """Raises `Malformed`."""
    found = attributes(payload, _start(payload), frozenset({_HEADER, _SPEED, _DUPLEX}))
    header = payload[slice(*found.get(_HEADER, (0, 0)))]
    index = header[slice(*attributes(header, 0, frozenset({_DEVICE_INDEX})).get(_DEVICE_INDEX, (0, 0)))]
    if len(index) != 4:
        raise Malformed(SOURCE, payload, "the index of a link")
    speed = payload[slice(*found.get(_SPEED, (0, 0)))]
    megabits = struct.unpack("=I", speed)[0] if len(speed) == 4 else UNKNOWN_SPEED
    duplex = payload[slice(*found.get(_DUPLEX, (0, 0)))][:1] or b"\0"
    return LinkMode(
        struct.unpack("=i", index)[0],
        None if megabits == UNKNOWN_SPEED else megabits,
        DUPLEXES.get(duplex[0], f"Duplex({duplex[0]})"),
    )


class EthtoolSocket(RouteSocket):
    """A socket of generic netlink that asks the family ethtool (since Linux 5.6). Raises as `RouteSocket`."""

    protocol: ClassVar[int] = NETLINK_GENERIC

    def __init__(self) -> None:
        super().__init__()
        self._family: int | None = None

    def link_modes(self) -> dict[int, LinkMode]:
        """Index of each link that has speed and duplex -> these; none where the kernel has no such family."""
        if self._family is None:
            body = _MESSAGE.pack(_GET_FAMILY, 1, 0)
            self._family = dict(map(parse_family, self._dump(_CONTROLLER, _CONTROLLER, body))).get(FAMILY, 0)
        if not self._family:
            return {}
        body = _MESSAGE.pack(_LINKMODES_GET, 1, 0) + _COMPACT_BITSETS
        try:
            modes = map(parse_link_mode, self._dump(self._family, self._family, body))
            return {mode.ifindex: mode for mode in modes}
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOENT):
                return {}
            raise
