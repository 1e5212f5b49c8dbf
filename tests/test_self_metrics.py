"""What nodescope says of itself."""

from __future__ import annotations

import os

from nodescope import self_metrics
from nodescope.metric import Family
from nodescope.runner import Outcome

OUTCOMES = [
    Outcome("cpu", "ok", (), 0.5, "", 3),
    Outcome("os", "absent", (), 0.1, "gone"),
    Outcome("stat", "hung", (), 2.0, "stuck"),
]


def rows(family: Family) -> dict[str, float]:
    return {labels[0]: value for labels, value in family.rows}


def test_a_process_name_may_hold_brackets_and_spaces() -> None:
    """Fields are counted from the last bracket."""
    fields = b"S 1 1 1 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 6 0 12345 1048576 100 18446744073709551615"
    stat = self_metrics.parse_process_stat(b"42 (a) b (c) " + fields)
    page = os.sysconf("SC_PAGE_SIZE")
    assert stat == (300 / os.sysconf("SC_CLK_TCK"), 6, 12345, 1_048_576, 100 * page)


def test_this_process_can_be_read() -> None:
    """The kernel's own line for this process gives sensible numbers."""
    with open("/proc/self/stat", "rb") as file:
        stat = self_metrics.parse_process_stat(file.read())
    assert stat.threads >= 1
    assert 1_000_000 < stat.resident_bytes < stat.virtual_bytes


def test_a_start_is_told_anew_where_the_clock_was_set() -> None:
    """What NTP slews moves no start; a clock that was of 1970 at the first scrape is not believed for ever."""
    ticks = 100 * os.sysconf("SC_CLK_TCK")
    told = self_metrics.start_time_seconds(ticks, 60.0)
    assert told == 160.0
    assert self_metrics.start_time_seconds(ticks, 60.9, told) == told
    assert self_metrics.start_time_seconds(ticks, 1.79e9, told) == 1.79e9 + 100


def test_node_exporter_calls_no_data_no_success() -> None:
    """Under node_exporter's names only a collector with data succeeded."""
    success, duration = self_metrics.node_scrape(OUTCOMES)
    assert rows(success) == {"cpu": 1, "os": 0, "stat": 0}
    assert rows(duration) == {"cpu": 0.5, "os": 0.1, "stat": 2.0}


def test_some_collectors_succeed_without_hardware_under_node_exporters_names() -> None:
    """Without XFS the collector xfs succeeds there, without NVMe nvme does not."""
    absent = [Outcome(name, "absent", (), 0.1, "gone") for name in ("xfs", "nvme")]
    assert rows(self_metrics.node_scrape(absent)[0]) == {"xfs": 1, "nvme": 0}


def test_absent_hardware_is_no_failure_under_our_names() -> None:
    """Absent succeeds, hung does not and is marked."""
    families = {f.metric.name: rows(f) for f in self_metrics.collectors(OUTCOMES, {"cpu": 5.0}, {"filesystem": 1.5})}
    assert families["nodescope_collector_success"] == {"cpu": 1, "os": 1, "stat": 0}
    assert families["nodescope_collector_hung"] == {"cpu": 0, "os": 0, "stat": 1}
    assert families["nodescope_collector_last_run_timestamp_seconds"] == {"cpu": 5.0}
    assert families["nodescope_collector_age_seconds"] == {"filesystem": 1.5}
    assert families["nodescope_collector_series"] == {"cpu": 0, "os": 0, "stat": 0}
    assert families["nodescope_collector_left_out"] == {"cpu": 3}


def test_every_metric_is_in_the_table_once() -> None:
    """The catalogue of self metrics has no name twice."""
    names = [metric.name for metric in self_metrics.SELF_METRICS]
    assert len(set(names)) == len(names)
