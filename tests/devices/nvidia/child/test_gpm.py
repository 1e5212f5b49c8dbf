"""Tests of profiling metrics between samples."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable

import pynvml

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.gpm import HEADER, LEAST_SECONDS, ROW, MetricList, Samples
from nodescope.devices.nvidia.child.gpm_metrics import wanted
from tests.devices.nvidia.child.spoken import allocate, spoken

ALL = wanted((580, 82), instance=False)
FIRST_SET = wanted((), instance=False)
NOTHING = ctypes.c_void_p()

Answer = Callable[[int], tuple[int, float]]


class Driver:
    """nvmlGpmMetricsGet with an answer for each metric. `asked`: the metrics of each call."""

    def __init__(self, answer: Answer, newest: int = 1000) -> None:
        self.asked: list[list[int]] = []
        self._answer = answer
        self._newest = newest

    def __call__(self, buffer: ctypes.Array[ctypes.c_char]) -> int:
        get = pynvml.c_nvmlGpmMetricsGet_t.from_buffer(bytearray(bytes(buffer).ljust(20000, b"\0")))
        assert get.version == pynvml.NVML_GPM_METRICS_GET_VERSION
        ids = [get.metrics[place].metricId for place in range(get.numMetrics)]
        self.asked.append(ids)
        if max(ids) > self._newest:
            return 2
        memory = memoryview(buffer).cast("B")
        for place, number in enumerate(ids):
            ROW.pack_into(memory, HEADER.size + place * ROW.size, number, *self._answer(number))
        return 0


def test_the_layout_is_that_of_the_structure() -> None:
    """The rows that are packed lie as nvidia-ml-py's structure does."""
    assert HEADER.size == pynvml.c_nvmlGpmMetricsGet_t.metrics.offset
    assert ROW.size == ctypes.sizeof(pynvml.c_nvmlGpmMetric_t)


def test_what_is_no_number_is_left_out() -> None:
    """NaN and infinity are no values; the metrics beside them are."""
    driver = Driver(lambda number: (0, {2: math.nan, 3: math.inf}.get(number, 50.0)))
    values = MetricList(Calls(spoken(nvmlGpmMetricsGet=driver)), ALL).between(NOTHING, NOTHING)
    assert "sm_util" not in values
    assert "sm_occupancy" not in values
    assert values["graphics_util"] == 50.0
    assert len(values) == len(ALL) - 2


def test_a_metric_that_is_refused_is_not_asked_for_again() -> None:
    """Each metric has a return code; what is not there now is asked for again, what the GPU has not is not."""
    driver = Driver(lambda number: ({2: 3, 3: 21}.get(number, 0), 1.0))
    metrics = MetricList(Calls(spoken(nvmlGpmMetricsGet=driver)), ALL)
    metrics.between(NOTHING, NOTHING)
    metrics.between(NOTHING, NOTHING)
    assert set(driver.asked[0]) - set(driver.asked[1]) == {2}


def test_a_driver_that_refuses_newer_metrics_is_asked_for_the_first_set() -> None:
    """A list that is refused as a whole is cut down to what every driver has, and given up after that."""
    driver = Driver(lambda number: (0, 1.0), newest=99)
    metrics = MetricList(Calls(spoken(nvmlGpmMetricsGet=driver)), ALL)
    assert metrics.between(NOTHING, NOTHING) == {}
    assert len(metrics.between(NOTHING, NOTHING)) == len(FIRST_SET)
    none = Driver(lambda number: (0, 1.0), newest=0)
    metrics = MetricList(Calls(spoken(nvmlGpmMetricsGet=none)), ALL)
    for _ in range(4):
        assert metrics.between(NOTHING, NOTHING) == {}
    assert len(none.asked) == 2


def test_samples_that_are_too_near_give_the_metrics_before() -> None:
    """Samples are taken at least 100 ms apart; a cycle that comes sooner has the last values."""
    numbers = iter(range(100))
    value = 0.0

    def answer(number: int) -> tuple[int, float]:
        return 0, value

    taken: list[int] = []

    def take(handle: object, sample: object) -> int:
        taken.append(next(numbers))
        return 0

    calls = Calls(
        spoken(
            nvmlGpmMetricsGet=Driver(answer),
            nvmlGpmSampleAlloc=allocate,
            nvmlGpmSampleGet=take,
        )
    )
    samples = Samples(calls, None, None, MetricList(calls, FIRST_SET))
    assert samples.read() == {}
    time.sleep(LEAST_SECONDS)
    value = 1.0
    assert samples.read()["sm_util"] == 1.0
    value = 2.0
    assert samples.read()["sm_util"] == 1.0
    time.sleep(LEAST_SECONDS)
    assert samples.read()["sm_util"] == 2.0
    assert len(taken) == 3


def test_a_sample_that_fails_is_not_one_of_a_pair() -> None:
    """After a sample could not be taken the next one is a first one again."""
    codes = iter([0, 29, 0, 0])
    calls = Calls(
        spoken(
            nvmlGpmMetricsGet=Driver(lambda number: (0, 1.0)),
            nvmlGpmSampleAlloc=allocate,
            nvmlGpmSampleGet=lambda handle, sample: next(codes),
        )
    )
    samples = Samples(calls, None, None, MetricList(calls, FIRST_SET))
    found = []
    for _ in range(4):
        found.append(bool(samples.read()))
        time.sleep(LEAST_SECONDS)
    assert found == [False, False, False, True]
