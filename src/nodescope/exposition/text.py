"""Families -> Prometheus text format 0.0.4, with the finished part of each line kept between scrapes.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nodescope.exposition.lines import KEPT_ROWS, Line, Lines, Page
from nodescope.exposition.number import number
from nodescope.metric import SUFFIX, Family, Metric, Row

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_OWN_LABEL: Final = {"histogram": "le", "summary": "quantile"}


def escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escape_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class TextEncoder:
    """Renders families in the order of their names. One instance for each listener, used by one thread at a time.

    `constant_labels` are put on every series; where a series has a label of that name, the series' own wins.
    After each call `series` says how many series were written, `duplicates` which were dropped because the same
    series was there already, `mislabelled` which had not as many labels as their metric, and `truncated` how many were
    beyond `max_series`.
    """

    content_type = CONTENT_TYPE

    def __init__(self, constant_labels: Mapping[str, str] | None = None, max_series: int = sys.maxsize) -> None:
        self.constant_labels = dict(constant_labels or {})
        self.max_series = max_series
        self.series = 0
        self.truncated = 0
        self.duplicates: list[str] = []
        self.mislabelled: list[str] = []
        self._kept: dict[Metric, Lines] = {}
        self._metrics: list[Metric] = []
        self._order: list[tuple[int, Lines]] = []
        self._page: Page | None = None
        self._scrape = 0
        self._headed_last = (0, "")
        self._namesakes: tuple[int, str, set[str]] = (0, "", set())

    def encode(self, families: Iterable[Family]) -> str:
        given = list(families)
        self.truncated = 0
        self.duplicates, self.mislabelled = [], []
        if self._page is None or not self._page.renumber(given):
            self._page = None
            return self._whole(given)
        out: list[str] = []
        self._page.write(out)
        out.append(self.end)
        return "".join(out)

    def _whole(self, given: list[Family]) -> str:
        """The text of families any of which may be others than last time."""
        self._scrape += 1
        self.series = 0
        metrics = [metric for metric, _ in given]
        if metrics != self._metrics:
            self._plan(metrics)
        out: list[str] = []
        plain = True
        for index, kept in self._order:
            rows = given[index][1]
            if not rows:
                kept.forget()
            elif self.series + kept.series <= self.max_series and kept.again(rows):
                self.series += kept.series
                kept.write(out)
            else:
                out.append(self._family(rows, kept))
                plain = plain and kept.seen is rows
        if plain and not self.truncated:
            self._page = Page(given, self._order)
        out.append(self.end)
        return "".join(out)

    def _plan(self, metrics: list[Metric]) -> None:
        """The order of families, by name, and what is kept of each; what is not among them is forgotten."""
        order = sorted(range(len(metrics)), key=lambda index: metrics[index].name)
        before, self._kept = self._kept, {}
        self._order = []
        for index in order:
            metric = metrics[index]
            header = self.header(metric)
            kept = self._kept.get(metric) or before.get(metric)
            # Beside other families it may have another name in the format, which its lines begin with.
            if kept is None or kept.header != header:
                kept = Lines(metric, header)
            self._kept[metric] = kept
            self._order.append((index, kept))
        counts = Counter(metric.name for metric in metrics)
        for kept in self._kept.values():
            kept.alone = counts[kept.metric.name] == 1
            kept.by_labels()
            kept.seen, kept.only = None, None
        self._metrics = metrics

    end = ""

    def header(self, metric: Metric) -> str:
        return f"# HELP {metric.name} {escape_help(metric.help)}\n# TYPE {metric.name} {metric.type}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name

    def _family(self, rows: Sequence[Row], kept: Lines) -> str:
        """The text of a family with `rows`, with its header unless a family of its name has been written just now."""
        scrape, lines = self._scrape, kept.by_labels()
        texts: list[str] = []
        for labels, value in rows:
            line = lines.get(labels)
            if line is None:
                if len(labels) != len(kept.metric.label_names):
                    self.mislabelled.append(f"{kept.metric.name}{labels}")
                    continue
                line = lines[labels] = Line(labels, self._prefix(kept.metric, labels))
            elif line.scrape == scrape:
                self.duplicates.append(line.prefix.rstrip())
                continue
            line.scrape = scrape
            if line.value != value:
                line.value = value
                line.text = line.text[: line.end] + number(value) + "\n"
            texts.append(line.text)
        if len(lines) > len(texts):
            for labels in [labels for labels, line in lines.items() if line.scrape != scrape]:
                del lines[labels]
        if not kept.alone:
            texts = self._new_among_namesakes(texts, kept.metric.name)
        room = self.max_series - self.series
        self.truncated += max(0, len(texts) - room)
        written = texts[:room]
        self.series += len(written)
        text = self._headed("".join(written), kept)
        # A text that was cut, had duplicates or shares its header is made anew each time.
        whole = kept.alone and len(written) == len(rows)
        kept.seen, kept.text, kept.series = None, "", len(written) if whole else 0
        if whole:
            kept.seen, kept.text = rows, text if len(rows) <= KEPT_ROWS else ""
            kept.order, kept.rows = [lines[labels] for labels, _ in rows], {}
        kept.only = None
        if whole and len(rows) == 1:
            kept.only, kept.before = rows[0][0], kept.header + lines[rows[0][0]].prefix
        return text

    def _new_among_namesakes(self, texts: list[str], name: str) -> list[str]:
        """Those lines whose series no other family of the same name has had: with other help, or labels in order."""
        if self._namesakes[:2] != (self._scrape, name):
            self._namesakes = (self._scrape, name, set())
        seen = self._namesakes[2]
        found = []
        for text in texts:
            series = text.rpartition(" ")[0]
            if series in seen:
                self.duplicates.append(series)
            else:
                seen.add(series)
                found.append(text)
        return found

    def _headed(self, block: str, kept: Lines) -> str:
        if kept.alone:
            return kept.header + block
        if self._headed_last == (self._scrape, kept.metric.name):
            return block
        self._headed_last = (self._scrape, kept.metric.name)
        return kept.header + block

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
