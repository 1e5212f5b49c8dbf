"""How many entries the kernel's neighbour table has for each device, over rtnetlink.

Source: rtnetlink(7), include/uapi/linux/neighbour.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from nodescope.host import Malformed
from nodescope.kernel.netlink import NetlinkSocket, Question

SOURCE: Final = "rtnetlink"
DUMP_SECONDS: Final = 1.0
NUD_NOARP: Final = 0x40

_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_MESSAGE: Final = struct.Struct("=B3xiHBB")  # family, index, state, flags, type
_IPV4: Final = Question(_RTM_GETNEIGH, _RTM_NEWNEIGH, _MESSAGE.pack(socket.AF_INET, 0, 0, 0, 0))


def parse_neighbour(payload: bytes) -> tuple[int, int, int]:
    """A message RTM_NEWNEIGH: address family, index of the device, state. Raises `Malformed`."""
    if len(payload) < _MESSAGE.size:
        raise Malformed(SOURCE, payload, "a struct ndmsg of 12 bytes")
    family, index, state, _, _ = _MESSAGE.unpack_from(payload)
    return family, index, state


def entries_by_device(payloads: Iterator[bytes]) -> dict[int, int]:
    """Index of a device -> how many IPv4 neighbours it has, without those that need no ARP."""
    entries: dict[int, int] = {}
    for payload in payloads:
        family, index, state = parse_neighbour(payload)
        if family == socket.AF_INET and not state & NUD_NOARP:
            entries[index] = entries.get(index, 0) + 1
    return entries


class NeighbourSocket:
    """Asks the kernel for its neighbours."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(socket.NETLINK_ROUTE, SOURCE, DUMP_SECONDS)

    def entries(self) -> dict[int, int]:
        return self._netlink.dump(_IPV4, entries_by_device)

    def close(self) -> None:
        self._netlink.close()
