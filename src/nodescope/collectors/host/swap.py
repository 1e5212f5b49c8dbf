"""Swap areas."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.host import Host, Malformed, text
from nodescope.kernel.number import uint64
from nodescope.kernel.signed_number import int64
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_AREAS: Final = 1024
KIBIBYTE: Final = 1024
EXPECTED: Final = "a heading, then lines of file name, type, size, used and priority"

_LABELS: Final = ("device", "swap_type")
METRICS: Final = (
    Metric("node_swap_size_bytes", "gauge", "Swap device size in bytes.", _LABELS),
    Metric("node_swap_used_bytes", "gauge", "Swap device used in bytes.", _LABELS),
    Metric("node_swap_priority", "gauge", "Swap device priority.", _LABELS),
)


class Swaps(NamedTuple):
    """`areas`: device and type -> size in bytes, used bytes, priority. `left_out`: lines that are not as documented."""

    areas: dict[tuple[str, str], tuple[int, int, int]]
    left_out: int


def parse_swaps(data: bytes, source: str) -> Swaps:
    """The swap areas in the kernel's order, of each device and type the first. Raises `Malformed`."""
    heading, *lines = data.split(b"\n")
    if not heading.startswith(b"Filename"):
        raise Malformed(source, heading, EXPECTED)
    areas: dict[tuple[str, str], tuple[int, int, int]] = {}
    left_out = 0
    for line in filter(None, lines):
        # Blanks in a file's name are escaped, so that a line always splits into the same words.
        words = line.split()
        numbers = _numbers(words) if len(areas) < MAX_AREAS else None
        labels = (text(words[0]), text(words[1])) if numbers else ("", "")
        if numbers is None or labels in areas:
            left_out += 1
        else:
            areas[labels] = numbers
    if left_out and not areas:
        raise Malformed(source, data, EXPECTED)
    return Swaps(areas, left_out)


def _numbers(words: list[bytes]) -> tuple[int, int, int] | None:
    if len(words) < 5:
        return None
    size, used, priority = uint64(words[2]), uint64(words[3]), int64(words[4])
    if size is None or used is None or priority is None:
        return None
    return size * KIBIBYTE, used * KIBIBYTE, priority


class SwapCollector:
    """Size, use and priority of each swap area.

    *Source*: /proc/swaps, proc_swaps(5). *Units*: bytes; the kernel prefers the highest priority. *Absent when*: the
    kernel cannot swap. Without a swap area there are no families. *Cost*: one read.
    """

    name: ClassVar[str] = "swap"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("swaps")
        self._last: tuple[bytes, list[Family]] = (b"", [])

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, built_in=True)
        if not data or data != self._last[0]:
            areas, self.left_out = parse_swaps(data, self._path)
            families = [
                Family(metric, [(labels, numbers[index]) for labels, numbers in areas.items()])
                for index, metric in enumerate(METRICS)
                if areas
            ]
            self._last = (data, families)
        return self._last[1]


def build(host: Host, settings: Settings) -> SwapCollector:
    return SwapCollector(host)
