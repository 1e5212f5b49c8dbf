"""What an encoder keeps of the lines it wrote, so that the next scrape writes only those whose number has changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, count
from operator import is_not, itemgetter
from typing import Final

from nodescope.exposition.number import number
from nodescope.metric import Family, Metric, Row

KEPT_ROWS: Final = 128
"""Of a family with more rows the text is not kept beside that of its lines: they are joined with all others."""


class Line:
    """One row as it was last written: `text`, of which the first `end` characters stay when the value changes."""

    __slots__ = ("end", "labels", "scrape", "text", "value")

    def __init__(self, labels: tuple[str, ...], prefix: str) -> None:
        self.labels = labels
        self.text = prefix
        self.end = len(prefix)
        self.value: float | None = None
        self.scrape = 0

    @property
    def prefix(self) -> str:
        return self.text[: self.end]


class Lines:
    """What is kept of one family: its header, the line of each row, and the text of the rows last seen.

    `only`: the labels of its row where it has one alone, and then `before` is all that precedes the number. `order`:
    the lines of the rows last seen, each once, where all were written; `rows` has them by their labels otherwise.
    """

    __slots__ = ("alone", "before", "header", "metric", "only", "order", "rows", "seen", "series", "text")

    def __init__(self, metric: Metric, header: str) -> None:
        self.metric = metric
        self.header = header
        self.rows: dict[tuple[str, ...], Line] = {}
        self.order: list[Line] = []
        self.alone = True
        self.seen: object = None
        self.series = 0
        self.text = ""
        self.only: tuple[str, ...] | None = None
        self.before = ""

    def renumber(self, rows: Sequence[Row]) -> bool:
        """Whether `rows` are those last seen, in their order, but for the numbers; if so, they are now."""
        if len(rows) != len(self.order):
            return False
        for (labels, value), line in zip(rows, self.order, strict=True):
            if labels is not line.labels and labels != line.labels:
                return False
            if line.value != value:
                line.value = value
                line.text = line.text[: line.end] + number(value) + "\n"
        few = len(rows) <= KEPT_ROWS
        self.seen, self.text = rows, self.header + "".join([line.text for line in self.order]) if few else ""
        return True

    def again(self, rows: Sequence[Row]) -> bool:
        """As `renumber`, and first for what is likeliest: the same rows, still none, one row with another number."""
        if rows == self.seen or (not rows and not self.series):
            return True
        if self.only is None or len(rows) != 1:
            return bool(rows and self.series) and self.renumber(rows)
        labels, value = rows[0]
        if labels != self.only:
            return False
        self.seen, self.text = rows, self.before + number(value) + "\n"
        return True

    def forget(self) -> None:
        """There are no rows any more."""
        self.rows, self.order, self.seen, self.only, self.series, self.text = {}, [], None, None, 0, ""

    def write(self, out: list[str]) -> None:
        """Adds the text of the rows last seen."""
        if self.text:
            out.append(self.text)
        else:
            out.append(self.header)
            out += [line.text for line in self.order]

    def by_labels(self) -> dict[tuple[str, ...], Line]:
        """The lines by their labels, for who writes rows that may be others."""
        if self.order:
            self.rows, self.order, self.seen = {line.labels: line for line in self.order}, [], None
        return self.rows


class Page:
    """A page that was written whole, each series once: for the next, most of whose families are the very same.

    `order`: of each family in the page its index in `given`, and its lines.
    """

    def __init__(self, given: list[Family], order: Sequence[tuple[int, Lines]]) -> None:
        self._given = given
        self._lines = [kept for _, kept in sorted(order, key=itemgetter(0))]
        self._place = [0] * len(given)
        for place, (index, _) in enumerate(order):
            self._place[index] = place
        self._texts = [kept.text for _, kept in order]
        self._long = [(place, kept) for place, (_, kept) in enumerate(order) if kept.series and not kept.text]

    def renumber(self, given: list[Family]) -> bool:
        """Whether these are the families last seen, in their order, but for the numbers; if so, they are now."""
        if len(given) != len(self._given):
            return False
        for index in compress(count(), map(is_not, given, self._given)):
            metric, rows = given[index]
            kept = self._lines[index]
            if (metric is not kept.metric and metric != kept.metric) or not kept.again(rows):
                return False
            self._texts[self._place[index]] = kept.text
        self._given = given
        return True

    def write(self, out: list[str]) -> None:
        start = 0
        for place, kept in self._long:
            out += self._texts[start:place]
            kept.write(out)
            start = place + 1
        out += self._texts[start:]
