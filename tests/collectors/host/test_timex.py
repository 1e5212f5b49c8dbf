from __future__ import annotations

import ctypes
import errno
from typing import Any

import pytest

from nodescope.collectors.host.timex import (
    METRICS,
    STA_NANO,
    TIME_ERROR,
    Timex,
    TimexCollector,
    read_clock,
    timex_numbers,
)
from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, series

FIELDS: dict[str, Any] = {
    "offset": -1500, "freq": 655_360, "maxerror": 16_000_000, "esterror": 7, "status": 1, "constant": 7, "tick": 10_000,
    "ppsfreq": 65_536, "jitter": 250, "shift": 4, "stabil": 131_072, "jitcnt": 1, "calcnt": 2, "errcnt": 3, "stbcnt": 5,
    "tai": 37,
}  # fmt: skip


def clock(**changes: int) -> Timex:
    return Timex(**{**FIELDS, **changes})


def shown(state: int, clock: Timex) -> dict[str, float]:
    return series(Unlabelled().families(METRICS, timex_numbers(state, clock)))


def test_microseconds() -> None:
    """Without STA_NANO all times are in microseconds; frequencies are parts per million with a 16-bit fraction."""
    assert shown(0, clock()) == {
        "node_timex_sync_status": 1, "node_timex_offset_seconds": -0.0015,
        "node_timex_frequency_adjustment_ratio": 1 + 655_360 / 65_536_000_000.0,
        "node_timex_pps_jitter_seconds": 0.00025,
        "node_timex_maxerror_seconds": 16, "node_timex_estimated_error_seconds": 7e-6, "node_timex_status": 1,
        "node_timex_loop_time_constant": 7, "node_timex_tick_seconds": 0.01, "node_timex_pps_frequency_hertz": 1e-6,
        "node_timex_pps_shift_seconds": 4, "node_timex_pps_stability_hertz": 2e-6, "node_timex_pps_jitter_total": 1,
        "node_timex_pps_calibration_total": 2, "node_timex_pps_error_total": 3,
        "node_timex_pps_stability_exceeded_total": 5, "node_timex_tai_offset_seconds": 37,
    }  # fmt: skip


def test_nanoseconds() -> None:
    """With STA_NANO the offset and the jitter are in nanoseconds, and nothing else is."""
    plain = shown(0, clock())
    nano = shown(0, clock(status=STA_NANO | 1))
    changed = {name: value for name, value in nano.items() if plain[name] != value}
    assert changed == {
        "node_timex_offset_seconds": -1500 / 1e9, "node_timex_pps_jitter_seconds": 250 / 1e9,
        "node_timex_status": STA_NANO | 1,
    }  # fmt: skip


@pytest.mark.parametrize(("state", "expected"), [(0, 1), (1, 1), (4, 1), (TIME_ERROR, 0)])
def test_sync_status(state: int, expected: int) -> None:
    """A clock is synchronized in every state but TIME_ERROR."""
    assert shown(state, clock())["node_timex_sync_status"] == expected


def test_this_machine(machine: Machine) -> None:
    """The kernel fills the whole structure, and asking changes nothing."""
    found = series(machine.build("timex").collect())
    assert len(found) == len(TimexCollector.metrics) == 17
    assert found["node_timex_tick_seconds"] == pytest.approx(0.01, rel=0.11)
    assert found["node_timex_frequency_adjustment_ratio"] == pytest.approx(1, abs=0.001)
    assert ctypes.sizeof(Timex) == 208
    before, after = Timex(), Timex()
    read_clock(before)
    read_clock(after)
    assert (before.tick, before.constant, after.modes) == (after.tick, after.constant, 0)


def test_changes_between_two_scrapes() -> None:
    """Each run shows the clock as it is then."""

    def read(into: Timex) -> int:
        into.tai += 1
        return TIME_ERROR if into.tai > 1 else 0

    collector = TimexCollector(read)
    first, second = series(collector.collect()), series(collector.collect())
    assert [first["node_timex_tai_offset_seconds"], second["node_timex_tai_offset_seconds"]] == [1, 2]
    assert [first["node_timex_sync_status"], second["node_timex_sync_status"]] == [1, 0]


@pytest.mark.parametrize(("number", "expected"), [(errno.EPERM, Absent), (errno.ENOSYS, Absent), (errno.EIO, OSError)])
def test_forbidden(number: int, expected: type[Exception]) -> None:
    """Where the system call is forbidden there is nothing; any other failure is one."""

    def read(into: Timex) -> int:
        raise OSError(number, "no")

    with pytest.raises(expected):
        TimexCollector(read).collect()
