"""Containers as runtimes tell of them, with the pods that the kubelet tells of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from nodescope.containers.cgroup.untold import UNNAMED
from nodescope.containers.kubelet.pods import PodIndex
from nodescope.records.container import Container


def with_pods(containers: Iterable[Container], index: PodIndex) -> Iterator[Container]:
    """Each container; one of a pod, by its id, has what its runtime did not tell of the pod.

    One that only its cgroup told of has the name that it has in the pod, and its runtime.
    """
    for container in containers:
        owner = index.owner(container.id)
        if owner is None:
            pod = index.pod(container.pod_uid) if container.pod_uid and not container.pod_name else None
            yield container if pod is None else replace(container, pod_name=pod.name, pod_namespace=pod.namespace)
            continue
        yield replace(
            container,
            runtime=owner.container.runtime or UNNAMED if container.runtime == UNNAMED else container.runtime,
            name=owner.container.name if container.id.startswith(container.name) else container.name,
            pod_name=container.pod_name or owner.pod.name,
            pod_namespace=container.pod_namespace or owner.pod.namespace,
            pod_uid=container.pod_uid or owner.pod.uid,
            pod_container=container.pod_container or owner.container.name,
        )
