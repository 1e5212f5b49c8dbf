"""What a GPU is busy with, and integrals of it."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate.gpu_activity import ACTIVITIES, IDLE, PARTITIONED, THROTTLED, Rate
from nodescope.simulate.gpu_timeline import CYCLE_SECONDS, FULL, STEP_SECONDS, Timeline, Window, windows

KEYS = st.integers(0, 2**64 - 1)
TIMES = st.floats(0.0, 1e9)
POWER = tuple(activity.power for activity in ACTIVITIES)
ONE = tuple(Rate(1, 0) for _ in ACTIVITIES)
FEW = settings(max_examples=25)
SOME_WINDOWS = st.lists(
    st.builds(
        lambda start, length, activity: Window(start, start + length, activity),
        st.floats(0.0, 50_000.0),
        st.floats(0.001, 20_000.0) | st.just(inf),
        st.sampled_from([THROTTLED, PARTITIONED]),
    ),
    max_size=5,
)


def summed(timeline: Timeline, start: int, end: int) -> float:
    """Milliwatt seconds, step by step."""
    total = 0
    for middle in range(start + STEP_SECONDS // 2, end, STEP_SECONDS):
        moment = timeline.at(float(middle))
        rate = POWER[moment.activity]
        total += STEP_SECONDS * (rate.fixed * FULL + rate.varying * moment.busy)
    return total / FULL


@FEW
@given(jobs=KEYS, noise=KEYS, wanted=SOME_WINDOWS, seconds=TIMES)
def test_all_time_is_spent(jobs: int, noise: int, wanted: list[Window], seconds: float) -> None:
    """The time in all activities together is the time since boot, and none is negative."""
    spent = Timeline(jobs, noise, windows(wanted)).spent(seconds)
    assert sum(spent.plain) == int(seconds * 10**6)
    assert min(spent.plain) >= 0
    assert min(spent.busy) >= 0
    assert spent.integral(ONE) == int(seconds * 10**6) // 10**6


@FEW
@given(jobs=KEYS, noise=KEYS, first=st.integers(0, 10**6), steps=st.integers(1, 300))
def test_the_integral_is_the_curve(jobs: int, noise: int, first: int, steps: int) -> None:
    """Between any two steps, the integral is the sum over the steps, each times its length."""
    timeline = Timeline(jobs, noise)
    start, end = first * STEP_SECONDS, (first + steps) * STEP_SECONDS
    grown = timeline.spent(float(end)).integral(POWER) - timeline.spent(float(start)).integral(POWER)
    assert abs(grown - summed(timeline, start, end)) <= 1


@FEW
@given(jobs=KEYS, noise=KEYS, starts=st.lists(st.integers(0, 2_000), min_size=2, max_size=6, unique=True))
def test_the_integral_with_windows(jobs: int, noise: int, starts: list[int]) -> None:
    """Where windows take the place of jobs, the integral is that of what then happens."""
    edges = sorted(float(start * STEP_SECONDS) for start in starts)
    found = [Window(start, end, THROTTLED) for start, end in list(pairwise(edges))[::2]]
    timeline = Timeline(jobs, noise, found)
    assert timeline.at(edges[0]).activity == THROTTLED
    assert abs(timeline.spent(4_100.0).integral(POWER) - summed(timeline, 0, 4_100)) <= 1


@FEW
@given(jobs=KEYS, noise=KEYS, wanted=SOME_WINDOWS, times=st.lists(TIMES, min_size=2, max_size=20))
def test_integrals_never_go_back(jobs: int, noise: int, wanted: list[Window], times: list[float]) -> None:
    """Whatever happens in between, an integral is never less at a later time."""
    timeline = Timeline(jobs, noise, windows(wanted))
    grown = [timeline.spent(seconds).integral(POWER) for seconds in sorted(times)]
    assert grown == sorted(grown)


@given(wanted=SOME_WINDOWS)
def test_windows(wanted: list[Window]) -> None:
    """Windows do not overlap, and at each time the first of those that were wanted holds."""
    found = windows(wanted)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for window in [*found, *wanted]:
        for seconds in (window.start, min(window.end, 1e9) - 1e-4):
            holding = [one.activity for one in wanted if one.start <= seconds < one.end]
            now = [one.activity for one in found if one.start <= seconds < one.end]
            assert now == holding[:1]


def test_jobs_come_and_go() -> None:
    """Within six hours every activity of a job comes, so does idleness, and it is neither always nor never."""
    timelines = [Timeline(key, key) for key in range(4)]
    spent = [timeline.spent(float(CYCLE_SECONDS)).plain for timeline in timelines]
    of_all = [sum(times) for times in zip(*spent, strict=True)]
    assert {number for number, time in enumerate(of_all) if not time} == {THROTTLED, PARTITIONED}
    assert all(0 < times[IDLE] < CYCLE_SECONDS * 10**6 // 3 for times in spent)


@FEW
@given(jobs=KEYS, noise=KEYS, seconds=TIMES)
def test_the_same_jobs(jobs: int, noise: int, seconds: float) -> None:
    """GPUs with the same jobs do the same at the same time, each a little busier or less than the other."""
    one, other = Timeline(jobs, noise).at(seconds), Timeline(jobs, noise + 10**6).at(seconds)
    assert (one.activity, one.job) == (other.activity, other.job)
