"""Whose the processes on the GPUs are: process -> cgroup -> container -> pod, user, Slurm job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from nodescope.containers.cgroup.path import ContainerPath, container_of
from nodescope.containers.cgroup.path import Holder as CgroupHolder
from nodescope.host import Absent, Malformed
from nodescope.ownership.holder import NOBODY, Holder, of_container, of_process
from nodescope.records.container import Container
from nodescope.records.gpu_snapshot import GpuProcess

LIVE: Final = frozenset({"running", "paused"})
"""States of containers with processes."""
MIN_SHORT_ID: Final = 12


class Cgroups(Protocol):
    """What tells of processes: `ProcessCgroups`."""

    def of(self, pid: int) -> CgroupHolder: ...

    def paths(self, pid: int) -> Sequence[str]: ...


class Containers:
    """Containers by what a cgroup's path tells of them, or by the path itself where that does not name them.

    containerd's may be in any cgroup: `ctr run --cgroup`, or with systemd as the driver.
    """

    def __init__(self, containers: Iterable[Container]) -> None:
        self._ids: dict[str, Container] = {}
        self._names: dict[tuple[str | None, str], Container] = {}
        self._paths: dict[str, Container] = {}
        self._pods: dict[str, Container] = {}
        for container in containers:
            if container.pod_uid and container.pod_name:
                self._pods[container.pod_uid] = container
            # containerd tells of Docker's and the CRI's containers too, with less: theirs go first.
            known = self._ids.get(container.id)
            if known is None or known.runtime == "containerd":
                self._ids[container.id] = container
            self._names[container.namespace, container.id] = container
            cgroup = (container.cgroup or "").rstrip("/")
            # One that has ended may have been in the cgroup before.
            has_place = container.state in LIVE or cgroup not in self._paths
            if cgroup and has_place and not _names_itself(container, cgroup):
                self._paths[cgroup] = container

    def at(self, path: ContainerPath) -> Container | None:
        """The container that a path names, None where no runtime knows it."""
        return self._ids.get(path.id) if path.certain else self._names.get((path.namespace, path.id))

    def pod_of(self, path: ContainerPath) -> tuple[str | None, str | None]:
        """Name and namespace of the pod that a path is in, where another container of it is known.

        A sandbox is no container to its runtime, and gVisor runs a whole pod in it.
        """
        known = self._pods.get(path.pod_uid or "")
        return (known.pod_name, known.pod_namespace) if known else (None, None)

    def around(self, pid: int, cgroups: Cgroups) -> Container | None:
        """The container whose cgroup a process is in, or in one below it, where no path names it."""
        if not self._paths:
            return None
        try:
            paths = cgroups.paths(pid)
        except (Absent, Malformed, OSError):
            return None
        for path in paths:
            while path:
                if path in self._paths:
                    return self._paths[path]
                path = path.rpartition("/")[0]
        return None


def owners(
    processes: Iterable[GpuProcess],
    cgroups: Cgroups,
    containers: Containers,
    user_name: Callable[[int], str | None] = str,
) -> dict[int, Holder]:
    """pid -> whose the process is. One that is gone, or cannot be looked at, is nobody's, or its known user's.

    A container that only its cgroup names is a holder by its id alone.
    """
    found: dict[int, Holder] = {}
    for process in processes:
        pid, user = process.reading.pid, process.reading.user
        if pid in found:
            continue
        place = _place(pid, cgroups)
        found[pid] = NOBODY if place is None else _holder(pid, place, containers, cgroups, user, user_name)
    return found


def _place(pid: int, cgroups: Cgroups) -> CgroupHolder | None:
    try:
        return cgroups.of(pid)
    except (Absent, Malformed, OSError):
        return None


def _holder(
    pid: int,
    place: CgroupHolder,
    containers: Containers,
    cgroups: Cgroups,
    user: str | None,
    user_name: Callable[[int], str | None],
) -> Holder:
    # Who started the job or the session, whatever the process runs as; of a container in it, too.
    starter = None if place.uid is None else user_name(place.uid)
    user = starter or user
    path = place.container
    # Of containers within containers the innermost that a runtime here knows: none may know one that a pod started.
    around = (path, *place.outer) if path else ()
    for one in around:
        container = containers.at(one)
        if container is None:
            continue
        if not _is_own(container, one, cgroups):
            return of_process(user, place.slurm_job)
        return _in(container, place, starter)
    told = containers.around(pid, cgroups)
    if told is not None:
        return _in(told, place, starter)
    if path is not None and path.certain:
        # What is below a user's slice that user may call by any pod.
        pod = containers.pod_of(path) if place.uid is None else (None, None)
        return Holder(path.id, path.id, path.id[:MIN_SHORT_ID], path.runtime, *pod, starter, place.slurm_job)
    return of_process(user, place.slurm_job)


def _in(container: Container, place: CgroupHolder, starter: str | None) -> Holder:
    known = of_container(container)
    return known._replace(slurm_job=known.slurm_job or place.slurm_job, user=known.user or starter)


def _names_itself(container: Container, cgroup: str) -> bool:
    """Whether the path of a container's cgroup says which container it is of."""
    named = container_of(cgroup)
    return named is not None and named.id == container.id and (named.certain or named.namespace == container.namespace)


def _is_own(container: Container, path: ContainerPath, cgroups: Cgroups) -> bool:
    """Whether a path that names a container is its own: users may call cgroups of theirs by another's id.

    It is where the container's first process is; nobody can tell where that is not known.
    """
    if container.pid is None or path.cgroup is None:
        return True
    try:
        own = cgroups.of(container.pid).container
    except (Absent, Malformed, OSError):
        return True
    return own is None or own.id != path.id or own.cgroup in (None, path.cgroup)


def holders_of_devices(processes: Iterable[GpuProcess], of: Mapping[int, Holder]) -> dict[str, dict[str, Holder]]:
    """UUID of a GPU or a partition -> who uses it, by key. Processes of no one known are left out."""
    found: dict[str, dict[str, Holder]] = {}
    for process in processes:
        holder = of.get(process.reading.pid, NOBODY)
        if holder is not NOBODY:
            found.setdefault(process.reading.instance_uuid or process.identity.uuid, {})[holder.key] = holder
    return found
