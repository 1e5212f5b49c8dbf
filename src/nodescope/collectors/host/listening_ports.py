"""Collector listening_ports: TCP ports that the host listens on."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.listening import PROFILE
from nodescope.records.listening import ListeningTables
from nodescope.sampler import Snapshot
from nodescope.settings import Settings


class ListeningPortsCollector:
    """Which TCP ports are listened on, over IPv4 (`tcp`) and IPv6 (`tcp6`).

    *Source*: the newest snapshot of `ListeningPortsSampler`. *Absent when*: the kernel has no TCP. *Cost*: none at
    scrape.
    """

    name: ClassVar[str] = "listening_ports"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)
        self._last: Snapshot | None = None
        self._malformed = 0

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        if snapshot is not self._last:
            tables = [record for record in snapshot.records if isinstance(record, ListeningTables)]
            malformed = sum(table.malformed_rows_total for table in tables)
            self.left_out = sum(table.dropped for table in tables) + max(0, malformed - self._malformed)
            self._last, self._malformed = snapshot, malformed
        return self._shown.families(snapshot)


def build(host: Host, settings: Settings, loop: Loop) -> ListeningPortsCollector:
    return ListeningPortsCollector(loop)
