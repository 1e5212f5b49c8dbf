"""Waiting for what a source of Intel GPUs tells."""

from __future__ import annotations

import time
from collections.abc import Callable

from nodescope.devices.intel.client_scan import ScanLimits
from nodescope.devices.intel.source import IntelLimits, IntelSource
from nodescope.devices.source import Observed
from nodescope.records.gpu import GpuReport

INTERVAL_S = 0.02
TIMEOUT_S = 5.0
PATIENCE_S = 10.0
LIMITS = IntelLimits(turn_s=0.8, scan=ScanLimits(interval_s=0.2, search_s=0.3, turn_s=0.5))
FLEX, ARC, MAX = "0000:4d:00.0", "0000:03:00.0", "0000:9a:00.0"


def report_of(observed: Observed, address: str) -> GpuReport:
    """The report of the GPU at an address."""
    return next(report for report in observed.reports if report.uuid == address)


def until(source: IntelSource, address: str, good: Callable[[GpuReport], object]) -> GpuReport:
    """The first report of a GPU for which `good` is true."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        report = report_of(source.observe(TIMEOUT_S), address)
        if good(report):
            return report
        assert time.monotonic() < deadline, report


def newer_than(sampled: float) -> Callable[[GpuReport], bool]:
    """Whether a report is of a later moment."""
    return lambda report: report.sampled_monotonic_seconds > sampled
