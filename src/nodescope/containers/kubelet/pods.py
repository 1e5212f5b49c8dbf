"""Pods as the kubelet lists them at `/pods`, and the index by which a container finds its pod. Pure.

Source: the Kubernetes API, v1 PodList. Environment values, commands, labels and annotations are never decoded: the
structures here have no field for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.kubelet.gpu_resources import Asked, effective, gpus
from nodescope.kernel.file import Malformed
from nodescope.records.kubelet import PHASES, Pod, PodContainer

PODS: Final = "/pods"
MAX_PODS: Final = 4096
"""The kubelet's own limit is 110 unless it is raised."""

MAX_CONTAINERS: Final = 512
NAME_LENGTH: Final = 253
ID_LENGTH: Final = 256
ALWAYS: Final = "Always"
UNKNOWN: Final = "Unknown"
MIRROR_OWNER: Final = "Node"
"""Who owns a mirror pod, which the API server keeps of a static pod: the same pod again."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH)]
Id = Annotated[str, msgspec.Meta(max_length=ID_LENGTH)]


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


class _Owner(msgspec.Struct):
    kind: str = ""


class _Metadata(msgspec.Struct, rename="camel"):
    name: Name
    namespace: Name
    uid: Name
    owner_references: list[_Owner] | None = None


class _Resources(msgspec.Struct):
    requests: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: Name
    restart_policy: str | None = None
    resources: _Resources | None = None


_Containers = Annotated[list[_Container], msgspec.Meta(max_length=MAX_CONTAINERS)]


class _Spec(msgspec.Struct, rename="camel"):
    node_name: Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)] | None = None
    containers: _Containers | None = None
    init_containers: _Containers | None = None
    ephemeral_containers: _Containers | None = None


class _ContainerStatus(msgspec.Struct):
    name: Name
    container_id: Id | None = msgspec.field(default=None, name="containerID")


class _Status(msgspec.Struct, rename="camel"):
    phase: str | None = None
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    ephemeral_container_statuses: list[_ContainerStatus] | None = None


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec
    status: _Status | None = None


_LIST: Final = msgspec.json.Decoder(_List)
_POD: Final = msgspec.json.Decoder(_Pod)


class Pods(NamedTuple):
    """`left_out`: pods that were not as documented, were there twice, or were too many."""

    pods: tuple[Pod, ...]
    left_out: int


class Owner(NamedTuple):
    """The pod that a container is of, and which of its containers."""

    pod: Pod
    container: PodContainer


class PodIndex(NamedTuple):
    """`by_uid`: as the kubelet writes it. `by_container`: by the runtime's whole id of the container."""

    by_uid: dict[str, Pod]
    by_container: dict[str, Owner]

    def pod(self, uid: str) -> Pod | None:
        """The pod of a uid, also as cgroups of systemd write it, with underscores for dashes."""
        return self.by_uid.get(uid.replace("_", "-"))

    def owner(self, container_id: str) -> Owner | None:
        """Whose a container is; None for one that is no pod's, or a pod's sandbox."""
        return self.by_container.get(container_id)


def index(pods: Iterable[Pod]) -> PodIndex:
    """The index of `pods`."""
    known = tuple(pods)
    return PodIndex(
        {pod.uid: pod for pod in known},
        {container.id: Owner(pod, container) for pod in known for container in pod.containers if container.id},
    )


def decoded(body: bytes | bytearray) -> Pods:
    """The pods in a PodList. One that is not as documented costs only itself.

    Raises `Malformed` where the whole is no PodList.
    """
    try:
        items = _LIST.decode(body).items or []
    except BAD_JSON as error:
        # What was got is not shown: it may hold environment values.
        raise Malformed(PODS, f"{len(body)} bytes: {error}", "a PodList in JSON") from error
    found: dict[str, Pod] = {}
    mirrors: dict[str, Pod] = {}
    left_out = max(len(items) - MAX_PODS, 0)
    for item in items[:MAX_PODS]:
        try:
            told = _POD.decode(item)
        except BAD_JSON:
            left_out += 1
            continue
        kept = mirrors if _mirror(told.metadata) else found
        left_out += told.metadata.uid in kept
        kept.setdefault(told.metadata.uid, _pod(told))
    named = {(pod.namespace, pod.name) for pod in found.values()}
    alone = [pod for pod in mirrors.values() if (pod.namespace, pod.name) not in named]
    return Pods((*found.values(), *alone), left_out)


def _mirror(metadata: _Metadata) -> bool:
    return any(owner.kind == MIRROR_OWNER for owner in metadata.owner_references or ())


def _pod(told: _Pod) -> Pod:
    status = told.status or _Status()
    containers = tuple(_containers(told.spec, _ids(status)))
    asked = [(container.kind, container.gpu_requests, container.gpu_limits) for container in containers]
    return Pod(
        uid=told.metadata.uid,
        name=told.metadata.name,
        namespace=told.metadata.namespace,
        phase=status.phase if status.phase in PHASES else UNKNOWN,
        node=told.spec.node_name or None,
        containers=containers,
        gpu_requests=effective(Asked(kind, requests) for kind, requests, _ in asked),
        gpu_limits=effective(Asked(kind, limits) for kind, _, limits in asked),
    )


def _containers(spec: _Spec, ids: dict[str, tuple[str, str]]) -> Iterator[PodContainer]:
    """The init containers first, in the order in which they run."""
    kinds: tuple[tuple[str, Sequence[_Container]], ...] = (
        ("init", spec.init_containers or ()),
        ("container", spec.containers or ()),
        ("ephemeral", spec.ephemeral_containers or ()),
    )
    for kind, containers in kinds:
        for told in containers:
            runtime, id_ = ids.get(told.name, (None, None))
            resources = told.resources or _Resources()
            limits = gpus(resources.limits)
            yield PodContainer(
                name=told.name,
                kind="sidecar" if kind == "init" and told.restart_policy == ALWAYS else kind,
                id=id_,
                runtime=runtime,
                # Of an extended resource, what is limited and not requested is requested as limited.
                gpu_requests={**limits, **gpus(resources.requests)},
                gpu_limits=limits,
            )


def _ids(status: _Status) -> dict[str, tuple[str, str]]:
    """Name of a container -> its runtime and id, of those that were started. Names are unique in a pod."""
    found: dict[str, tuple[str, str]] = {}
    for statuses in (
        status.init_container_statuses,
        status.container_statuses,
        status.ephemeral_container_statuses,
    ):
        for told in statuses or ():
            runtime, mark, id_ = (told.container_id or "").partition("://")
            if mark and runtime and id_:
                found[told.name] = runtime, id_
    return found
