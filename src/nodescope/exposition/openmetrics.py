"""Families -> OpenMetrics 1.0 text.

Source: https://prometheus.io/docs/specs/om/open_metrics_spec/ (1.0.0): a counter's family has no `_total`, its
samples have; `untyped` is `unknown`; HELP escapes quotes; the text ends with `# EOF`. The name of a family, with and
without the endings that its type may have, is no other family's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Final

from nodescope.exposition.text import TextEncoder, escape_label
from nodescope.metric import Metric

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TOTAL: Final = "_total"
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": (_TOTAL, "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "summary": ("_count", "_sum", "_created"),
}


class OpenMetricsEncoder(TextEncoder):
    """As `TextEncoder`, in OpenMetrics. A counter whose name in this format is taken is `unknown`, under its own."""

    content_type = CONTENT_TYPE
    endings = _ENDINGS
    end = b"# EOF\n"

    def __init__(self, constant_labels: Mapping[str, str] | None = None, max_series: int = sys.maxsize) -> None:
        super().__init__(constant_labels, max_series)
        self._clashing: frozenset[str] = frozenset()

    def header(self, metric: Metric) -> str:
        name = metric.name.removesuffix(_TOTAL) if self._is_counter(metric) else metric.name
        kind = "unknown" if metric.type in ("untyped", "counter") and not self._is_counter(metric) else metric.type
        return f"# HELP {name} {escape_label(metric.help)}\n# TYPE {name} {kind}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name.removesuffix(_TOTAL) + _TOTAL if self._is_counter(metric) else metric.name

    def _plan(self, metrics: list[Metric]) -> None:
        self._clashing = clashing(metrics)
        super()._plan(metrics)

    def _is_counter(self, metric: Metric) -> bool:
        return _can_be_counter(metric) and metric.name not in self._clashing


def clashing(metrics: Iterable[Metric]) -> frozenset[str]:
    """The names of counters that, as counters, would take a name that another of `metrics` takes.

    Under its own name a counter takes no name that it would not take as a counter: none begins to clash by it. Where
    its own name is that of a histogram's or summary's samples, it stays a counter, whose samples have another.
    """
    taken_by: dict[str, set[tuple[str, bool]]] = {}
    counters: list[Metric] = []
    for metric in metrics:
        if can_be_counter := _can_be_counter(metric):
            counters.append(metric)
        for name in _taken(metric):
            taken_by.setdefault(name, set()).add((metric.name, can_be_counter))
    return frozenset(
        metric.name
        for metric in counters
        if any(len(taken_by[name]) > 1 for name in _taken(metric))
        and all(owner == metric.name or can_be_counter for owner, can_be_counter in taken_by[metric.name])
    )


def _taken(metric: Metric) -> list[str]:
    """The names that a family takes: its own, and those that its samples may have."""
    if metric.type != "counter":
        return [metric.name, *(metric.name + ending for ending in _ENDINGS.get(metric.type, ()))]
    if not _can_be_counter(metric):
        return [metric.name]
    name = metric.name.removesuffix(_TOTAL)
    return [name, *(name + ending for ending in _ENDINGS["counter"])]


def _can_be_counter(metric: Metric) -> bool:
    """Whether it can be one here: a counter whose name may not be added to is of an unknown type."""
    return metric.type == "counter" and (not metric.keeps_name or metric.name.endswith(_TOTAL))
