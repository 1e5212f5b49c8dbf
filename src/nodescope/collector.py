"""The contract of a collector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from nodescope.metric import Family, Metric


class Collector(Protocol):
    """Reads one cheap kernel file at scrape, or renders the newest snapshot.

    The constructor touches nothing on the host. `collect` raises `Absent` where the hardware or file is not
    there; any other exception is a failure, and the runner drops this collector's families for that pass.
    `left_out`: how many lines, files and devices the newest run could not use, for they were not as documented.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    left_out: int

    def collect(self) -> Iterable[Family]: ...
