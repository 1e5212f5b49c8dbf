"""Which container, Slurm job and user the path of a cgroup names.

A path is only a hint: who may make cgroups may give them any name. A runtime that knows the id confirms it.
Sources: cgroups(7), cgroup_namespaces(7); OCI runtime-spec config-linux.md (cgroupsPath), runc docs/systemd.md; the
names that Docker, containerd, CRI-O, podman, the kubelet, Slurm (cgroup_v2.html) and systemd give (systemd.slice(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_PATH_CHARS: Final = 4096
"""PATH_MAX; a longer path names nothing."""
DELETED: Final = " (deleted)"
"""The kernel puts this behind the path of a cgroup that was removed while a process was still in it."""

PODMAN_PARENT: Final = "libpod_parent"
_HEX: Final = r"(?P<id>[0-9a-f]{64})"
# The name of a cgroup (the last part of its path) -> the runtime that gives such names, None where several do.
_LEAVES: Final[tuple[tuple[re.Pattern[str], str | None], ...]] = tuple(
    (re.compile(pattern), runtime)
    for pattern, runtime in (
        (_HEX, None),
        (rf"docker-{_HEX}\.scope", "docker"),
        (rf"cri-containerd-{_HEX}\.scope", "cri-containerd"),
        # "SLICE:PREFIX:ID", where whoever named it took systemd for the driver and the OCI runtime did not.
        (rf"(?:[^:]*:)?docker:{_HEX}", "docker"),
        (rf"(?:[^:]*:)?cri-containerd:{_HEX}", "cri-containerd"),
        (rf"(?:[^:]*:)?nerdctl:{_HEX}", "containerd"),
        (rf"(?:[^:]*:)?libpod:{_HEX}", "podman"),
        (rf"nerdctl-{_HEX}\.scope", "containerd"),
        (rf"crio-{_HEX}(?:\.scope)?", "cri-o"),
        (rf"(?:[^:]*:)?crio:{_HEX}", "cri-o"),
        (rf"libpod-(?:payload-)?{_HEX}(?:\.scope)?", "podman"),
    )
)
# Also in the slice of "kubepods-pod<uid>.slice:cri-containerd:<id>".
_POD: Final = re.compile(
    r"(?:kubepods|.*-kubepods)?(?:-(?:burstable|besteffort|guaranteed))?-?pod"
    r"(?P<uid>[0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice(?::.*)?)?"
)
_UNIT: Final = re.compile(r".*\.(?:slice|scope|service|mount|socket|swap|target)")
_NOT_NAMESPACES: Final = frozenset({"docker", "kubepods", PODMAN_PARENT, "lxc", "machine", "slurm", "user", "system"})
_NAME: Final = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
"""Names of namespaces and containers that containerd accepts (its `identifiers`)."""
MAX_NAME_CHARS: Final = 76
_SLURM: Final = re.compile(r"(?:.*_)?slurmstepd\.scope|slurm(?:_.+)?")
_SLURM_PART: Final = re.compile(r"job_(?P<job>[0-9]{1,10})|uid_(?P<uid>[0-9]{1,10})")
_USER: Final = re.compile(r"user-(?P<uid>[0-9]{1,10})\.slice")
_ABOVE_USERS: Final[tuple[list[str], ...]] = ([], ["user.slice"])
"""Where the host's systemd has users' slices; one elsewhere is of another system's users, in a container or machine."""


class ContainerPath(NamedTuple):
    """The container that a cgroup path names.

    `runtime`: as `Container.runtime`, None where several name cgroups so. `id`: 64 hexadecimal digits, or with
    containerd the name, then with its `namespace` and not `certain`: any two parts can look like those.
    `nested`: a part above names a container too (or a parent that was chosen to look so). `cgroup`: the container's
    own, without what is below it; None where the path is told from within another cgroup namespace ("/../...").
    """

    runtime: str | None
    id: str
    pod_uid: str | None = None
    nested: bool = False
    certain: bool = True
    namespace: str | None = None
    cgroup: str | None = None


class Holder(NamedTuple):
    """Who a process belongs to, as far as its cgroups tell.

    `container`: the innermost. `uid`: of a user slice or a Slurm job. `outer`: the containers that `container` is in,
    the innermost first; also a parent that was chosen to look like one, so a runtime has to know it.
    """

    container: ContainerPath | None = None
    slurm_job: str | None = None
    uid: int | None = None
    outer: tuple[ContainerPath, ...] = ()


NOBODY: Final = Holder()


def container_of(path: str) -> ContainerPath | None:
    """The innermost container that `path`, or a part above it, names; None where none is named."""
    return next(containers_of(path), None)


def containers_of(path: str) -> Iterator[ContainerPath]:
    """All containers that `path` names, the innermost first: the host's runtime may know an outer one alone."""
    parts, outside = parts_of(path)
    leaves = [
        # podman's pods have a bare id there; its containers do not.
        None if depth and parts[depth - 1] == PODMAN_PARENT and part.isalnum() else leaf_container(part)
        for depth, part in enumerate(parts)
    ]
    for depth in range(len(parts), 0, -1):
        leaf = leaves[depth - 1]
        if leaf is None:
            continue
        runtime, container_id = leaf
        pod_uid = _pod_uid(parts[:depth])
        own = None if outside else "/" + "/".join(parts[:depth])
        if runtime is None:
            runtime = _runtime_above(parts[: depth - 1], pod_uid)
        yield ContainerPath(runtime, container_id, pod_uid, any(leaves[: depth - 1]), cgroup=own)
    if not outside and not any(leaves) and (named := _containerd_name(parts)) is not None:
        yield named


def holder_of(path: str) -> Holder:
    """Container, Slurm job and user that `path` names."""
    parts, _ = parts_of(path)
    job: str | None = None
    uid: int | None = None
    for depth, part in enumerate(parts):
        if (found := _USER.fullmatch(part)) and parts[:depth] in _ABOVE_USERS:
            uid = int(found["uid"])
            # What is below users may make and name themselves.
            break
        if (found := _SLURM_PART.fullmatch(part)) and any(map(_SLURM.fullmatch, parts[:depth])):
            job = job or found["job"]
            # Of a Slurm within a container the number may be of another's user.
            if uid is None and found["uid"] and _SLURM.fullmatch(parts[0]):
                uid = int(found["uid"])
    found_containers = tuple(containers_of(path))
    return Holder(found_containers[0] if found_containers else None, job, uid, found_containers[1:])


def leaf_container(name: str) -> tuple[str | None, str] | None:
    """Runtime and id that the name of a cgroup tells by itself; never conmon, mounts or what is below a container."""
    if len(name) < 64:
        return None
    for pattern, runtime in _LEAVES:
        if found := pattern.fullmatch(name):
            return runtime, found["id"]
    return None


def parts_of(path: str) -> tuple[list[str], bool]:
    """The names in `path`, without the mark of a removed cgroup; and whether it leads out of the own namespace."""
    if len(path) > MAX_PATH_CHARS:
        return [], False
    parts = [part for part in path.removesuffix(DELETED).split("/") if part]
    outside = parts[:1] == [".."]
    while parts[:1] == [".."]:
        del parts[0]
    return parts, outside


def _pod_uid(parts: list[str]) -> str | None:
    """The uid of the innermost pod. systemd's names have "_" for "-"; static pods have none of both."""
    for part in reversed(parts):
        if found := _POD.fullmatch(part):
            return found["uid"].replace("_", "-")
    return None


def _runtime_above(parts: list[str], pod_uid: str | None) -> str | None:
    if parts[-1:] == ["docker"]:
        return "docker"
    return "cri-containerd" if pod_uid is not None else None


def _containerd_name(parts: list[str]) -> ContainerPath | None:
    """`ctr run` makes /NAMESPACE/NAME: to be confirmed by containerd, for any cgroup can be called so."""
    if len(parts) < 2:
        return None
    namespace, name = parts[:2]
    if namespace in _NOT_NAMESPACES or any(map(_UNIT.fullmatch, parts[:2])):
        return None
    if not all(len(part) <= MAX_NAME_CHARS and _NAME.fullmatch(part) for part in (namespace, name)):
        return None
    return ContainerPath("containerd", name, None, False, False, namespace, f"/{namespace}/{name}")
