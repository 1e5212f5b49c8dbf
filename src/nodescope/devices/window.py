"""Least, greatest and mean of what moves fast in a GPU, over the last seconds."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Final

from nodescope.records.gpu import GpuReport
from nodescope.records.gpu_snapshot import GpuWindow, Spread

MAX_SAMPLES: Final = 3600
"""Where more fall into the window it is shorter than asked for, and says so."""

FORGET_SECONDS: Final = 60.0
"""How long a GPU that is no longer asked about is remembered, at least."""

QUANTITIES: Final = (
    "utilization_percent",
    "memory_used_bytes",
    "power_milliwatts",
    "temperature_celsius",
    "clock_sm_megahertz",
)


class Windows:
    """A window of `seconds` for each GPU, over its samples by the time they were taken.

    `clock`: CLOCK_MONOTONIC; a GPU that no longer answers leaves its window by it.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._gpus: dict[str, _GpuSamples] = {}
        self._swept_at = float("-inf")

    def added(self, report: GpuReport) -> GpuWindow:
        """The window with this report in it. One without a reading, or the same again, adds nothing."""
        now = self._clock()
        samples = self._gpus.get(report.uuid)
        if samples is None:
            samples = self._gpus[report.uuid] = _GpuSamples()
        samples.asked_at = now
        self._sweep(now)
        samples.add(report)
        return samples.window(max(now, samples.newest), self.seconds)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < FORGET_SECONDS:
            return
        self._swept_at = now
        patience_s = max(FORGET_SECONDS, self.seconds)
        self._gpus = {uuid: gpu for uuid, gpu in self._gpus.items() if now - gpu.asked_at <= patience_s}


class _GpuSamples:
    """The samples of one GPU that are in its window."""

    __slots__ = ("asked_at", "newest", "quantities", "times")

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.newest = 0.0
        self.times = _Queue()
        self.quantities = {name: _Quantity() for name in QUANTITIES}

    def add(self, report: GpuReport) -> None:
        sampled = report.sampled_monotonic_seconds
        if sampled <= self.newest:
            return
        self.newest = sampled
        self.times.append(sampled)
        for name, quantity in self.quantities.items():
            value = getattr(report.reading, name)
            if value is not None:
                quantity.append(sampled, value)

    def window(self, now: float, seconds: float) -> GpuWindow:
        """The samples of `(now - seconds, now]`, or the newest `MAX_SAMPLES` of them."""
        start = now - seconds
        self.times.drop_until(start)
        if len(self.times) > MAX_SAMPLES:
            start = self.times[-MAX_SAMPLES - 1]
            seconds = now - start
            self.times.drop_until(start)
        for quantity in self.quantities.values():
            quantity.drop_until(start)
        spreads = {name: quantity.spread() for name, quantity in self.quantities.items()}
        return GpuWindow(seconds=seconds, samples=len(self.times), **spreads)


class _Queue:
    """Numbers in order of arrival, in 8 bytes each; what is dropped at the front is freed in blocks."""

    __slots__ = ("_first", "_numbers")

    def __init__(self) -> None:
        self._numbers = array("d")
        self._first = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._first

    def __getitem__(self, index: int) -> float:
        """`index` from the front, or negative from the back."""
        return self._numbers[index if index < 0 else self._first + index]

    def append(self, number: float) -> None:
        self._numbers.append(number)

    def popleft(self) -> float:
        number = self._numbers[self._first]
        self._first += 1
        if self._first * 2 >= len(self._numbers):
            del self._numbers[: self._first]
            self._first = 0
        return number

    def drop_until(self, limit: float) -> None:
        """Drops from the front what is not greater than `limit`."""
        while len(self) and self[0] <= limit:
            self.popleft()


class _Quantity:
    """One quantity's samples. The two queues of extremes hold the numbers of samples that may still become one."""

    __slots__ = ("_greatest", "_least", "_number", "_sum", "_times", "_values")

    def __init__(self) -> None:
        self._times = _Queue()
        self._values = _Queue()
        self._number = 0  # of the oldest sample that is kept
        self._sum = 0.0
        self._least: deque[int] = deque()
        self._greatest: deque[int] = deque()

    def append(self, sampled: float, value: float) -> None:
        number = self._number + len(self._values)
        while self._least and self._value(self._least[-1]) >= value:
            self._least.pop()
        while self._greatest and self._value(self._greatest[-1]) <= value:
            self._greatest.pop()
        self._least.append(number)
        self._greatest.append(number)
        self._times.append(sampled)
        self._values.append(value)
        self._sum += value

    def drop_until(self, limit: float) -> None:
        while len(self._times) and self._times[0] <= limit:
            self._times.popleft()
            self._sum -= self._values.popleft()
            for extremes in (self._least, self._greatest):
                if extremes[0] == self._number:
                    extremes.popleft()
            self._number += 1

    def spread(self) -> Spread | None:
        count = len(self._values)
        if not count:
            # Here what rounding left in the sum is lost.
            self._sum = 0.0
            return None
        least, greatest = self._value(self._least[0]), self._value(self._greatest[0])
        return Spread(least, greatest, min(max(self._sum / count, least), greatest))

    def _value(self, number: int) -> float:
        return self._values[number - self._number]
