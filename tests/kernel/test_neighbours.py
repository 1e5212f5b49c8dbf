from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel.neighbours import NUD_NOARP, NeighbourSocket, entries_by_device, parse_neighbour
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import attribute

REACHABLE, STALE, FAILED, PERMANENT = 0x02, 0x04, 0x20, 0x80


def neighbour(index: int, state: int, family: int = socket.AF_INET) -> bytes:
    return struct.pack("=BxxxiHBB", family, index, state, 0, 1) + attribute(1, bytes((10, 0, 0, 1)))


def test_entries() -> None:
    """Every neighbour of IPv4 counts for its device whatever its state, but those that need no ARP."""
    payloads = [neighbour(2, state) for state in (REACHABLE, STALE, FAILED, PERMANENT, NUD_NOARP, 0)]
    payloads += [neighbour(3, STALE), neighbour(3, STALE, socket.AF_INET6), neighbour(4, NUD_NOARP)]
    assert entries_by_device(iter(payloads)) == {2: 5, 3: 1}


def test_malformed() -> None:
    """A message that is too short is refused."""
    with pytest.raises(Malformed, match="rtnetlink: expected a struct ndmsg"):
        parse_neighbour(bytes(11))


def test_this_machine() -> None:
    """The kernel tells its neighbours, time and again over one socket."""
    neighbours = NeighbourSocket()
    try:
        for _ in range(2):
            indices = dict(socket.if_nameindex())
            assert neighbours.entries().keys() <= indices.keys()
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    neighbours.close()


@given(mangled(neighbour(2, STALE)))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    parses_or_refuses(lambda: entries_by_device(iter([payload])))
