"""Records of containers joined for showing: what a container is beside what it uses, does, and has of each device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from nodescope.records.container import (
    SHORT_ID_CHARACTERS,
    Container,
    ContainerIo,
    ContainerNetwork,
    ContainerUse,
    ContainerWithoutNetwork,
    RuntimeStatus,
)

CFS_PERIOD_MICROSECONDS: Final = 100_000
"""The period that runtimes set where nobody asks for another."""
STATES: Final = ("created", "running", "paused", "restarting", "exited", "dead")
HEALTH: Final = ("starting", "healthy", "unhealthy")
NO_HEALTH_CHECK: Final = -1
PERCENT: Final = 100
ACCELERATING: Final = frozenset({"gpu", "rdma"})
"""Kinds of devices that are told of each container; all others are everyone's."""
_UP: Final = frozenset({"running", "paused"})
_ALIVE: Final = frozenset({*_UP, "restarting"})


class ContainerView(msgspec.Struct, frozen=True, kw_only=True):
    """A container and what it uses; `use` None where its cgroup was not read. `seen_seconds`: the snapshot's Unix time.

    `receive_bytes`, `transmit_bytes`, `read_bytes`, `written_bytes`: over all its interfaces and devices. What was read
    and written is 0 where its cgroup tells of no device, what was received and sent where it has no interface; None
    where that is not told.
    """

    container: Container
    use: ContainerUse | None = None
    seen_seconds: float
    receive_bytes: int | None = None
    transmit_bytes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None

    @property
    def cgroup(self) -> str:
        """The cgroup's path, else the key."""
        return (self.use.cgroup if self.use else self.container.cgroup) or self.container.key

    @property
    def short_id(self) -> str:
        """As `docker ps` has it."""
        return self.container.id[:SHORT_ID_CHARACTERS]

    @property
    def memory_limit_bytes(self) -> int | None:
        """That of the cgroup, else what the runtime says."""
        found = self.use.memory_limit_bytes if self.use else None
        return self.container.memory_limit_bytes if found is None else found

    @property
    def memory_limit_bytes_or_0(self) -> int | None:
        """0 for a container that has none, as cAdvisor has it."""
        return (self.memory_limit_bytes or 0) if self.use else self.memory_limit_bytes

    @property
    def memory_swap_limit_bytes_or_0(self) -> int | None:
        """0 for a container that has none, as cAdvisor has it."""
        use = self.use
        return None if use is None or use.memory_used_bytes is None else use.memory_swap_limit_bytes or 0

    @property
    def memory_reservation_bytes_or_0(self) -> int | None:
        """0 for a container that has none, as cAdvisor has it."""
        use = self.use
        return None if use is None or use.memory_used_bytes is None else use.memory_reservation_bytes or 0

    @property
    def own_page_faults(self) -> int | None:
        """Without those of cgroups below its own, where that is told."""
        use = self.use
        found = use.own_page_faults if use else None
        return found if found is not None or use is None else use.page_faults

    @property
    def own_major_page_faults(self) -> int | None:
        """As `own_page_faults`."""
        use = self.use
        found = use.own_major_page_faults if use else None
        return found if found is not None or use is None else use.major_page_faults

    @property
    def health_number(self) -> int:
        """1 for healthy, -1 where no check is defined, else 0, as cAdvisor has it."""
        return NO_HEALTH_CHECK if self.container.health is None else int(self.container.health == "healthy")

    @property
    def memory_available_bytes(self) -> int | None:
        """What is left below the limit, None without one."""
        used = self.use.memory_working_set_bytes if self.use else None
        limit = self.memory_limit_bytes
        return None if used is None or not limit else max(0, limit - used)

    @property
    def memory_percent(self) -> float | None:
        """The working set as a share of the limit; None without a limit."""
        used = self.use.memory_working_set_bytes if self.use else None
        limit = self.memory_limit_bytes
        return None if used is None or not limit else PERCENT * used / limit

    @property
    def cpu_limit_cores(self) -> float | None:
        found = self.use.cpu_limit_cores if self.use else None
        return self.container.cpu_limit_cores if found is None else found

    @property
    def cpu_period_microseconds(self) -> int | None:
        """That of the cgroup, whether it has a quota or not; else the usual one where there is a limit."""
        found = self.use.cpu_period_microseconds if self.use else None
        return CFS_PERIOD_MICROSECONDS if found is None and self.cpu_limit_cores else found

    @property
    def cpu_quota_microseconds(self) -> int | None:
        """As of the period: limits are in cores."""
        cores, period = self.cpu_limit_cores, self.cpu_period_microseconds
        return round(cores * period) if cores and period else None

    @property
    def pids_limit(self) -> int | None:
        found = self.use.pids_limit if self.use else None
        return self.container.pids_limit if found is None else found

    @property
    def pids_limit_or_0(self) -> int | None:
        """0 for a container that has none, as cAdvisor has it."""
        return (self.pids_limit or 0) if self.use else self.pids_limit

    @property
    def uptime_seconds(self) -> float | None:
        """How long it has been running, None where it is not."""
        started = self.container.started_seconds
        up = self.container.state in _UP
        return max(0.0, self.seen_seconds - started) if up and started is not None else None

    @property
    def oom_killed(self) -> int:
        """1 where its runtime says so, or its cgroup counted a kill."""
        return int(self.container.oom_killed or bool(self.use and self.use.oom_kills))

    @property
    def exit_code(self) -> int | None:
        """None where it has not ended."""
        return None if self.container.state in _ALIVE else self.container.exit_code


class ContainerIoView(msgspec.Struct, frozen=True, kw_only=True):
    """What a container reads from and writes to one device."""

    container: Container
    cgroup: str
    io: ContainerIo

    @property
    def device(self) -> str:
        """Its path, else its numbers."""
        return f"/dev/{self.io.name}" if self.io.name else self.io.device

    @property
    def major(self) -> str:
        return self.io.device.partition(":")[0]

    @property
    def minor(self) -> str:
        return self.io.device.partition(":")[2]


class ContainerNetworkView(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface of a container."""

    container: Container
    cgroup: str
    network: ContainerNetwork


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a container is in a state, 1 or 0: one for each state that there is, and for each there is of its health.

    Of `state_active` and `health_active` one is None.
    """

    container: Container
    state: str
    state_active: int | None = None
    health_active: int | None = None


class ContainerLabel(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a container that may be shown."""

    container: Container
    name: str
    value: str


class ContainerGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU or an RDMA device that a container was given or asked for, whether this node has it or not.

    `device`: its path under /dev, else the words of the request.
    """

    container: Container
    kind: str
    evidence: str
    vendor: str | None
    device: str | None


class RuntimeContainers(msgspec.Struct, frozen=True, kw_only=True):
    """How many containers a runtime tells of; there is none of a runtime that does not answer."""

    runtime: str
    socket: str
    containers: int


def views(records: Iterable[Any], seen_seconds: float) -> Iterator[Any]:
    """The records of a snapshot, containers joined with what is told of them; what is no container's is as it was.

    What is told of a container that is not there is left out, and a container that two runtimes tell of is there once:
    containerd tells of Docker's and the CRI's too.
    """
    records = tuple(records)
    containers = _once(record for record in records if type(record) is Container)
    uses = {record.id: record for record in records if type(record) is ContainerUse}
    without_network = {record.id for record in records if type(record) is ContainerWithoutNetwork}
    io, networks = _by_id(records, ContainerIo), _by_id(records, ContainerNetwork)
    for container in containers.values():
        own_io, own_networks = io.get(container.key, ()), networks.get(container.key, ())
        use = uses.get(container.key)
        no_io = 0 if use is not None and use.no_io else None
        no_traffic = 0 if container.key in without_network else None
        view = ContainerView(
            container=container,
            use=use,
            seen_seconds=seen_seconds,
            receive_bytes=_sum(own_networks, "receive_bytes") if own_networks else no_traffic,
            transmit_bytes=_sum(own_networks, "transmit_bytes") if own_networks else no_traffic,
            read_bytes=_sum(own_io, "read_bytes") if own_io else no_io,
            written_bytes=_sum(own_io, "written_bytes") if own_io else no_io,
        )
        yield view
        for known in own_io:
            yield ContainerIoView(container=container, cgroup=view.cgroup, io=known)
        for known in own_networks:
            yield ContainerNetworkView(container=container, cgroup=view.cgroup, network=known)
    joined = (Container, ContainerUse, ContainerIo, ContainerNetwork, ContainerWithoutNetwork)
    yield from (record for record in records if type(record) not in joined)


def states(containers: Iterable[Container]) -> Iterator[ContainerState]:
    """Every state of each container, 1 for the one that it is in; health only where a check is defined."""
    for container in containers:
        for state in STATES:
            yield ContainerState(container=container, state=state, state_active=int(container.state == state))
        if container.health is not None:
            for state in HEALTH:
                yield ContainerState(container=container, state=state, health_active=int(container.health == state))


def labels(containers: Iterable[Container]) -> Iterator[ContainerLabel]:
    """Those that a container still has are those that may be shown."""
    for container in containers:
        for name, value in container.labels.items():
            yield ContainerLabel(container=container, name=name, value=value)


def given(containers: Iterable[Container]) -> Iterator[ContainerGiven]:
    """GPUs and RDMA devices of each container, each once."""
    for container in containers:
        rows = {(one.kind, one.evidence, one.vendor, one.path or one.request): None for one in container.devices}
        for kind, evidence, vendor, device in rows:
            if kind in ACCELERATING:
                yield ContainerGiven(container=container, kind=kind, evidence=evidence, vendor=vendor, device=device)


def runtime_containers(statuses: Iterable[RuntimeStatus]) -> Iterator[RuntimeContainers]:
    """The numbers of those that are ok."""
    for status in statuses:
        if status.state == "ok":
            yield RuntimeContainers(runtime=status.runtime, socket=status.socket, containers=status.containers)


def _once(containers: Iterable[Container]) -> dict[str, Container]:
    found: dict[str, Container] = {}
    for container in containers:
        known = found.get(container.key)
        if known is None or known.runtime == "containerd":
            found[container.key] = container
    return found


def _by_id(records: Iterable[Any], kind: type[ContainerIo | ContainerNetwork]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for record in records:
        if isinstance(record, kind):
            found.setdefault(record.id, []).append(record)
    return found


def _sum(records: Iterable[Any], field: str) -> int | None:
    values = [value for record in records if (value := getattr(record, field)) is not None]
    return sum(values) if values else None
