"""What nodescope says of itself: its collectors, its process, its scrapes.

Source: proc_pid_stat(5) for the process; the names process_*, promhttp_* and node_scrape_* are those that Prometheus'
Go client and node_exporter use, so existing dashboards find them.
"""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope import __version__
from nodescope.metric import Family, Metric, single
from nodescope.runner import Outcome

_COLLECTOR: Final = ("collector",)

NODE_SUCCESS: Final = Metric(
    "node_scrape_collector_success", "gauge", "node_exporter: Whether a collector succeeded.", _COLLECTOR
)
NODE_DURATION: Final = Metric(
    "node_scrape_collector_duration_seconds", "gauge", "node_exporter: Duration of a collector scrape.", _COLLECTOR
)
SUCCESS: Final = Metric(
    "nodescope_collector_success",
    "gauge",
    "Whether the collector's last run succeeded; hardware that is not there is no failure.",
    _COLLECTOR,
)
HUNG: Final = Metric(
    "nodescope_collector_hung", "gauge", "Whether the collector is held up by a read that has not returned.", _COLLECTOR
)
DURATION: Final = Metric(
    "nodescope_collector_duration_seconds", "gauge", "Duration of the collector's last run.", _COLLECTOR
)
LAST_RUN: Final = Metric(
    "nodescope_collector_last_run_timestamp_seconds",
    "gauge",
    "When the collector's last run ended, Unix time.",
    _COLLECTOR,
)
AGE: Final = Metric(
    "nodescope_collector_age_seconds",
    "gauge",
    "Age of the snapshot that the collector shows; only collectors with a sampler have one.",
    _COLLECTOR,
)
SERIES: Final = Metric(
    "nodescope_collector_series", "gauge", "Series that the collector gave in its last run.", _COLLECTOR
)
LEFT_OUT: Final = Metric(
    "nodescope_collector_left_out",
    "gauge",
    "Lines, files and devices that the collector's last run could not use, for they were not as documented.",
    _COLLECTOR,
)
DROPPED: Final = Metric(
    "nodescope_series_dropped_total",
    "counter",
    "Series left out of answers: given twice, with other labels than their metric, of a histogram or summary with names"
    " that another family has, or beyond scrape.max-series.",
    ("reason",),
)
CONNECTIONS: Final = Metric("nodescope_http_connections_total", "counter", "Connections accepted.")
CLOSED: Final = Metric(
    "nodescope_http_connections_closed_total",
    "counter",
    "Connections that have ended, by reason.",
    ("reason",),
)
ANSWERS: Final = Metric(
    "nodescope_http_responses_total", "counter", "Answers to requests, by HTTP status code.", ("code",)
)
EVENTS: Final = Metric("nodescope_events_total", "counter", "Events published on the bus.")
EVENTS_DROPPED: Final = Metric(
    "nodescope_events_dropped_total", "counter", "Events pushed out of the ring in memory by newer ones."
)
BUILD_INFO: Final = Metric(
    "nodescope_build_info",
    "gauge",
    "Version of nodescope and of the Python it runs on.",
    ("version", "python_version", "role"),
)
CPU: Final = Metric("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.")
MAX_FDS: Final = Metric("process_max_fds", "gauge", "Maximum number of open file descriptors.")
OPEN_FDS: Final = Metric("process_open_fds", "gauge", "Number of open file descriptors.")
RESIDENT: Final = Metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
START: Final = Metric("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
VIRTUAL: Final = Metric("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.")
THREADS: Final = Metric("nodescope_threads", "gauge", "Threads of this process.")
KEPT: Final = Metric("nodescope_kept_descriptors", "gauge", "Kernel files that are kept open between scrapes.")
REQUESTS: Final = Metric(
    "promhttp_metric_handler_requests_total", "counter", "Total number of scrapes by HTTP status code.", ("code",)
)
IN_FLIGHT: Final = Metric(
    "promhttp_metric_handler_requests_in_flight", "gauge", "Current number of scrapes being served."
)

SELF_METRICS: Final[tuple[Metric, ...]] = (
    NODE_SUCCESS,
    NODE_DURATION,
    SUCCESS,
    HUNG,
    DURATION,
    LAST_RUN,
    AGE,
    SERIES,
    LEFT_OUT,
    DROPPED,
    CONNECTIONS,
    CLOSED,
    ANSWERS,
    EVENTS,
    EVENTS_DROPPED,
    BUILD_INFO,
    CPU,
    MAX_FDS,
    OPEN_FDS,
    RESIDENT,
    START,
    VIRTUAL,
    THREADS,
    KEPT,
    REQUESTS,
    IN_FLIGHT,
)

CLOCK_STEP_S: Final = 1.0
"""A change of Unix time beside that since the boot from which on the clock was set: a node may learn the time late."""

MAX_KEPT: Final = 4
"""Listeners' collectors whose success is a family that need not be made again."""

_CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PYTHON: Final = platform.python_version()


class ProcessStat(NamedTuple):
    """From /proc/self/stat. `start_ticks`: clock ticks after boot."""

    cpu_seconds: float
    threads: int
    start_ticks: int
    virtual_bytes: int
    resident_bytes: int


def parse_process_stat(data: bytes) -> ProcessStat:
    """Fields 14, 15, 20, 22, 23 and 24 of proc_pid_stat(5); the command's name may hold spaces and brackets."""
    fields = data[data.rindex(b")") + 2 :].split()
    return ProcessStat(
        (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS,
        int(fields[17]),
        int(fields[19]),
        int(fields[20]),
        int(fields[21]) * _PAGE_BYTES,
    )


def start_time_seconds(start_ticks: int, boot_time_seconds: float, told_seconds: float = 0.0) -> float:
    """Unix time. `told_seconds`: what was told before, which stays unless the clock was set: a start does not move."""
    start = boot_time_seconds + start_ticks / _CLOCK_TICKS
    return told_seconds if abs(start - told_seconds) <= CLOCK_STEP_S else round(start, 2)


SUCCEEDS_WITHOUT: Final = frozenset(
    {"bcache", "btrfs", "drm", "ksmd", "lnstat", "meminfo_numa", "sockstat", "thermal_zone", "xfs"}
)
"""Collectors that node_exporter counts as successful where there is nothing for them."""


def node_scrape(outcomes: Sequence[Outcome]) -> list[Family]:
    """Success and duration under node_exporter's names. Most collectors without data are not successful there."""
    return [
        _node_success(tuple([(o.collector, o.state) for o in outcomes])),
        Family(NODE_DURATION, [((o.collector,), o.duration_seconds) for o in outcomes]),
    ]


@lru_cache(maxsize=MAX_KEPT)
def _node_success(states: tuple[tuple[str, str], ...]) -> Family:
    return Family(NODE_SUCCESS, [((collector,), _succeeded(collector, state)) for collector, state in states])


def _succeeded(collector: str, state: str) -> int:
    return int(state == "ok" or (state == "absent" and collector in SUCCEEDS_WITHOUT))


def collectors(
    outcomes: Sequence[Outcome], last_run_seconds: Mapping[str, float], ages: Mapping[str, float]
) -> list[Family]:
    """Success, duration, last run, age and number of series of each collector, under nodescope's own names."""
    return [
        Family(SUCCESS, [((o.collector,), 1 if o.state in ("ok", "absent") else 0) for o in outcomes]),
        Family(HUNG, [((o.collector,), 1 if o.state == "hung" else 0) for o in outcomes]),
        Family(DURATION, [((o.collector,), o.duration_seconds) for o in outcomes]),
        Family(
            LAST_RUN,
            [((o.collector,), last_run_seconds[o.collector]) for o in outcomes if o.collector in last_run_seconds],
        ),
        Family(AGE, [((name,), age) for name, age in ages.items()]),
        Family(SERIES, [((o.collector,), sum(len(family.rows) for family in o.families)) for o in outcomes]),
        Family(LEFT_OUT, [((o.collector,), o.left_out) for o in outcomes if o.state == "ok"]),
    ]


def process(stat: ProcessStat, start_seconds: float, open_fds: int) -> list[Family]:
    """CPU, memory, threads and descriptors of this process."""
    return [
        single(CPU, stat.cpu_seconds),
        single(MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        single(OPEN_FDS, open_fds),
        single(RESIDENT, stat.resident_bytes),
        single(START, start_seconds),
        single(VIRTUAL, stat.virtual_bytes),
        single(THREADS, stat.threads),
    ]


def build_info(role: str) -> Family:
    return Family(BUILD_INFO, [((__version__, _PYTHON, role), 1)])


def by_label(metric: Metric, counts: Mapping[str, float] | Iterable[tuple[str, float]]) -> Family:
    """A family with one label, from counts by its values."""
    return Family(metric, [((label,), count) for label, count in dict(counts).items()])
