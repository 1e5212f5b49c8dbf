"""Bytes in UDP queues."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

QUEUES: Final = Metric(
    "node_udp_queues",
    "gauge",
    "Number of allocated memory in the kernel for UDP datagrams in bytes.",
    ("queue", "ip"),
)

MAX_LINE_BYTES: Final = 512
"""More than any that udp4_seq_show() and ip6_dgram_sock_seq_show() of the kernel print."""

_HEADING: Final = b"sl"
_QUEUES_COLUMN: Final = 4
_LEAST_COLUMNS: Final = 10
_EMPTY: Final = b"00000000:00000000"
_HEX: Final = re.compile(rb"0*[0-9a-fA-F]{1,16}")


def parse_queues(data: bytes, source: str) -> tuple[int | None, int | None, int]:
    """Bytes in all send queues and in all receive queues, and how many lines could not be read.

    A sum of which a part is unknown is None. Raises `Malformed`.
    """
    lines = data.split(b"\n")
    if not lines[0].lstrip().startswith(_HEADING):
        raise Malformed(source, data, "a heading, then a line for each socket")
    sums: list[int | None] = [0, 0]
    left_out = 0
    for line in lines[1:]:
        words = line.split(None, _LEAST_COLUMNS)
        if len(words) > _QUEUES_COLUMN and words[_QUEUES_COLUMN] == _EMPTY and len(words) >= _LEAST_COLUMNS:
            continue
        if not words:
            continue
        halves = words[_QUEUES_COLUMN].split(b":") if len(words) >= _LEAST_COLUMNS else []
        queues = [int(half, 16) if _HEX.fullmatch(half) else None for half in halves]
        if len(queues) != len(sums):
            queues = [None, None]
        left_out += None in queues
        sums = [
            None if known is None or more is None else known + more for known, more in zip(sums, queues, strict=True)
        ]
    return sums[0], sums[1], left_out


class UdpQueuesCollector:
    """How many bytes wait in the queues of all UDP sockets.

    *Source*: /proc/net/udp and udp6, proc_net(5). *Units*: bytes. *Absent when*: the kernel has no IPv4 or IPv6; a sum
    of which one socket's part cannot be read. *Cost*: two reads, longer with more sockets.
    """

    name: ClassVar[str] = "udp_queues"
    metrics: ClassVar[tuple[Metric, ...]] = (QUEUES,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._files = tuple(
            (host.proc(f"net/{file}"), ("tx", ip), ("rx", ip)) for file, ip in (("udp", "v4"), ("udp6", "v6"))
        )
        self._last: tuple[list[Row], list[Family]] = ([], [])

    def collect(self) -> list[Family]:
        rows: list[Row] = []
        odd: Malformed | OSError | None = None
        there = False
        self.left_out = 0
        for path, send, receive in self._files:
            try:
                sent, received, left_out = parse_queues(
                    self._host.read(path, built_in=True, record_bytes=MAX_LINE_BYTES), path
                )
            except Absent:
                continue
            except (Malformed, OSError) as error:
                odd = error.with_traceback(None)
                self.left_out += 1
                continue
            there = True
            self.left_out += left_out
            rows += [(labels, value) for labels, value in ((send, sent), (receive, received)) if value is not None]
        if not there:
            raise odd or Absent(self._files[0][0])
        if rows != self._last[0]:
            self._last = (rows, [Family(QUEUES, rows)])
        return self._last[1] if rows else []


def build(host: Host, settings: Settings) -> UdpQueuesCollector:
    return UdpQueuesCollector(host)
