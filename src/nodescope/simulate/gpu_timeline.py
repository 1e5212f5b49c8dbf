"""What a simulated GPU is busy with at any time, and for how long it has been since boot: exact, and quick to tell.

Jobs come and go in a cycle of six hours, which a seed decides. How busy a GPU is within a job goes up and down in steps
of two seconds, of which each second one makes up for the one before. So an integral from boot is a sum of whole numbers
over the few activities, however far away that is, and never goes back by a rounding.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from nodescope.simulate.gpu_activity import (
    ACTIVITIES,
    CAPPED,
    IDLE,
    LOADING,
    SAVING,
    SERVING,
    TRAINING,
    WAITING,
    Rate,
)
from nodescope.simulate.load import mix

CYCLE_SECONDS: Final = 6 * 3600
STEP_SECONDS: Final = 2
FULL: Final = 10**6
"""How busy it is in the mean, in millionths."""

_MICROSECONDS: Final = 10**6
_STEP_US: Final = STEP_SECONDS * _MICROSECONDS
_PAIR_US: Final = 2 * _STEP_US
_PAIR_SECONDS: Final = 2 * STEP_SECONDS
_CYCLE_US: Final = CYCLE_SECONDS * _MICROSECONDS
_NOISE: Final = 1000
_SECOND: Final = FULL * _MICROSECONDS

# Seconds, least and most; jobs of a hundred that train and that serve.
_IDLE_SECONDS: Final = (60, 900)
_LOADING_SECONDS: Final = (20, 60)
_TRAINING_SECONDS: Final = (120, 480)
_CAPPED_SECONDS: Final = (40, 200)
_SAVING_SECONDS: Final = (12, 32)
_SERVING_SECONDS: Final = (20, 120)
_WAITING_SECONDS: Final = (8, 60)
_ROUNDS: Final = (3, 9)
_BURSTS: Final = (8, 30)
_TRAINING_PERCENT: Final = 65

Step = tuple[int, int, int]
"""Activity, seconds, number of the job."""


class Window(NamedTuple):
    """A time in virtual seconds since boot in which a GPU does something else than its jobs say."""

    start: float
    end: float
    activity: int


class Spent(NamedTuple):
    """Time since boot in each activity: `plain` in microseconds, `busy` in millionths of one, weighted by how busy."""

    plain: list[int]
    busy: list[int]

    def integral(self, rates: Sequence[Rate]) -> int:
        """What `rates`, one for each activity, come to since boot."""
        fixed = sum([rate.fixed * time for rate, time in zip(rates, self.plain, strict=True)])
        varying = sum([rate.varying * time for rate, time in zip(rates, self.busy, strict=True)])
        return (fixed * FULL + varying) // _SECOND

    def nanoseconds(self, activities: Iterable[int]) -> int:
        return 1000 * sum(self.plain[activity] for activity in activities)


class Moment(NamedTuple):
    """What it does at one time. `busy`: in millionths of the mean; `job` differs from one job to the next."""

    activity: int
    busy: int
    job: int

    def of(self, rate: Rate) -> int:
        return rate.fixed + rate.varying * self.busy // FULL


class Job(NamedTuple):
    """`number`: another for each job since boot. `began_seconds`: after boot."""

    number: int
    began_seconds: float


class Timeline:
    """One GPU's. GPUs with the same `jobs` work on the same ones; `noise` is a GPU's own.

    `windows` do not overlap.
    """

    def __init__(self, jobs: int, noise: int, windows: Sequence[Window] = ()) -> None:
        self._noise_key = noise
        steps = _begun(list(_cycle(jobs)), jobs)
        self._activities = bytes(activity for activity, _, _ in steps)
        self._jobs = array("H", [job for _, _, job in steps])
        self._starts = array("q")
        self._before: list[tuple[int, ...]] = []
        self._of_cycle = self._summed(steps)
        self._windows = [(_microseconds(window.start), window.end, window.activity) for window in windows]
        self._gone = [self._scheduled(start) for start, _, _ in self._windows]

    def at(self, seconds: float) -> Moment:
        time = _microseconds(seconds)
        _, index = self._place(time)
        activity = self._activities[index]
        for start, end, instead in self._windows:
            if start <= time and seconds < end:
                activity = instead
        swing = ACTIVITIES[activity].swing_permille
        return Moment(activity, FULL + swing * self._noise(time), self._jobs[index])

    def job(self, seconds: float) -> Job:
        """The job at a time, as if there were no windows; idleness belongs to the job before it."""
        cycle, index = self._place(_microseconds(seconds))
        job = self._jobs[index]
        while index and self._jobs[index - 1] == job:
            index -= 1
        return Job(cycle * len(self._jobs) + index, (cycle * _CYCLE_US + self._starts[index]) / _MICROSECONDS)

    def spent(self, seconds: float) -> Spent:
        time = _microseconds(seconds)
        spent = scheduled = self._scheduled(time)
        for (start, ends, activity), gone in zip(self._windows, self._gone, strict=True):
            if time > start:
                end = time if seconds < ends else _microseconds(ends)
                until = scheduled if end == time else self._scheduled(end)
                spent = _instead(spent, gone, until, activity, end - start, self._over(end) - self._over(start))
        return spent

    def _summed(self, steps: Iterable[Step]) -> tuple[int, ...]:
        """Fills in where steps start and what was before them; microseconds of the cycle in each activity."""
        so_far = [0] * len(ACTIVITIES)
        for activity, seconds, _ in steps:
            self._starts.append(sum(so_far))
            self._before.append(tuple(so_far))
            so_far[activity] += seconds * _MICROSECONDS
        return tuple(so_far)

    def _place(self, time: int) -> tuple[int, int]:
        cycle, within = divmod(time, _CYCLE_US)
        return cycle, bisect_right(self._starts, within) - 1

    def _scheduled(self, time: int) -> Spent:
        """As if there were no windows. Steps begin where a pair does, so only the newest has noise left."""
        cycle, index = self._place(time)
        plain = [cycle * whole + part for whole, part in zip(self._of_cycle, self._before[index], strict=True)]
        activity = self._activities[index]
        plain[activity] += time - cycle * _CYCLE_US - self._starts[index]
        busy = [FULL * one for one in plain]
        busy[activity] += ACTIVITIES[activity].swing_permille * self._over(time)
        return Spent(plain, busy)

    def _noise(self, time: int) -> int:
        """-1000 to 1000."""
        pair, within = divmod(time, _PAIR_US)
        noise = mix(self._noise_key + pair) % (2 * _NOISE + 1) - _NOISE
        return noise if within < _STEP_US else -noise

    def _over(self, time: int) -> int:
        """The integral of the noise since boot: that of the pair of steps that has begun."""
        within = time % _PAIR_US
        return self._noise(time - within) * min(within, _PAIR_US - within)


def windows(wanted: Iterable[Window]) -> list[Window]:
    """Without overlaps: at each time the first of those that were wanted."""
    wanted = [window for window in wanted if window.start < window.end]
    edges = sorted({edge for window in wanted for edge in (window.start, window.end)})
    found = []
    for start, end in pairwise(edges):
        first = next((window for window in wanted if window.start <= start and end <= window.end), None)
        if first is not None:
            found.append(Window(start, end, first.activity))
    return found


def _instead(spent: Spent, gone: Spent, until: Spent, activity: int, time: int, over: int) -> Spent:
    """With what the jobs did from `gone` to `until` taken out, and the activity of a window put in."""
    plain, busy = (
        [now - (then - before) for now, then, before in zip(now_, then_, before_, strict=True)]
        for now_, then_, before_ in zip(spent, until, gone, strict=True)
    )
    plain[activity] += time
    busy[activity] += FULL * time + ACTIVITIES[activity].swing_permille * over
    return Spent(plain, busy)


def _cycle(key: int) -> Iterator[Step]:
    """Six hours of jobs, exactly."""
    left = CYCLE_SECONDS
    for activity, seconds, job in _jobs(key):
        yield activity, min(seconds, left), job
        left -= seconds
        if left <= 0:
            return


def _begun(steps: list[Step], key: int) -> list[Step]:
    """The cycle from anywhere in it: machines are not all idle when they start."""
    first = mix(key) % len(steps)
    return steps[first:] + steps[:first]


def _jobs(key: int) -> Iterator[Step]:
    """One after the other, without end."""
    drawn = 0

    def draw(limits: tuple[int, int]) -> int:
        nonlocal drawn
        drawn += 1
        low, high = limits
        return low + mix(key + drawn) % (high - low + 1)

    def seconds(limits: tuple[int, int]) -> int:
        return draw(limits) // _PAIR_SECONDS * _PAIR_SECONDS

    job = 0
    while True:
        yield IDLE, seconds(_IDLE_SECONDS), job
        job += 1
        yield LOADING, seconds(_LOADING_SECONDS), job
        if draw((0, 99)) < _TRAINING_PERCENT:
            for _ in range(draw(_ROUNDS)):
                yield TRAINING, seconds(_TRAINING_SECONDS), job
                yield CAPPED, seconds(_CAPPED_SECONDS), job
                yield SAVING, seconds(_SAVING_SECONDS), job
        else:
            for _ in range(draw(_BURSTS)):
                yield SERVING, seconds(_SERVING_SECONDS), job
                yield WAITING, seconds(_WAITING_SECONDS), job


def _microseconds(seconds: float) -> int:
    return int(seconds * _MICROSECONDS)
