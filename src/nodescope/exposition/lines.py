"""What an encoder keeps of the page it wrote, so that the next scrape writes only the numbers that have changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, count
from operator import is_not, itemgetter, ne
from typing import Final

from nodescope.exposition.number import number
from nodescope.metric import Family, Metric, Row

COMMON: Final[dict[float, bytes]] = {value: f"{value}\n".encode() for value in range(64)}
"""Most numbers of a large page are small ones, which need not be kept once for each row."""


def spelled(value: float) -> bytes:
    """A number as it ends its line."""
    return COMMON.get(value) or f"{number(value)}\n".encode()


class Line:
    """One row as it was last written: what precedes the number, the number, and its spelling."""

    __slots__ = ("number", "prefix", "scrape", "value")

    def __init__(self, prefix: bytes, value: float | None = None, number: bytes = b"") -> None:
        self.prefix = prefix
        self.value = value
        self.number = number
        self.scrape = 0


class Lines:
    """What is kept of one family: its header and its rows, side by side what `Line` has of each.

    `gives_way`: another family has a name of its, so that it is not written.
    `whole`: all rows last seen were written, each once, under a header of their own; `seen` are those rows. `rows` has
    the lines by their labels where `labels` has not, or where not all were written. `headed`: the header is written.
    `moves`: a number has changed since the rows were first seen; `place`: where among the page's pieces the first
    number then stands, and every second from there on.
    """

    __slots__ = (
        "alone", "gives_way", "headed", "header", "labels", "metric", "moves", "numbers", "place", "prefixes", "rows",
        "seen", "values", "whole",
    )  # fmt: skip

    def __init__(self, metric: Metric, header: bytes) -> None:
        self.metric = metric
        self.header = header
        self.alone = True
        self.gives_way = False
        self.forget()

    def forget(self) -> None:
        """There are no rows any more."""
        self.rows: dict[tuple[str, ...], Line] = {}
        self.keep([], [], [], [])
        self.seen: object = None
        self.whole = self.headed = self.moves = False
        self.place = 0

    def keep(
        self, labels: list[tuple[str, ...]], values: list[float], prefixes: list[bytes], numbers: list[bytes]
    ) -> None:
        self.labels, self.values, self.prefixes, self.numbers = labels, values, prefixes, numbers

    @property
    def series(self) -> int:
        return len(self.labels)

    def again(self, rows: Sequence[Row], pieces: list[bytes]) -> bool:
        """Whether `rows` are those last seen, in their order, but for the numbers; if so, they are now.

        The numbers that have changed are put in their places among `pieces`, where this family has places.
        """
        if rows is self.seen:
            return True
        if len(rows) != len(self.labels):
            return False
        if len(rows) == 1:
            ((labels, value),) = rows
            if labels != self.labels[0]:
                return False
            values = [value]
        elif [row[0] for row in rows] == self.labels:
            values = [row[1] for row in rows]
        else:
            return False
        for at in compress(count(), map(ne, values, self.values)):
            self.numbers[at] = spelled(values[at])
            self.moves = True
            if self.place:
                pieces[self.place + 2 * at] = self.numbers[at]
        self.values, self.seen = values, rows
        return True

    def by_labels(self) -> dict[tuple[str, ...], Line]:
        """The lines by their labels, for who writes rows that may be others."""
        if self.labels:
            made = map(Line, self.prefixes, self.values, self.numbers)
            self.rows = dict(zip(self.labels, made, strict=True))
            self.keep([], [], [], [])
            self.seen = None
        return self.rows


class Page:
    """A page as it was written: `pieces`, of which every second is the number of a row of a family that moves.

    The next page is the same pieces but for the numbers, as long as the families are, most of them the very same.
    `order`: of each family in the page its index in `given`, and its lines. `end`: what closes the page.
    """

    def __init__(self, given: list[Family], order: Sequence[tuple[int, Lines]], end: bytes) -> None:
        self._given = given
        self._order = [kept for _, kept in order]
        self._lines = [kept for _, kept in sorted(order, key=itemgetter(0))]
        self._end = end
        self._lay_out()

    def renumber(self, given: list[Family]) -> bool:
        """Whether these are the families last seen, in their order, but for the numbers; if so, they are now."""
        if len(given) != len(self._given):
            return False
        unplaced = False
        pieces = self.pieces
        for index in compress(count(), map(is_not, given, self._given)):
            metric, rows = given[index]
            kept = self._lines[index]
            if (metric is not kept.metric and metric != kept.metric) or not kept.again(rows, pieces):
                return False
            unplaced = unplaced or (kept.moves and not kept.place)
        self._given = given
        if unplaced:
            self._lay_out()
        return True

    def _lay_out(self) -> None:
        """Makes the pieces: what does not move is one with what surrounds it."""
        pieces: list[bytes] = []
        fixed: list[bytes] = []
        for kept in self._order:
            if kept.headed:
                fixed.append(kept.header)
            kept.place = len(pieces) + 1 if kept.moves else 0
            for prefix, spelling in zip(kept.prefixes, kept.numbers, strict=True):
                fixed.append(prefix)
                if kept.moves:
                    pieces += (b"".join(fixed) if len(fixed) > 1 else prefix, spelling)
                    fixed = []
                else:
                    fixed.append(spelling)
        fixed.append(self._end)
        pieces.append(b"".join(fixed))
        self.pieces = pieces
