"""Records of what `docker stats` prints of containers and of the engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from nodescope.records.container import ContainerUse, RuntimeStatus
from nodescope.records.container_view import ContainerView

DOCKER: Final = "docker"
RUNTIMES: Final = frozenset({DOCKER, "podman"})
KNOWS_DOCKERS: Final = RUNTIMES | {"containerd"}
"""containerd runs Docker's containers, and tells of them where Docker's own socket may not be opened."""
SHOWN: Final = frozenset({"running", "paused", "restarting"})
"""States of containers that `docker stats` lists."""
PERCENT: Final = 100
KIBIBYTE: Final = 1024
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL: Final = ("B", "kB", "MB", "GB", "TB", "PB")


class DockerEngine(msgspec.Struct, frozen=True, kw_only=True):
    """What the process dockerd uses. `cpu_percent`: of one CPU, over the time since the sample before."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_bytes: int | None = None

    @property
    def memory_kilobytes(self) -> float | None:
        """As `ps` prints it."""
        return None if self.memory_bytes is None else self.memory_bytes / KIBIBYTE


class DockerStatsExporter(msgspec.Struct, frozen=True, kw_only=True):
    """The exporter itself, which says that it runs whether or not there is a runtime."""


class DockerContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container as `docker stats` shows it; the texts None where a part of them is not known.

    `name`: each once, for some names of this dialect have no id beside it: of several containers called so by several
    engines, running or not, all but the first are NAME/ID. `memory_percent`: of its limit, else of the host's memory.
    """

    name: str
    id: str
    cpu_percent: float | None
    memory_percent: float | None
    memory_bytes: int | None
    receive_bytes: int | None
    transmit_bytes: int | None
    memory_usage: str | None
    network_io: str | None
    block_io: str | None


class DockerTotals(msgspec.Struct, frozen=True, kw_only=True):
    """All containers together. `cpu_percent`: None where that of none is known."""

    containers: int
    cpu_percent: float | None


def docker_containers(views: Iterable[ContainerView], host_memory_bytes: int | None) -> list[DockerContainer]:
    """The containers that `docker stats` would list. `host_memory_bytes`: the limit of those that have none."""
    told = [view for view in views if view.container.runtime in RUNTIMES]
    listed = [view for view in told if view.container.state in SHOWN]
    # A name is an engine's as long as any container there has it, running or not: who starts takes it from no one.
    engines: dict[str, tuple[str, int | None]] = {}
    for view in sorted(told, key=_precedence):
        engines.setdefault(view.container.name, _engine(view))
    first: dict[str, str] = {}
    for view in sorted(listed, key=_precedence):
        if engines[view.container.name] == _engine(view):
            first.setdefault(view.container.name, view.container.key)
    return [_shown(view, host_memory_bytes, first.get(view.container.name) == view.container.key) for view in listed]


def tells_all(status: RuntimeStatus) -> bool:
    """Whether a runtime answers that knows of Docker's containers: then none is none."""
    return status.state == "ok" and status.runtime in KNOWS_DOCKERS


def totals(containers: Sequence[DockerContainer]) -> DockerTotals:
    """Their number and the sum of their CPU percentages."""
    known = [container.cpu_percent for container in containers if container.cpu_percent is not None]
    return DockerTotals(containers=len(containers), cpu_percent=sum(known) if known else None)


def size(count: float, units: Sequence[str], step: int, digits: int) -> str:
    """A number of bytes as Docker writes it, with so many digits: 1536 -> "1.5KiB"."""
    unit = 0
    while count >= step and unit < len(units) - 1:
        count /= step
        unit += 1
    return f"{count:.{digits}g}{units[unit]}"


def _engine(view: ContainerView) -> tuple[str, int | None]:
    return view.container.runtime, view.container.engine_uid


def _precedence(view: ContainerView) -> tuple[bool, bool, float, str]:
    """The host's Docker first, then its podman, then users' engines; of these who was first to have such a one."""
    container = view.container
    created = math.inf if container.created_seconds is None else container.created_seconds
    return container.engine_uid is not None, container.runtime != DOCKER, created, container.key


def _shown(view: ContainerView, host_memory_bytes: int | None, is_first: bool) -> DockerContainer:
    used = _memory_bytes(view.use) if view.use else None
    limits = [limit for limit in (view.memory_limit_bytes, host_memory_bytes) if limit]
    limit = min(limits, default=None)
    return DockerContainer(
        name=view.container.name if is_first else f"{view.container.name}/{view.short_id}",
        id=view.short_id,
        cpu_percent=view.use.cpu_percent if view.use else None,
        memory_percent=None if used is None or limit is None else PERCENT * used / limit,
        memory_bytes=used,
        receive_bytes=view.receive_bytes,
        transmit_bytes=view.transmit_bytes,
        memory_usage=_pair(used, limit, _BINARY, KIBIBYTE, 4),
        network_io=_pair(view.receive_bytes, view.transmit_bytes, _DECIMAL, 1000, 3),
        block_io=_pair(view.read_bytes, view.written_bytes, _DECIMAL, 1000, 3),
    )


def _memory_bytes(use: ContainerUse) -> int | None:
    """The working set; all that is in use where nothing would be left of it, as Docker's client has it."""
    return use.memory_used_bytes if use.memory_working_set_bytes == 0 else use.memory_working_set_bytes


def _pair(first: int | None, second: int | None, units: Sequence[str], step: int, digits: int) -> str | None:
    if first is None or second is None:
        return None
    return f"{size(first, units, step, digits)} / {size(second, units, step, digits)}"
