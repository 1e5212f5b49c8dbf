"""tools.bench and its report, without measuring anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import bench, bench_report
from tools.bench_report import Cost, Footprint, Machine, Result
from tools.process_cost import Cpu, Memory

MB = bench_report.MB


def result(own_cpu_s: float, own_rss_mb: float) -> Result:
    """A machine scraped 10 times; the rival took 1 s of CPU."""
    machine = Machine("this machine", "as it is", (), 30.0)
    costs = [
        Cost("back to back", False, name, 10, Cpu(used, used), [0.001 * n for n in range(1, 11)], 1000)
        for name, used in (("nodescope", own_cpu_s), ("node_exporter", 1.0))
    ]
    footprints = [
        Footprint(name, 400, Memory(int(rss * MB), int(rss * MB), 5, 20), (3 * MB, MB), "", [0.1, 0.2, 0.3])
        for name, rss in (("nodescope", own_rss_mb), ("node_exporter", 20.0))
    ]
    return Result(machine, costs, footprints)


def test_turns_alternate() -> None:
    """With an interval each scrape changes sides; back to back it is burst by burst, the same number for each."""
    assert bench.turns(bench.Mode("", 1.0, False, 2), 2) == [0, 1, 0, 1]
    bursts = bench.turns(bench.Mode("", 0.0, False, 12), 2)
    assert bursts[:6] == [0, 0, 1, 1, 0, 0]
    assert bursts.count(0) == bursts.count(1) == 12


def test_percentile_is_the_nearest_rank() -> None:
    """Of ten values the median is the fifth and the 99th percentile the last."""
    values = [float(n) for n in range(1, 11)]
    assert (bench_report.percentile(values, 50), bench_report.percentile(values, 99)) == (5.0, 10.0)


def test_bars() -> None:
    """A ratio and a size under their limits are met, over them missed."""
    assert all(bar.met for bar in bench_report.bars([result(0.3, 29.0)]))
    missed = [bar.limit for bar in bench_report.bars([result(0.4, 31.0)]) if not bar.met]
    assert missed == [bench_report.CPU_BAR, 30.0]


def test_report_is_written_between_the_markers(tmp_path: Path) -> None:
    """A new page gets a title; in an old one only what is between the markers changes; without them it is refused."""
    page = tmp_path / "docs/benchmarks.md"
    measured = result(0.3, 29.0)
    report = bench_report.text(["Date: today."], [bench_report.section(measured)], bench_report.bars([measured]))
    assert "| back to back | no | nodescope | 10 | 30.00 |" in report
    bench_report.write(page, report)
    text = page.read_text()
    edited = text.replace("# Benchmarks", "# Our own words") + "\nEnd.\n"
    page.write_text(edited.replace("Date: today.", "Date: long ago."))
    bench_report.write(page, report)
    assert page.read_text() == edited
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="markers"):
        bench_report.write(page, report)
