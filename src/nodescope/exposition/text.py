"""Families -> Prometheus text format 0.0.4, with the finished part of each line kept between scrapes.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nodescope.exposition.number import number
from nodescope.metric import Family, Metric, Row

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escape_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class _Line:
    """One row as it was last written."""

    __slots__ = ("prefix", "scrape", "text", "value")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.value: float | None = None
        self.text = ""
        self.scrape = 0


class _Lines:
    """What is kept of one family: its header, the line of each row, and the whole text of the rows last seen."""

    __slots__ = ("block", "header", "rows", "seen")

    def __init__(self, header: str) -> None:
        self.header = header
        self.rows: dict[tuple[str, ...], _Line] = {}
        self.seen: object = None
        self.block = ""


class TextEncoder:
    """Renders families in the order of their names. One instance for each listener, used by one thread at a time.

    `constant_labels` are put on every series; where a series has a label of that name, the series' own wins.
    After each call `series` says how many series were written, `duplicates` which were dropped because the same
    series was there already, and `truncated` how many were beyond `max_series`.
    """

    content_type = CONTENT_TYPE

    def __init__(self, constant_labels: Mapping[str, str] | None = None, max_series: int = sys.maxsize) -> None:
        self.constant_labels = dict(constant_labels or {})
        self.max_series = max_series
        self.series = 0
        self.truncated = 0
        self.duplicates: list[str] = []
        self._kept: dict[Metric, _Lines] = {}
        self._scrape = 0
        self._names: list[str] = []
        self._order: list[int] = []
        self._repeated: set[str] = set()

    def encode(self, families: Iterable[Family]) -> str:
        self._scrape += 1
        self.series = self.truncated = 0
        self.duplicates = []
        out: list[str] = []
        previous = ""
        ordered = self._ordered(list(families))
        for metric, rows in ordered:
            if not rows:
                continue
            kept = self._kept.get(metric)
            if kept is None:
                kept = self._kept[metric] = _Lines(self.header(metric))
            if metric.name != previous:
                out.append(kept.header)
                previous = metric.name
                # The rows of the scrape before: so is their text.
                alone = metric.name not in self._repeated
                if rows == kept.seen and alone and self.series + len(rows) <= self.max_series:
                    self.series += len(rows)
                    out.append(kept.block)
                    continue
            self._append_rows(out, metric, rows, kept)
        if len(self._kept) > len(ordered):
            self._forget({family.metric for family in ordered})
        out.append(self.end)
        return "".join(out)

    def _ordered(self, families: list[Family]) -> list[Family]:
        names = [metric.name for metric, _ in families]
        if names != self._names:
            self._names = names
            self._order = sorted(range(len(names)), key=names.__getitem__)
            self._repeated = {name for name, count in Counter(names).items() if count > 1}
        return [families[index] for index in self._order]

    end = ""

    def header(self, metric: Metric) -> str:
        return f"# HELP {metric.name} {escape_help(metric.help)}\n# TYPE {metric.name} {metric.type}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name

    def _append_rows(self, out: list[str], metric: Metric, rows: Sequence[Row], kept: _Lines) -> None:
        scrape, lines = self._scrape, kept.rows
        texts: list[str] = []
        for labels, value in rows:
            line = lines.get(labels)
            if line is None:
                line = lines[labels] = _Line(self._prefix(metric, labels))
            elif line.scrape == scrape:
                self.duplicates.append(line.prefix.rstrip())
                continue
            line.scrape = scrape
            if line.value != value:
                line.value = value
                line.text = line.prefix + number(value) + "\n"
            texts.append(line.text)
        self._end_family(out, rows, texts, kept)

    def _end_family(self, out: list[str], rows: Sequence[Row], texts: list[str], kept: _Lines) -> None:
        if len(kept.rows) > len(texts):
            for labels in [labels for labels, line in kept.rows.items() if line.scrape != self._scrape]:
                del kept.rows[labels]
        room = self.max_series - self.series
        whole = len(texts) == len(rows) <= room
        self.truncated += max(0, len(texts) - room)
        self.series += min(len(texts), room)
        block = "".join(texts[:room])
        out.append(block)
        # A text that was cut or had duplicates is made anew each time.
        kept.seen, kept.block = (rows, block) if whole else (None, "")

    def _prefix(self, metric: Metric, labels: tuple[str, ...]) -> str:
        pairs = {**self.constant_labels, **dict(zip(metric.label_names, labels, strict=True))}
        inside = ",".join(f'{name}="{escape_label(pairs[name])}"' for name in sorted(pairs))
        return f"{self.sample_name(metric)}{{{inside}}} " if inside else f"{self.sample_name(metric)} "

    def _forget(self, seen: set[Metric]) -> None:
        for metric in [metric for metric in self._kept if metric not in seen]:
            del self._kept[metric]
