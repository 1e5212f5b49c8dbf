"""Families -> Prometheus text format 0.0.4, with the finished part of each line kept between scrapes.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nodescope.exposition.lines import Line, Lines, Page, spelled
from nodescope.metric import SUFFIX, Family, Metric, Row

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_OWN_LABEL: Final = {"histogram": "le", "summary": "quantile"}
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}


def escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escape_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class TextEncoder:
    """Renders families in the order of their names. One instance for each listener, used by one thread at a time.

    `constant_labels` are put on every series; where a series has a label of that name, the series' own wins.
    After each call `series` says how many series were written, `duplicates` which were dropped because the same
    series was there already, `mislabelled` which had not as many labels as their metric, `misnamed` how many were of a
    histogram or summary one of whose names another family has, and `truncated` how many were beyond `max_series`.
    """

    content_type = CONTENT_TYPE
    endings: Mapping[str, tuple[str, ...]] = _ENDINGS
    """What the names of samples may end in, by type: with these a family's name is taken too."""

    def __init__(self, constant_labels: Mapping[str, str] | None = None, max_series: int = sys.maxsize) -> None:
        self.constant_labels = dict(constant_labels or {})
        self.max_series = max_series
        self.series = 0
        self.truncated = self.misnamed = 0
        self.duplicates: list[str] = []
        self.mislabelled: list[str] = []
        self._kept: dict[tuple[Metric, int], Lines] = {}
        self._metrics: list[Metric] = []
        self._order: list[tuple[int, Lines]] = []
        self._page: Page | None = None
        self._scrape = 0
        self._headed_last = (0, "")
        self._namesakes: tuple[int, str, set[bytes]] = (0, "", set())

    def encode(self, families: Iterable[Family]) -> bytes:
        """The text, in UTF-8."""
        given = list(families)
        self.truncated = self.misnamed = 0
        self.duplicates, self.mislabelled = [], []
        page = self._page
        if page is None or not page.renumber(given):
            page = self._whole(given)
        return b"".join(page.pieces)

    def _whole(self, given: list[Family]) -> Page:
        """The page of families any of which may be others than last time."""
        self._page = None
        self._scrape += 1
        self.series = 0
        metrics = [metric for metric, _ in given]
        if metrics != self._metrics:
            self._plan(metrics)
        plain = True
        for index, kept in self._order:
            rows = given[index][1]
            kept.place = 0
            if not rows:
                kept.forget()
            elif kept.gives_way:
                kept.forget()
                self.misnamed += len(rows)
            elif self.series + kept.series <= self.max_series and kept.again(rows, []):
                self.series += kept.series
            else:
                self._family(rows, kept)
                plain = plain and kept.whole
        page = Page(given, self._order, self.end)
        if plain and not self.truncated and not self.misnamed:
            self._page = page
        return page

    def _plan(self, metrics: list[Metric]) -> None:
        """The order of families, by name, and what is kept of each; what is not among them is forgotten."""
        order = sorted(range(len(metrics)), key=lambda index: metrics[index].name)
        before, self._kept = self._kept, {}
        self._order = []
        times: Counter[Metric] = Counter()
        for index in order:
            metric = metrics[index]
            header = self.header(metric).encode("utf-8", "replace")
            # One that is given twice is kept twice: the second has the rows that the first has not.
            key = (metric, times[metric])
            times[metric] += 1
            kept = before.get(key)
            # Beside other families it may have another name in the format, which its lines begin with.
            if kept is None or kept.header != header:
                kept = Lines(metric, header)
            self._kept[key] = kept
            self._order.append((index, kept))
        others = {metric.name for metric in metrics if metric.type not in _ENDINGS}
        for kept in self._kept.values():
            kept.gives_way = kept.metric.type in _ENDINGS and not others.isdisjoint(self._taken(kept.metric))
            kept.by_labels()
        counts = Counter(kept.metric.name for kept in self._kept.values() if not kept.gives_way)
        for kept in self._kept.values():
            kept.alone = counts[kept.metric.name] == 1
        self._metrics = metrics

    end = b""

    def _taken(self, metric: Metric) -> list[str]:
        """The names that a family takes: its own, and those that its samples may have."""
        return [metric.name, *(metric.name + ending for ending in self.endings.get(metric.type, ()))]

    def header(self, metric: Metric) -> str:
        return f"# HELP {metric.name} {escape_help(metric.help)}\n# TYPE {metric.name} {metric.type}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name

    def _family(self, rows: Sequence[Row], kept: Lines) -> None:
        """Sees to what is kept of a family with `rows`: those that are written, and its header, unless a family of its
        name has been written just now."""
        scrape, lines = self._scrape, kept.by_labels()
        written: list[Line] = []
        for labels, value in rows:
            line = lines.get(labels)
            if line is None:
                if len(labels) != len(kept.metric.label_names):
                    self.mislabelled.append(f"{kept.metric.name}{labels}")
                    continue
                line = lines[labels] = Line(self._prefix(kept.metric, labels).encode("utf-8", "replace"))
            elif line.scrape == scrape:
                self.duplicates.append(_series(line))
                continue
            line.scrape = scrape
            if line.value != value:
                line.value = value
                line.number = spelled(value)
            written.append(line)
        if len(lines) > len(written):
            for labels in [labels for labels, line in lines.items() if line.scrape != scrape]:
                del lines[labels]
        if not kept.alone:
            written = self._new_among_namesakes(written, kept.metric.name)
        room = self.max_series - self.series
        self.truncated += max(0, len(written) - room)
        del written[room:]
        self.series += len(written)
        kept.headed = self._is_first(kept)
        kept.moves = False
        # Of what was cut, had duplicates or shares its header each page is made anew.
        kept.whole = kept.alone and len(written) == len(rows)
        prefixes, numbers = [line.prefix for line in written], [line.number for line in written]
        if kept.whole:
            kept.rows, kept.seen = {}, rows
            kept.keep([row[0] for row in rows], [row[1] for row in rows], prefixes, numbers)
        else:
            kept.seen = None
            kept.keep([], [], prefixes, numbers)

    def _new_among_namesakes(self, lines: list[Line], name: str) -> list[Line]:
        """Those lines whose series no other family of the same name has had: with other help, or labels in order."""
        if self._namesakes[:2] != (self._scrape, name):
            self._namesakes = (self._scrape, name, set())
        seen = self._namesakes[2]
        found = []
        for line in lines:
            if line.prefix in seen:
                self.duplicates.append(_series(line))
            else:
                seen.add(line.prefix)
                found.append(line)
        return found

    def _is_first(self, kept: Lines) -> bool:
        """Whether a family is the first of its name on the page, which is the one with a header."""
        if kept.alone:
            return True
        first = self._headed_last != (self._scrape, kept.metric.name)
        self._headed_last = (self._scrape, kept.metric.name)
        return first

    def _prefix(self, metric: Metric, labels: tuple[str, ...]) -> str:
        pairs = {**self.constant_labels, **dict(zip(metric.label_names, labels, strict=True))}
        name = self.sample_name(metric)
        if SUFFIX in pairs:
            name += pairs.pop(SUFFIX)
            own = _OWN_LABEL.get(metric.type, "")
            if not pairs.get(own):
                pairs.pop(own, None)
        inside = ",".join(f'{label}="{escape_label(pairs[label])}"' for label in sorted(pairs))
        return f"{name}{{{inside}}} " if inside else f"{name} "


def _series(line: Line) -> str:
    return line.prefix.decode().rstrip()
