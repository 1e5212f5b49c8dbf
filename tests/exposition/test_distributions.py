from __future__ import annotations

from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.metric import SUFFIX, Family, Metric

HISTOGRAM = Family(
    Metric("latency_seconds", "histogram", "Of calls.", (SUFFIX, "op", "le")),
    [
        (("_bucket", "", "0.5"), 2), (("_bucket", "", "+Inf"), 5), (("_sum", "", ""), 1.5), (("_count", "", ""), 5),
    ],
)  # fmt: skip
SUMMARY = Family(
    Metric("rpc_seconds", "summary", "Of calls.", (SUFFIX, "le", "quantile")),
    [(("", "x", "0.9"), 5), (("_sum", "x", ""), 9), (("_count", "x", ""), 2)],
)
HISTOGRAM_LINES = [
    'latency_seconds_bucket{le="0.5",op=""} 2', 'latency_seconds_bucket{le="+Inf",op=""} 5',
    'latency_seconds_sum{op=""} 1.5', 'latency_seconds_count{op=""} 5',
]  # fmt: skip
SUMMARY_LINES = [
    'rpc_seconds{le="x",quantile="0.9"} 5', 'rpc_seconds_sum{le="x"} 9', 'rpc_seconds_count{le="x"} 2',
]  # fmt: skip


def test_parts_under_one_header() -> None:
    """Buckets, quantiles, sum and count have the family's name with their suffix, and one header; le and quantile stand
    only where they have a value."""
    for encoder in (TextEncoder(), OpenMetricsEncoder()):
        for _ in range(2):
            lines = encoder.encode([HISTOGRAM, SUMMARY]).decode().splitlines()
            assert lines[:2] == ["# HELP latency_seconds Of calls.", "# TYPE latency_seconds histogram"]
            assert lines[2:6] == HISTOGRAM_LINES
            assert lines[7] == "# TYPE rpc_seconds summary"
            assert lines[8:11] == SUMMARY_LINES
        assert encoder.duplicates == []


def test_constant_labels() -> None:
    """Constant labels are on every part."""
    lines = TextEncoder({"node": "a"}).encode([SUMMARY]).decode().splitlines()
    assert lines[2:] == [line.replace('le="x"', 'le="x",node="a"') for line in SUMMARY_LINES]


def test_changed_values() -> None:
    """A part that changes is written anew, and so is a family of one part."""
    encoder = TextEncoder()
    for count in (1, 2):
        alone = Family(SUMMARY.metric, [(("_count", "x", ""), count)])
        assert encoder.encode([alone]).decode().splitlines()[-1] == f'rpc_seconds_count{{le="x"}} {count}'
