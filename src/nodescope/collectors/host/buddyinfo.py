"""Collector buddyinfo: free blocks of memory by order."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from nodescope.host import Host, Malformed, text
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_ZONES: Final = 8192
MAX_ORDERS: Final = 64

BLOCKS: Final = Metric(
    "node_buddyinfo_blocks", "gauge", "Count of free blocks according to size.", ("node", "zone", "size")
)

Zone = tuple[bytes, bytes]
"""A node's number, as it is written, and the name of a zone."""


def parse_buddyinfo(data: bytes, source: str) -> tuple[dict[Zone, list[int]], int]:
    """Zone -> free blocks by order, and how many lines are left out. Raises `Malformed` where none is understood."""
    found: dict[Zone, list[int]] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words:
            continue
        understood = _zone(words)
        if understood is None or understood[0] in found or len(found) >= MAX_ZONES:
            left_out += 1
        else:
            found[understood[0]] = understood[1]
    if not found:
        raise Malformed(source, data, "lines such as 'Node 0, zone Normal 1 2 3'")
    # All zones have as many orders, so a line with another number of them is cut short or run together.
    orders = Counter(map(len, found.values())).most_common(1)[0][0]
    whole = {zone: blocks for zone, blocks in found.items() if len(blocks) == orders}
    return whole, left_out + len(found) - len(whole)


def _zone(words: list[bytes]) -> tuple[Zone, list[int]] | None:
    if len(words) < 5 or words[0] != b"Node" or words[2] != b"zone" or not words[1].endswith(b","):
        return None
    node, blocks = words[1][:-1], uint64s(words[4 : 4 + MAX_ORDERS])
    return ((node, words[3].removesuffix(b",")), blocks) if node.isdigit() and blocks else None


class BuddyinfoCollector:
    """How many blocks of memory are free in each zone, by order: a block has 2**order pages.

    *Source*: /proc/buddyinfo, proc_buddyinfo(5). *Units*: blocks; the label size is the order. *Absent when*: the file
    is not there. *Cost*: one read.
    """

    name: ClassVar[str] = "buddyinfo"
    metrics: ClassVar[tuple[Metric, ...]] = (BLOCKS,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("buddyinfo")
        self._shape: list[tuple[Zone, int]] = []
        self._labels: list[list[tuple[str, str, str]]] = []

    def collect(self) -> list[Family]:
        zones, self.left_out = parse_buddyinfo(self._host.read(self._path), self._path)
        shape = [(zone, len(blocks)) for zone, blocks in zones.items()]
        if shape != self._shape:
            self._shape = shape
            self._labels = [
                [(text(node), text(zone), str(order)) for order in range(orders)] for (node, zone), orders in shape
            ]
        rows: list[Row] = []
        for labels, blocks in zip(self._labels, zones.values(), strict=True):
            rows += zip(labels, blocks, strict=True)
        return [Family(BLOCKS, rows)]


def build(host: Host, settings: Settings) -> BuddyinfoCollector:
    return BuddyinfoCollector(host)
