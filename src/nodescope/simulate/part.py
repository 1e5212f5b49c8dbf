"""The contract of a part of a simulated machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

Row = tuple[str, dict[str, str], float]
"""Metric, labels, and what is true: exactly what the files say, in the exposition's unit."""


class Part(Protocol):
    """Some files of a machine, and what they mean, both pure functions of the seconds since boot.

    The constructor computes what never changes. `files`: content by path below the machine's root; a path that ends in
    a slash is a directory, with empty content. `truths`: the rows that a scrape with default settings shows of them.
    """

    def files(self, seconds: float) -> dict[str, bytes]: ...

    def truths(self, seconds: float) -> Iterable[Row]: ...
