"""Load averages."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Host, Malformed
from nodescope.kernel.number import decimal
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

LOAD: Final = (
    Metric("node_load1", "gauge", "1m load average."),
    Metric("node_load5", "gauge", "5m load average."),
    Metric("node_load15", "gauge", "15m load average."),
)


def parse_loadavg(data: bytes, source: str) -> list[float]:
    """The averages over 1, 5 and 15 minutes."""
    loads = [load for load in map(decimal, data.split(None, len(LOAD))[: len(LOAD)]) if load is not None]
    if len(loads) < len(LOAD):
        raise Malformed(source, data, "three load averages")
    return loads


class LoadavgCollector:
    """Load averages over 1, 5 and 15 minutes.

    *Source*: /proc/loadavg, proc_loadavg(5). *Units*: processes that run or wait. *Absent when*: the file is not
    there. *Cost*: one read.
    """

    name: ClassVar[str] = "loadavg"
    metrics: ClassVar[tuple[Metric, ...]] = LOAD
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("loadavg")
        self._loads = Unlabelled()

    def collect(self) -> list[Family]:
        return self._loads.families(LOAD, parse_loadavg(self._host.read(self._path, at_once=True), self._path))


def build(host: Host, settings: Settings) -> LoadavgCollector:
    return LoadavgCollector(host)
