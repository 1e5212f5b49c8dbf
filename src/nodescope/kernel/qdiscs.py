"""Queueing disciplines of the kernel, over rtnetlink.

Source: rtnetlink(7), tc(8), include/uapi/linux/{rtnetlink,pkt_sched,gen_stats}.h (struct tcmsg, TCA_*).
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.netlink import NetlinkSocket, Question, at_most, attributes

SOURCE: Final = "rtnetlink"
DUMP_SECONDS: Final = 1.0
MAX_QDISCS: Final = 65_536

_RTM_NEWQDISC, _RTM_GETQDISC = 36, 38
_TC_H_ROOT: Final = 0xFFFFFFFF
_TCA_KIND, _TCA_STATS, _TCA_STATS2 = 1, 3, 7
_TCA_STATS_BASIC, _TCA_STATS_QUEUE, _TCA_STATS_PKT64 = 1, 3, 8

_MESSAGE: Final = struct.Struct("=B3xiIII")  # family, index, handle, parent, info
_STATS: Final = struct.Struct("=QIIIIIII")  # bytes, packets, drops, overlimits, bps, pps, qlen, backlog
_BASIC: Final = struct.Struct("=QI")  # bytes, packets
_QUEUE: Final = struct.Struct("=IIIII")  # qlen, backlog, drops, requeues, overlimits
_U64: Final = struct.Struct("=Q")
_ALL: Final = Question(_RTM_GETQDISC, _RTM_NEWQDISC, bytes(_MESSAGE.size))


class Statistics(NamedTuple):
    """What a queueing discipline sent, dropped, held back, and what waits in it (`backlog` in bytes)."""

    sent_bytes: int = 0
    packets: int = 0
    drops: int = 0
    requeues: int = 0
    overlimits: int = 0
    queue_length: int = 0
    backlog: int = 0


class Qdisc(NamedTuple):
    """The root queueing discipline of the device with the index `link`."""

    link: int
    kind: str
    statistics: Statistics


def parse_qdisc(payload: bytes) -> Qdisc | None:
    """A message RTM_NEWQDISC; None where the discipline is not a device's root. Raises `Malformed`."""
    if len(payload) < _MESSAGE.size:
        raise Malformed(SOURCE, payload, "a struct tcmsg of 20 bytes")
    _, link, _, parent, _ = _MESSAGE.unpack_from(payload)
    if parent not in (0, _TC_H_ROOT):
        return None
    found = attributes(payload, _MESSAGE.size, SOURCE)
    kind = text(found.get(_TCA_KIND, b"").partition(b"\0")[0])
    return Qdisc(link, kind, statistics(found))


def statistics(found: dict[int, bytes]) -> Statistics:
    """From TCA_STATS2 what it has, the rest from the older TCA_STATS. Raises `Malformed`."""
    older = found.get(_TCA_STATS, b"")
    nested = attributes(found.get(_TCA_STATS2, b""), 0, SOURCE)
    counted = Statistics()
    if len(older) >= _STATS.size:
        sent, packets, drops, overlimits, _, _, queue_length, backlog = _STATS.unpack_from(older)
        counted = Statistics(sent, packets, drops, 0, overlimits, queue_length, backlog)
    basic, queue = nested.get(_TCA_STATS_BASIC, b""), nested.get(_TCA_STATS_QUEUE, b"")
    if len(basic) >= _BASIC.size:
        sent, packets = _BASIC.unpack_from(basic)
        counted = counted._replace(sent_bytes=sent, packets=packets)
    elif len(older) < _STATS.size:
        raise Malformed(SOURCE, older or basic, "struct gnet_stats_basic or struct tc_stats")
    if len(queue) >= _QUEUE.size:
        length, backlog, drops, requeues, overlimits = _QUEUE.unpack_from(queue)
        counted = Statistics(counted.sent_bytes, counted.packets, drops, requeues, overlimits, length, backlog)
    # Given where 32 bits are too few.
    wide = nested.get(_TCA_STATS_PKT64, b"")
    return counted._replace(packets=_U64.unpack(wide)[0]) if len(wide) == _U64.size else counted


class QdiscSocket:
    """Asks the kernel for its queueing disciplines."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(socket.NETLINK_ROUTE, SOURCE, DUMP_SECONDS)

    def payloads(self) -> tuple[list[bytes], int]:
        """The messages RTM_NEWQDISC, at most `MAX_QDISCS`, and how many more there were."""
        return self._netlink.dump(_ALL, partial(at_most, MAX_QDISCS))

    def close(self) -> None:
        self._netlink.close()
