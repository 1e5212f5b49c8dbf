"""Small statistics over series of samples: growth, slope, median. Pure; NaN stands for unknown."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final, NamedTuple

DEVIATIONS: Final = 5 * 1.4826
"""How far from the median is out of the ordinary: five standard deviations, by the median absolute deviation."""


class Point(NamedTuple):
    """A counter's growth since the first sample, at a time."""

    seconds: float
    grown: float


def growth(seconds: Sequence[float], counts: Sequence[float]) -> list[Point]:
    """How a counter grew from its first known sample on. One that began again has grown by nothing in between."""
    points: list[Point] = []
    grown, before = 0.0, None
    for at, count in zip(seconds, counts, strict=True):
        if count != count:
            continue
        if before is not None and count > before:
            grown += count - before
        before = count
        points.append(Point(at, grown))
    return points


def grown_by(counts: array[float]) -> float | None:
    """How much a counter grew in all. None where it is unknown now, or was never known before."""
    if len(counts) < 2 or counts[-1] != counts[-1]:
        return None
    # Most counters of errors stand still, and that is seen at once.
    if counts.count(counts[0]) == len(counts):
        return 0.0
    points = growth(range(len(counts)), counts)
    return points[-1].grown if len(points) > 1 else None


def slope(points: Sequence[Point]) -> float | None:
    """Growth in a second, by least squares. None without two different times."""
    count = len(points)
    if count < 2:
        return None
    start = points[0].seconds
    xs = [point.seconds - start for point in points]
    ys = [point.grown for point in points]
    x_sum, y_sum = sum(xs), sum(ys)
    spread = count * sum(map(mul, xs, xs)) - x_sum * x_sum
    return (count * sum(map(mul, xs, ys)) - x_sum * y_sum) / spread if spread > 0 else None


def median(values: Iterable[float]) -> float | None:
    """None of nothing. Unknown values count for nothing."""
    ordered = sorted(value for value in values if value == value)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def is_outlier(value: float, others: Sequence[float]) -> bool:
    """Whether `value` is farther from the median of `others` than they themselves scatter."""
    middle = median(others)
    if middle is None:
        return False
    scatter = median(abs(other - middle) for other in others) or 0.0
    return abs(value - middle) > DEVIATIONS * scatter
