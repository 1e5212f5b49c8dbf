"""Metrics that have no labels, and so one number each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, count
from operator import ne

from nodescope.metric import Family, Metric, single


class Unlabelled:
    """Families of one number; of a number that is as it was, the very family of the last time."""

    __slots__ = ("_families", "_metrics", "_numbers")

    def __init__(self) -> None:
        self._metrics: Sequence[Metric] = ()
        self._numbers: Sequence[float] = ()
        self._families: list[Family] = []

    def families(self, metrics: Sequence[Metric], numbers: Sequence[float]) -> list[Family]:
        """`numbers`: one for each metric. Neither is changed once given."""
        same = metrics is self._metrics or metrics == self._metrics
        if not same or len(numbers) != len(self._numbers):
            self._families = [single(metric, number) for metric, number in zip(metrics, numbers, strict=True)]
        else:
            families = self._families.copy()
            for index in compress(count(), map(ne, numbers, self._numbers)):
                families[index] = Family(metrics[index], (((), numbers[index]),))
            self._families = families
        self._metrics, self._numbers = metrics, numbers
        return self._families
