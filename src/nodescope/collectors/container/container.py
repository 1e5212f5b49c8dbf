"""Collector container: containers, and who holds which device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop, failed
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.container_native import PROFILE
from nodescope.records.container import RuntimeStatus
from nodescope.records.container_view import ContainerView, given, labels, runtime_containers, states, views
from nodescope.sampler import Snapshot
from nodescope.settings import Settings


class ContainerCollector:
    """Containers of every runtime under OpenTelemetry's names.

    *Source*: the newest snapshot of the containers' sampler. *Units*: seconds, bytes, CPUs, ratios, watts, joules.
    *Absent when*: there is no runtime; a value that its cgroup or its runtime does not tell; limits that are not set.
    *Cost*: none but for making the families of a new snapshot. `left_out`: samplers that failed.
    """

    name: ClassVar[str] = "container"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = failed(self._loop)
        return self._shown.families(snapshot, lambda _: _made(snapshot))


def _made(snapshot: Snapshot) -> Iterable[Any]:
    joined = tuple(views(snapshot.records, snapshot.time_seconds))
    containers = [record.container for record in joined if type(record) is ContainerView]
    return (
        *joined,
        *states(containers),
        *labels(containers),
        *given(containers),
        *runtime_containers(record for record in joined if type(record) is RuntimeStatus),
    )


def build(host: Host, settings: Settings, loop: Loop) -> ContainerCollector:
    return ContainerCollector(loop)
