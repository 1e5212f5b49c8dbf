"""The contract of a part of a simulated machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

Row = tuple[str, dict[str, str], float]
"""Metric, labels, and what is true: exactly what the files say, in the exposition's unit."""


class Link(bytes):
    """Stands in place of a file's content for a symbolic link: where it leads, from the directory that it is in."""


class Reading(NamedTuple):
    """A file that holds one whole number, and the row that it becomes. `value`: the number in the metric's unit.
    `metric`: empty where only what is sampled shows it.
    """

    path: str
    number: int
    metric: str
    labels: dict[str, str]
    value: float


class Part(Protocol):
    """Some files of a machine, and what they mean, both pure functions of the seconds since boot.

    The constructor computes what never changes. `files`: content by path below the machine's root; a path that ends in
    a slash is a directory, with empty content, and a `Link` is a link. `truths`: the rows that a scrape with default
    settings shows of them; a label that is a path has it as it is on that machine.
    """

    def files(self, seconds: float) -> dict[str, bytes]: ...

    def truths(self, seconds: float) -> Iterable[Row]: ...


class NumberFiles:
    """A part of files with one number each, beside some that never change."""

    def __init__(
        self,
        fixed: Mapping[str, bytes],
        fixed_rows: Sequence[Row],
        readings: Callable[[float], Iterable[Reading]] = lambda _: (),
    ) -> None:
        self._fixed = dict(fixed)
        self._fixed_rows = tuple(fixed_rows)
        self._readings = readings

    def files(self, seconds: float) -> dict[str, bytes]:
        return self._fixed | {reading.path: b"%d\n" % reading.number for reading in self._readings(seconds)}

    def truths(self, seconds: float) -> Iterable[Row]:
        yield from self._fixed_rows
        for reading in self._readings(seconds):
            if reading.metric:
                yield reading.metric, reading.labels, reading.value


def texts(folder: str, attributes: Mapping[str, object]) -> dict[str, bytes]:
    """Files of `folder` that hold one line each, by their names."""
    return {f"{folder}/{name}": f"{said}\n".encode() for name, said in attributes.items()}
