"""Network interfaces of containers told once for each network namespace, as cAdvisor tells of them.

Source: cAdvisor's handlers: of the CRI's containers the pod's sandbox alone has a network, of Docker's and podman's all
but those that join another's (HostConfig.NetworkMode "container:ID").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nodescope.records.container import Container
from nodescope.records.container_view import ContainerNetworkView

SANDBOX: Final = "POD"
"""The container's name in the labels of a pod's sandbox that Docker runs."""


def once(views: Iterable[ContainerNetworkView]) -> Iterator[ContainerNetworkView]:
    """The interfaces of each network namespace under the pod's name, else under the container that made it.

    Where that one is not among them, under the first of those that joined it.
    """
    found: dict[tuple[object, ...], ContainerNetworkView] = {}
    for view in views:
        key = (*_namespace(view), view.network.interface)
        known = found.get(key)
        if known is None or _rank(view.container) < _rank(known.container):
            found[key] = view
    for view in found.values():
        yield _of_pod(view) if _is_in_pod(view.container) else view


def _namespace(view: ContainerNetworkView) -> tuple[object, ...]:
    container = view.container
    # A pod has one: all of its containers are in its sandbox's.
    if container.pod_name is not None:
        return container.pod_namespace, container.pod_name, container.pod_uid
    return (container.key,) if view.network.namespace is None else (view.network.namespace,)


def _rank(container: Container) -> tuple[bool, bool]:
    return container.pod_container != SANDBOX, container.joins_network


def _is_in_pod(container: Container) -> bool:
    return container.pod_name is not None and container.pod_container != SANDBOX


def _of_pod(view: ContainerNetworkView) -> ContainerNetworkView:
    """Under the labels of the pod's sandbox, of which nothing but its pod is known here."""
    known = view.container
    sandbox = Container(
        runtime=known.runtime,
        id="",
        name="",
        pod_name=known.pod_name,
        pod_namespace=known.pod_namespace,
        pod_uid=known.pod_uid,
    )
    return msgspec.structs.replace(view, container=sandbox, cgroup="")
