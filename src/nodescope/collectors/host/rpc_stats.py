"""Statistics of NFS and of the remote procedure calls below it, client's and server's.

Source: /proc/net/rpc/nfs and /proc/net/rpc/nfsd, nfsstat(8): lines of a word and numbers. A line proc2, proc3, proc4
or proc4ops says first how many procedures follow; a newer kernel knows more of them than an older one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric, Row

MAX_LINES: Final = 256


class Shown(NamedTuple):
    """A number of a line, the first being 0, as a series."""

    position: int
    metric: Metric
    labels: tuple[str, ...] = ()


class Line(NamedTuple):
    """What a line must hold and what is shown of it.

    `numbers`: how many there are, or how many of more are read (`more`). `procedures`: the first says how many follow,
    `numbers` at least. Those that are shown and beyond the end were never called on this kernel: they are 0, as all are
    where the line is not there.
    """

    numbers: int
    shown: tuple[Shown, ...]
    more: bool = False
    procedures: bool = False


def procedures(metric: Metric, proto: str, names: str) -> tuple[Shown, ...]:
    """`names`, with blanks between them, in the kernel's order from procedure 0; - is one that is not shown."""
    return tuple(
        Shown(position, metric, (proto, name)) for position, name in enumerate(names.split(), 1) if name != "-"
    )


def parse_line(words: list[bytes], line: Line) -> list[int] | None:
    """The numbers behind the first of `words`; None where they are not those of `line`."""
    raw = words[1 : 1 + line.numbers] if line.more else words[1:]
    numbers = uint64s(raw) if raw else []
    if line.procedures:
        return numbers if numbers and line.numbers <= numbers[0] == len(numbers) - 1 else None
    return numbers if len(numbers) == line.numbers else None


def parse_rpc(data: bytes, source: str, lines: Mapping[bytes, Line]) -> tuple[dict[bytes, list[int]], set[bytes], int]:
    """First word -> numbers, the first words that there are, and how many lines are left out.

    Raises `Malformed` where all are.
    """
    found: dict[bytes, list[int]] = {}
    there: set[bytes] = set()
    odd = 0
    for raw in data.split(b"\n", MAX_LINES)[:MAX_LINES]:
        words = raw.split()
        if not words:
            continue
        line = lines.get(words[0])
        numbers = parse_line(words, line) if line is not None and words[0] not in there else None
        if numbers is None:
            odd += 1
        else:
            found[words[0]] = numbers
        there.add(words[0])
    if not found:
        raise Malformed(source, data, f"lines of a word and numbers: {b', '.join(lines).decode()}")
    return found, there, odd


class RpcStats:
    """One of the two files as families, and what of it is kept: the rows of a line stay while its numbers stay."""

    def __init__(self, host: Host, path: str, lines: Mapping[bytes, Line]) -> None:
        self.left_out = 0
        self._host = host
        self._path = path
        self._lines = lines
        self._data: bytes | None = None
        self._families: list[Family] = []
        self._rows: dict[bytes, tuple[list[int], list[tuple[Metric, Row]]]] = {}

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, at_once=True, built_in=True)
        if data != self._data:
            self._families = self._parsed(data)
            self._data = data
        return self._families

    def _parsed(self, data: bytes) -> list[Family]:
        found, there, self.left_out = parse_rpc(data, self._path, self._lines)
        rows: dict[Metric, list[Row]] = {}
        for word, line in self._lines.items():
            numbers = found.get(word)
            if numbers is None:
                if word in there or not _is_of_calls(line):
                    continue
                numbers = []
            for metric, row in self._rows_of(word, line, numbers):
                rows.setdefault(metric, []).append(row)
        return [Family(metric, found) for metric, found in rows.items()]

    def _rows_of(self, word: bytes, line: Line, numbers: list[int]) -> list[tuple[Metric, Row]]:
        before = self._rows.get(word)
        if before is not None and before[0] == numbers:
            return before[1]
        length = len(numbers)
        rows: list[tuple[Metric, Row]] = [
            (shown.metric, (shown.labels, numbers[shown.position] if shown.position < length else 0))
            for shown in line.shown
        ]
        self._rows[word] = numbers, rows
        return rows


def _is_of_calls(line: Line) -> bool:
    """Whether a kernel without this line has no such calls, and so none were made."""
    return all(len(shown.labels) == 2 for shown in line.shown)
