"""Collector rdma_lens: counters of RDMA ports, as the Lens node exporter names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from nodescope.collectors.joined import Loop
from nodescope.collectors.newest import Newest
from nodescope.collectors.rdma.counter_families import CounterFamilies
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.lens_rdma import GROUP, METRICS, NO_PORT, stat
from nodescope.profiles.rdma_native import Counted
from nodescope.records.rdma import RdmaCounter, RdmaSource
from nodescope.sampler import Snapshot
from nodescope.settings import Settings

SYSFS: Final = "sysfs"


class RdmaLensCollector:
    """The counters that `rdma statistic show` prints, a gauge for each.

    *Source*: the newest snapshot of the RDMA sampler: hw_counters of ports. *Absent when*: there is no device; a
    counter that the device does not have. *Cost*: none but for making the families of a new snapshot.
    """

    name: ClassVar[str] = "rdma_lens"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._counters = CounterFamilies(_gauge, NO_PORT)
        self._newest = Newest()

    def collect(self) -> list[Family]:
        return self._newest.of(self._loop.fresh(), self._families)

    def _families(self, snapshot: Snapshot) -> list[Family]:
        families = self._counters.families(_of_ports(snapshot.records))
        self.left_out = self._counters.left_out
        return families


def _gauge(counter: str) -> Counted | None:
    metric = stat(counter)
    return None if metric is None else Counted(metric)


def _of_ports(records: tuple[Any, ...]) -> Iterator[RdmaCounter]:
    """What rdma prints. Of sysfs a counter without a port is the device's, of rdma one whose port it did not tell."""
    kinds = {record.kind for record in records if isinstance(record, RdmaSource)}
    for record in records:
        if (
            isinstance(record, RdmaCounter)
            and record.group == GROUP
            and (record.port is not None or SYSFS not in kinds)
        ):
            yield record


def build(host: Host, settings: Settings, loop: Loop) -> RdmaLensCollector:
    return RdmaLensCollector(loop)
