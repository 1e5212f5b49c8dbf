"""The benchmark of the GPU collectors."""

from __future__ import annotations

from tools.bench_report import MB
from tools.gpu_bench import GpuCost, bars, section

COST = GpuCost("8 GPUs", 1000, 10.0, 5.0, 6.0, 12.0, 19 * MB, 11 * MB, 25 * MB)


def test_bars() -> None:
    """Agent and child count together; each figure has its own limit."""
    found = list(bars([COST]))
    assert [bar.measured for bar in found] == [15.0, 1.5, 6.0, 19.0, 36.0]
    assert all(bar.met for bar in found)
    assert [bar.met for bar in bars([COST._replace(child_rss=21 * MB, scrape_ms=8.5)])] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_section() -> None:
    """Each machine is a line of the table; without any there is no table."""
    assert "| 8 GPUs | 1000 | 10.00 | 5.00 | 6.00 | 12.00 | 19.0 | 11.0 | 25.0 |" in section([COST])
    assert section([]) == ""
