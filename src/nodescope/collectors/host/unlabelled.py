"""Metrics that have no labels, and so one number each."""

from __future__ import annotations

from collections.abc import Sequence

from nodescope.metric import Family, Metric, single


class Unlabelled:
    """The families of `metrics`; of a number that is as it was, the very family of the last time."""

    __slots__ = ("_families", "_numbers")

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._numbers: Sequence[float | None] = [None] * len(metrics)
        self._families = [Family(metric, ()) for metric in metrics]

    def families(self, numbers: Sequence[float]) -> list[Family]:
        """`numbers`: one for each metric, never changed once given."""
        if numbers != self._numbers:
            self._families = [
                last if number == before else single(last.metric, number)
                for last, number, before in zip(self._families, numbers, self._numbers, strict=True)
            ]
            self._numbers = numbers
        return self._families
