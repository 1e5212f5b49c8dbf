"""Packets by CPU that handled them."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_CPUS: Final = 65_536
LEAST_COLUMNS: Final = 9
CPU_COLUMN: Final = 12
WORD_DIGITS: Final = 8


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_softnet_{name}", "counter" if name.endswith("_total") else "gauge", help, ("cpu",))


COLUMNS: Final = (
    (0, _metric("processed_total", "Number of processed packets")),
    (1, _metric("dropped_total", "Number of dropped packets")),
    (2, _metric("times_squeezed_total", "Number of times processing packets ran out of quota")),
    (8, _metric("cpu_collision_total", "Number of collision occur while obtaining device lock while transmitting")),
    (9, _metric("received_rps_total", "Number of times cpu woken up received_rps")),
    (10, _metric("flow_limit_count_total", "Number of times flow limit has been reached")),
    (11, _metric("backlog_len", "Softnet backlog status")),
)
"""Columns of the file, those from 9 on since Linux 2.6.39, 3.11, 5.14; 0 where a kernel does not have them yet."""

_HEX: Final = re.compile(rb"0*[0-9a-fA-F]{1,8}")

Table = tuple[list[int], list[Sequence[int]]]
"""Numbers of the CPUs; for each of `COLUMNS` what each of them counts."""


def parse_whole(data: bytes) -> Table | None:
    """The file as the kernel prints it: lines alike, of words of eight digits. None where it is otherwise."""
    width = (data.find(b"\n") + 1) // (WORD_DIGITS + 1)
    count = len(data) // (WORD_DIGITS + 1) // max(width, 1)
    ends = (b" " * (width - 1) + b"\n") * count
    if width < LEAST_COLUMNS or count > MAX_CPUS or data[WORD_DIGITS :: WORD_DIGITS + 1] != ends:
        return None
    try:
        # Blanks are passed over; the length tells whether there are others than those between words.
        packed = bytes.fromhex(data.decode("ascii"))
    except ValueError:
        return None
    if len(packed) * 2 != WORD_DIGITS * len(ends) or len(data) != len(ends) * (WORD_DIGITS + 1):
        return None
    numbers = array("I", packed)
    if sys.byteorder == "little":
        numbers.byteswap()
    cpus = list(numbers[CPU_COLUMN::width]) if width > CPU_COLUMN else list(range(count))
    if len(set(cpus)) != count:
        return None
    return cpus, [_column(numbers, column, width, count) for column, _ in COLUMNS]


def _column(numbers: Sequence[int], column: int, width: int, cpus: int) -> Sequence[int]:
    # The backlog came with the column of the CPU behind it.
    there = column < width and (column < CPU_COLUMN - 1 or width > CPU_COLUMN)
    return numbers[column::width] if there else (0,) * cpus


def parse_line(line: bytes, position: int) -> tuple[int, ...] | None:
    """The CPU of a line and its numbers in the order of `COLUMNS`; None where it is not as documented."""
    words = line.split()
    wanted = words[: CPU_COLUMN + 1]
    if len(words) < LEAST_COLUMNS or not all(map(_HEX.fullmatch, wanted)):
        return None
    numbers = [int(word, 16) for word in wanted]
    cpu = numbers[CPU_COLUMN] if len(words) > CPU_COLUMN else position
    padded: list[int] = numbers + [0] * CPU_COLUMN if len(words) > CPU_COLUMN else numbers[: CPU_COLUMN - 1] + [0] * 4
    return cpu, *(padded[column] for column, _ in COLUMNS)


def parse_softnet(data: bytes, source: str) -> tuple[Table, int]:
    """The table, and how many lines were left out. Raises `Malformed` where no line can be read."""
    whole = parse_whole(data)
    if whole is not None:
        return whole, 0
    found: dict[int, tuple[int, ...]] = {}
    left_out = 0
    for position, line in enumerate(data.removesuffix(b"\n").split(b"\n")):
        numbers = parse_line(line, position)
        if numbers is None or numbers[0] in found or len(found) >= MAX_CPUS:
            left_out += 1
        else:
            found[numbers[0]] = numbers[1:]
    if not found:
        raise Malformed(source, data, f"a line of at least {LEAST_COLUMNS} hexadecimal numbers for each CPU")
    return (list(found), list(zip(*found.values(), strict=True))), left_out


class SoftnetCollector:
    """What each CPU did with packets that came in.

    *Source*: /proc/net/softnet_stat, softnet_seq_show() in net/core/net-procfs.c. *Units*: packets, events; the
    backlog in packets. *Absent when*: the file is not there. Offline CPUs have no line. *Cost*: one read.
    """

    name: ClassVar[str] = "softnet"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric for _, metric in COLUMNS)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("net/softnet_stat")
        self._last = b""
        self._cpus: list[int] = []
        self._labels: list[tuple[str]] = []
        self._columns: list[Sequence[int]] = []
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        if data != self._last or not self._families:
            (cpus, columns), self.left_out = parse_softnet(data, self._path)
            if cpus != self._cpus:
                self._cpus, self._labels, self._columns = cpus, [(str(cpu),) for cpu in cpus], []
            self._families = self._families_of(columns)
            self._last, self._columns = data, columns
        return self._families

    def _families_of(self, columns: list[Sequence[int]]) -> list[Family]:
        """The very families of the last time for columns that have not changed."""
        if not self._columns:
            return [self._family(metric, column) for (_, metric), column in zip(COLUMNS, columns, strict=True)]
        return [
            before if column == known else self._family(before.metric, column)
            for before, known, column in zip(self._families, self._columns, columns, strict=True)
        ]

    def _family(self, metric: Metric, column: Sequence[int]) -> Family:
        return Family(metric, list(zip(self._labels, column, strict=True)))


def build(host: Host, settings: Settings) -> SoftnetCollector:
    return SoftnetCollector(host)
