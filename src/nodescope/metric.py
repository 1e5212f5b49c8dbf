"""Metrics and families: what a collector returns and what an exposition renders.

Source: the Prometheus data model and the text format 0.0.4 (types, names, labels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

MetricType = Literal["counter", "gauge", "untyped", "histogram", "summary"]

Row = tuple[tuple[str, ...], float]
"""Label values, in the order of the metric's label names, and the number."""

SUFFIX: Final = ""
"""The label name, only of a histogram or summary, whose value is not a label but what follows the family's name:
`_bucket`, `_sum`, `_count`, or nothing for a quantile. A row of such a metric has no label where the value is empty for
`le` (of a histogram) and `quantile` (of a summary)."""


class Metric(NamedTuple):
    """What a family is: its name, type, help and label names (one row of the metric catalogue).

    `keeps_name`: it is another exporter's, and is written as it is where a format would add to it (OpenMetrics adds
    `_total` to a counter).
    Label names are in the order in which the collector gives their values; an exposition sorts them.
    """

    name: str
    type: MetricType
    help: str
    label_names: tuple[str, ...] = ()
    keeps_name: bool = False


class Family(NamedTuple):
    """A metric and its rows at one moment. Unknown values have no row. Rows are never changed once given."""

    metric: Metric
    rows: Sequence[Row]


def single(metric: Metric, number: float) -> Family:
    """The family of a metric without labels."""
    return Family(metric, (((), number),))
