"""How well the kernel keeps its clock."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from operator import attrgetter
from typing import ClassVar, Final

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Absent, Host
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

TIME_ERROR: Final = 5
STA_NANO: Final = 0x2000
MICROSECONDS: Final = 1_000_000
NANOSECONDS: Final = 1_000_000_000
SCALED_PPM: Final = 1_000_000.0 * 65_536.0
"""Frequencies are in parts per million with a 16-bit fraction."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FORBIDDEN: Final = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS})


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_timex_{name}", "counter" if name.endswith("_total") else "gauge", help)


SYNC_STATUS: Final = _metric("sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).")
OFFSET: Final = _metric("offset_seconds", "Time offset in between local system and reference clock.")
FREQUENCY: Final = _metric("frequency_adjustment_ratio", "Local clock frequency adjustment.")
JITTER: Final = _metric("pps_jitter_seconds", "Pulse per second jitter.")

# Field of struct timex, and what it is divided by.
FIELDS: Final[tuple[tuple[Metric, str, float], ...]] = (
    (_metric("maxerror_seconds", "Maximum error in seconds."), "maxerror", MICROSECONDS),
    (_metric("estimated_error_seconds", "Estimated error in seconds."), "esterror", MICROSECONDS),
    (_metric("status", "Value of the status array bits."), "status", 1),
    (_metric("loop_time_constant", "Phase-locked loop time constant."), "constant", 1),
    (_metric("tick_seconds", "Seconds between clock ticks."), "tick", MICROSECONDS),
    (_metric("pps_frequency_hertz", "Pulse per second frequency."), "ppsfreq", SCALED_PPM),
    (_metric("pps_shift_seconds", "Pulse per second interval duration."), "shift", 1),
    (
        _metric("pps_stability_hertz", "Pulse per second stability, average of recent frequency changes."),
        "stabil",
        SCALED_PPM,
    ),
    (_metric("pps_jitter_total", "Pulse per second count of jitter limit exceeded events."), "jitcnt", 1),
    (_metric("pps_calibration_total", "Pulse per second count of calibration intervals."), "calcnt", 1),
    (_metric("pps_error_total", "Pulse per second count of calibration errors."), "errcnt", 1),
    (
        _metric("pps_stability_exceeded_total", "Pulse per second count of stability limit exceeded events."),
        "stbcnt",
        1,
    ),
    (_metric("tai_offset_seconds", "International Atomic Time (TAI) offset."), "tai", 1),
)

METRICS: Final = (SYNC_STATUS, OFFSET, FREQUENCY, JITTER, *(metric for metric, _, _ in FIELDS))

_FIELDS: Final[Callable[[Timex], tuple[int, ...]]] = attrgetter(*(field for _, field, _ in FIELDS))
_UNITS: Final = tuple(unit for _, _, unit in FIELDS)

Read = Callable[[Timex], int]
"""Fills a struct timex, and gives the state of the clock (TIME_OK to TIME_ERROR). Raises `OSError`."""


def read_clock(into: Timex) -> int:
    """adjtimex(2), which with no mode set changes nothing."""
    into.modes = 0
    state = int(_LIBC.adjtimex(ctypes.byref(into)))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return state


def timex_numbers(state: int, clock: Timex) -> list[float]:
    """In the order of `METRICS`."""
    # STA_NANO tells the unit of the offset and of the jitter, of nothing else.
    fraction = NANOSECONDS if clock.status & STA_NANO else MICROSECONDS
    return [
        0 if state == TIME_ERROR else 1,
        clock.offset / fraction,
        1 + clock.freq / SCALED_PPM,
        clock.jitter / fraction,
        *(number if unit == 1 else number / unit for number, unit in zip(_FIELDS(clock), _UNITS, strict=True)),
    ]


class TimexCollector:
    """The state of the kernel's clock: offset and error as its time daemon tells them, and pulses per second.

    *Source*: adjtimex(2). *Units*: seconds, ratios, hertz. *Absent when*: the system call is forbidden (seccomp).
    *Cost*: one system call.
    """

    name: ClassVar[str] = "timex"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, read: Read = read_clock) -> None:
        self._read = read
        self._clock = Timex()
        self._shown = Unlabelled()

    def collect(self) -> list[Family]:
        try:
            state = self._read(self._clock)
        except OSError as error:
            if error.errno in _FORBIDDEN:
                raise Absent("adjtimex(2)") from error
            raise
        return self._shown.families(METRICS, timex_numbers(state, self._clock))


def build(host: Host, settings: Settings) -> TimexCollector:
    return TimexCollector()
