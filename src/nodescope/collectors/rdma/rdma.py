"""Collector rdma: RDMA devices, ports and counters under names of their own."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop
from nodescope.collectors.newest import Newest
from nodescope.collectors.rdma.counter_families import CounterFamilies
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.rdma_native import KNOWN, PROFILE, counted
from nodescope.records.rdma import RdmaCounter, RdmaSource
from nodescope.sampler import Snapshot
from nodescope.settings import Settings


class RdmaCollector:
    """RDMA devices of every vendor: what they are, how their links are, and all that they count.

    *Source*: the newest snapshot of the RDMA sampler. *Units*: bytes, bytes per second, packets, events. A counter of
    the device, not of a port, has an empty label `port`. *Absent when*: there is no device; an attribute or a counter
    that the device does not have. Beyond those listed there is a family for each other counter of a driver. *Cost*:
    none but for making the families of a new snapshot.
    """

    name: ClassVar[str] = "rdma"
    metrics: ClassVar[tuple[Metric, ...]] = (*metrics(PROFILE), *(known.metric for known in KNOWN.values()))
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)
        self._counters = CounterFamilies(counted)
        self._newest = Newest()

    def collect(self) -> list[Family]:
        return self._newest.of(self._loop.fresh(), self._families)

    def _families(self, snapshot: Snapshot) -> list[Family]:
        records = snapshot.records
        counters = self._counters.families(record for record in records if isinstance(record, RdmaCounter))
        self.left_out = self._counters.left_out
        self.left_out += sum(record.left_out for record in records if isinstance(record, RdmaSource))
        return [*self._shown.render(records), *counters]


def build(host: Host, settings: Settings, loop: Loop) -> RdmaCollector:
    return RdmaCollector(loop)
