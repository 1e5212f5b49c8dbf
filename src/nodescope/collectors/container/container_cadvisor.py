"""Collector container_cadvisor: containers under cAdvisor's names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop, failed
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.cadvisor import PROFILE
from nodescope.records.container_networks import once
from nodescope.records.container_view import ContainerNetworkView, ContainerView, views
from nodescope.sampler import Snapshot
from nodescope.settings import Settings


class ContainerCadvisorCollector:
    """What cAdvisor shows of containers, as far as cgroups, network namespaces and runtimes tell it.

    *Source*: the newest snapshot of the containers' sampler. *Units*: seconds, bytes, microseconds for CPU quotas.
    *Absent when*: there is no runtime; a container has no cgroup any more, for it has ended; a value that its cgroup
    does not tell. *Cost*: none but for making the families of a new snapshot. `left_out`: samplers that failed.
    """

    name: ClassVar[str] = "container_cadvisor"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = failed(self._loop)
        return self._shown.families(snapshot, lambda _: _told(snapshot))


def _told(snapshot: Snapshot) -> Iterator[Any]:
    """What has ended has no cgroup, and is not told of; each network namespace is told of once."""
    networks: list[ContainerNetworkView] = []
    for view in views(snapshot.records, snapshot.time_seconds):
        if type(view) is ContainerNetworkView:
            networks.append(view)
        elif type(view) is not ContainerView or view.use is not None:
            yield view
    yield from once(networks)


def build(host: Host, settings: Settings, loop: Loop) -> ContainerCadvisorCollector:
    return ContainerCadvisorCollector(loop)
