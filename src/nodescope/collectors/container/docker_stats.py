"""Collector docker_stats: containers under the names of the worker docker-stats exporter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from nodescope.collectors.columns import Columns, Shown, metrics
from nodescope.collectors.container.docker_engine import EngineProcess
from nodescope.collectors.joined import Loop, failed
from nodescope.collectors.newest import Newest
from nodescope.host import Absent, Host
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric
from nodescope.profiles.docker_stats_worker import PROFILE, TEXT_ROWS
from nodescope.records.container import RuntimeStatus
from nodescope.records.container_view import ContainerView, views
from nodescope.records.docker_stats import DockerContainer, DockerStatsExporter, docker_containers, tells_all, totals
from nodescope.sampler import Snapshot
from nodescope.settings import Settings

KIBIBYTE: Final = 1024
MEMORY_TOTAL: Final = b"MemTotal:"


class DockerStatsCollector:
    """What `docker stats` prints, without calling it: from cgroups.

    *Source*: the newest snapshot of the containers' sampler; /proc/meminfo (proc_meminfo(5)) for the host's memory,
    which is the limit of a container that has none; the process of dockerd. *Units*: percent (of one CPU), bytes,
    kibibytes. *Absent when*: there is no runtime; a container is not running; a value that its cgroup does not tell;
    of the engine, where /run/docker.pid does not name it; without a runtime all but that the exporter runs; the number
    of containers, where no runtime answers and no container is known. *Cost*:
    three files, and making the families of a new snapshot. `left_out`: samplers that failed.
    """

    name: ClassVar[str] = "docker_stats"
    metrics: ClassVar[tuple[Metric, ...]] = (
        *metrics(PROFILE),
        *(row.metric for rows in TEXT_ROWS.values() for row in rows),
    )
    left_out: int = 0

    def __init__(self, host: Host, loop: Loop) -> None:
        self._host = host
        self._loop = loop
        self._engine = EngineProcess(host)
        self._shown = Shown(PROFILE)
        self._texts = {field: Columns(rows) for field, rows in TEXT_ROWS.items()}
        self._newest = Newest()
        self._exporter = Shown(PROFILE).render((DockerStatsExporter(),))

    def collect(self) -> list[Family]:
        try:
            snapshot = self._loop.fresh()
        except Absent:
            self.left_out = 0
            return self._exporter
        self.left_out = failed(self._loop)
        return self._newest.of(snapshot, self._families)

    def _families(self, snapshot: Snapshot) -> list[Family]:
        records = tuple(views(snapshot.records, snapshot.time_seconds))
        memory = memory_total_bytes(self._host)
        containers = docker_containers((record for record in records if type(record) is ContainerView), memory)
        engine = self._engine.read(memory)
        known = containers or any(type(record) is RuntimeStatus and tells_all(record) for record in records)
        told = (*((totals(containers),) if known else ()), *((engine,) if engine else ()), *containers)
        families = [*self._exporter, *self._shown.render(told)]
        for field, columns in self._texts.items():
            families += columns.render(_telling(containers, field))
        return families


def memory_total_bytes(host: Host) -> int | None:
    """MemTotal of /proc/meminfo, None where it cannot be read."""
    try:
        first = host.read_seldom(host.proc("meminfo")).split(b"\n", 1)[0].split()
    except (Absent, OSError):
        return None
    kibibytes = uint64(first[1]) if len(first) == 3 and first[0] == MEMORY_TOTAL else None
    return None if kibibytes is None else kibibytes * KIBIBYTE


def _telling(containers: Iterable[DockerContainer], field: str) -> list[DockerContainer]:
    return [container for container in containers if getattr(container, field) is not None]


def build(host: Host, settings: Settings, loop: Loop) -> DockerStatsCollector:
    return DockerStatsCollector(host, loop)
