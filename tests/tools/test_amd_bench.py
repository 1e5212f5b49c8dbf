"""The benchmark of AMD's GPUs and of RDMA devices."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tools.amd_bench import AmdCost, bars, moving, open_devices, section
from tools.bench_report import MB

COST = AmdCost(4000, 12.5, 7.0, 31 * MB, 0, 930)
DEADLINE_S = 20.0


def test_bars() -> None:
    """Each figure has its own limit; the conductor's page counts over its interval."""
    found = list(bars(COST))
    assert [bar.measured for bar in found] == [12.5, 31.0, 0.0, 31.0]
    assert all(bar.met for bar in found)
    missed = COST._replace(cycle_ms=51.0, open_devices=1, conductor_bytes=31_000)
    assert [bar.met for bar in bars(missed)] == [False, True, False, False]


def test_section() -> None:
    """The node is a line of the table."""
    assert "| 4000 | 12.50 | 7.00 | 31.0 | 0 | 930 |" in section(COST)


def test_what_is_held_open() -> None:
    """A process that has no device node open has none counted."""
    assert open_devices(os.getpid()) == 0


def test_the_tree_moves(tmp_path: Path) -> None:
    """The files of the tree change while it is there."""
    with moving(tmp_path):
        (metrics,) = list(tmp_path.glob("sys/bus/pci/devices/0000:15:00.0/gpu_metrics"))
        before, deadline = metrics.read_bytes(), time.monotonic() + DEADLINE_S
        while metrics.read_bytes() == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
