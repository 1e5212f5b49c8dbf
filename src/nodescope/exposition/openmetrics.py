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
        name = metric.name.removesuffix(_TOTAL) if _is_counter(metric) else metric.name
        kind = "unknown" if metric.type in ("untyped", "counter") and not _is_counter(metric) else metric.type
        return f"# HELP {name} {escape_label(metric.help)}\n# TYPE {name} {kind}\n"

    def sample_name(self, metric: Metric) -> str:
        return metric.name.removesuffix(_TOTAL) + _TOTAL if _is_counter(metric) else metric.name


def _is_counter(metric: Metric) -> bool:
    """Whether it can be one here: a counter whose name may not be added to is of an unknown type."""
    return metric.type == "counter" and (not metric.keeps_name or metric.name.endswith(_TOTAL))
