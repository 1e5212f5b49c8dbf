"""Tests of the table of profiling metrics."""

from __future__ import annotations

import csv
from pathlib import Path

import pynvml

from nodescope.devices.nvidia.child.gpm_metrics import METRICS, wanted


def test_names_and_numbers_are_those_of_the_header() -> None:
    """Each metric has the number that nvidia-ml-py gives its name, and each number comes once."""
    for metric in METRICS:
        assert metric.number == getattr(pynvml, f"NVML_GPM_METRIC_{metric.name.upper()}"), metric.name
    assert len({metric.number for metric in METRICS}) == len(METRICS)


def test_dcgms_metrics_are_read(shared: Path) -> None:
    """Every metric that DCGM shows is in the table."""
    with (shared / "facts/dcgm_map.csv").open() as file:
        rows = [row["nvml_gpm_metric_id"] for row in csv.DictReader(file) if row["nvml_gpm_metric_id"]]
    assert {int(row.split()[0]) for row in rows} <= {metric.number for metric in METRICS}


def test_an_older_driver_is_not_asked_for_newer_metrics() -> None:
    """The first set goes to every driver, the second to those that have it, and instances get a part of the first."""
    assert max(metric.number for metric in wanted((550, 54), instance=False)) < 100
    assert max(metric.number for metric in wanted((580, 82), instance=False)) == 260
    instance = {metric.name for metric in wanted((580, 82), instance=True)}
    assert {"sm_util", "dram_bw_util"} <= instance
    assert "nvlink_l0_rx_per_sec" not in instance
