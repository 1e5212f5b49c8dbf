"""Families -> OpenMetrics 1.0 text.

Source: https://prometheus.io/docs/specs/om/open_metrics_spec/ (1.0.0): a counter's family has no `_total`, its
samples have; `untyped` is `unknown`; HELP escapes quotes; the text ends with `# EOF`.
"""

from __future__ import annotations

from typing import Final

from nodescope.exposition.text import TextEncoder, escape_label
from nodescope.metric import Metric

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TOTAL: Final = "_total"


class OpenMetricsEncoder(TextEncoder):
    """As `TextEncoder`, in OpenMetrics."""

    content_type = CONTENT_TYPE
    end = "# EOF\n"

    def header(self, metric: Metric) -> str:
        name = metric.name.removesuffix(_TOTAL) if metric.type == "counter" else metric.name
        kind = "unknown" if metric.type == "untyped" else metric.type
        return f"# HELP {name} {escape_label(metric.help)}\n# TYPE {name} {kind}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name.removesuffix(_TOTAL) + _TOTAL if metric.type == "counter" else metric.name
