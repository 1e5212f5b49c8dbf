"""The kubelet's pod-resources API over its socket: which devices it gave to which container of which pod.

Source: kubernetes/kubelet pkg/apis/podresources/v1/api.proto, and the kubelet's own limit of 100 calls a second, 10 at
once. The API names no pod's uid and no container's id. *Absent when* there is no kubelet on the node.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.containers.grpc.channel import RESOURCE_EXHAUSTED, CallFailed, Channel
from nodescope.containers.grpc.wire import Message
from nodescope.kernel.file import Malformed

SOCKET: Final = "/var/lib/kubelet/pod-resources/kubelet.sock"
LEAST_SECONDS: Final = 1.0
"""Between two lists: others ask the kubelet too, and its limit is of all of them together."""
REFUSED_SECONDS: Final = 10.0
MAX_DEVICES: Final = 100_000

_LIST: Final = "/v1.PodResourcesLister/List"


class PodDevices(NamedTuple):
    """Devices of one resource that a container was given.

    `resource`: "nvidia.com/gpu"; for dynamic resource allocation the driver. `device_ids`: as the device plugin named
    them: UUIDs for NVIDIA. `cdi_devices`: qualified names. `claim`: "namespace/name" of the resource claim.
    """

    pod_name: str
    pod_namespace: str
    container: str
    resource: str
    device_ids: tuple[str, ...]
    numa_nodes: tuple[int, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    claim: str | None = None


def _claimed(pod: Message, container: Message) -> Iterator[PodDevices]:
    for claim in container.messages(5):
        for resource in claim.messages(3):
            device, pool = resource.text(4), resource.text(3)
            yield PodDevices(
                pod.text(1),
                pod.text(2),
                container.text(1),
                resource.text(2),
                (f"{pool}/{device}" if pool else device,) if device else (),
                cdi_devices=tuple(cdi.text(1) for cdi in resource.messages(1)),
                claim=f"{claim.text(2)}/{claim.text(1)}",
            )


def _of_pod(pod: Message) -> Iterator[PodDevices]:
    for container in pod.messages(3):
        for message in container.messages(2):
            nodes = tuple(node.signed(1) for node in message.message(3).messages(1))
            ids = tuple(message.texts(2))
            yield PodDevices(pod.text(1), pod.text(2), container.text(1), message.text(1), ids, nodes)
        yield from _claimed(pod, container)


def _bounded(found: Iterator[PodDevices], source: str) -> tuple[PodDevices, ...]:
    kept: list[PodDevices] = []
    for devices in found:
        if len(kept) >= MAX_DEVICES:
            raise Malformed(source, b"", f"devices of at most {MAX_DEVICES} containers and resources")
        kept.append(devices)
    return tuple(kept)


def pod_list(data: bytes, source: str) -> tuple[PodDevices, ...]:
    """Of message ListPodResourcesResponse. Raises `Malformed`."""
    pods = Message(data, source).messages(1)
    return _bounded((devices for pod in pods for devices in _of_pod(pod)), source)


class Client:
    """Calls of one thread. All raise `Absent`, `PermissionError`, `Unreachable`, `CallFailed`, `Malformed`."""

    def __init__(self, socket: str = SOCKET) -> None:
        self.socket = socket
        self._channel = Channel(socket)
        self._kept: tuple[PodDevices, ...] | None = None
        self._not_before = float("-inf")

    def close(self) -> None:
        """Gives the connection up; the next call makes a new one."""
        self._channel.close()

    def list(self) -> tuple[PodDevices, ...]:
        """Devices of all pods.

        The answer before where that is less than `LEAST_SECONDS` old, or where the kubelet refused for its limit: then
        it is not asked for `REFUSED_SECONDS`.
        """
        if self._kept is not None and time.monotonic() < self._not_before:
            return self._kept
        try:
            data = self._channel.unary(_LIST)
        except CallFailed as error:
            if error.code != RESOURCE_EXHAUSTED:
                raise
            self._not_before = time.monotonic() + REFUSED_SECONDS
            if self._kept is None:
                raise
            return self._kept
        self._kept = pod_list(data, self.socket)
        self._not_before = time.monotonic() + LEAST_SECONDS
        return self._kept
