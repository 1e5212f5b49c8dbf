"""The samplers of the kubelet: its pods, and what they use. Each has its own interval and its own connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

from nodescope.containers.kubelet.access import Access
from nodescope.containers.kubelet.client import KubeletClient
from nodescope.containers.kubelet.gpu_resources import NodeGpus, whole_gpus
from nodescope.containers.kubelet.pods import PODS, decoded
from nodescope.containers.kubelet.summary import SUMMARY
from nodescope.containers.kubelet.summary import decoded as summary_decoded
from nodescope.kernel.file import Absent
from nodescope.records.kubelet import PERCENT, PHASES, GpuAllocation, KubeletSource, Pod, PodGpuResource, PodPhaseCount

RUNNING: Final = "Running"
NOT_ENDED: Final = frozenset({"Pending", RUNNING})
NO_ADDRESS: Final = "a kubelet's address: collector.kubelet.address or NODE_IP"

GpusOfNode = Callable[[], NodeGpus | None]
"""Which GPUs the node has, None where that is not known."""


class _Asking:
    """The client, where there is an address. Built with the first sample, so that no kubelet costs nothing."""

    def __init__(self, access: Access | None) -> None:
        self._access = access
        self._client: KubeletClient | None = None

    def get(self, path: str) -> bytearray:
        if self._access is None:
            raise Absent(NO_ADDRESS)
        if self._client is None:
            self._client = KubeletClient(self._access)
        return self._client.get(path)

    def close(self) -> None:
        """Ends the connection, also under a request. Nothing is asked any more."""
        self._access = None
        if self._client is not None:
            self._client.end()


class PodsSampler:
    """The node's pods, how many are in each phase, and what they hold of its GPUs.

    *Source*: the kubelet's `/pods`. *Absent when*: no address is given. *Cost*: tens of milliseconds for a
    thousand pods. `node`: its name where it is known, else what the pods say.
    """

    name: ClassVar[str] = "kubelet_pods"
    demand_wait_s: float = 0.0

    def __init__(self, access: Access | None, interval_s: float, node: str, gpus: GpusOfNode) -> None:
        self.interval_s = self.rest_s = interval_s
        self._asking = _Asking(access)
        self._node = node
        self._gpus = gpus

    def sample(self) -> tuple[Any, ...]:
        pods, left_out = decoded(self._asking.get(PODS))
        node = self._node or next((pod.node for pod in pods if pod.node), "") or os.uname().nodename
        return (KubeletSource(path=PODS, left_out=left_out), *pods, *records(pods, node, self._gpus))

    def close(self) -> None:
        """Ends the connection."""
        self._asking.close()


class SummarySampler:
    """Local storage of the node and its pods.

    *Source*: the kubelet's `/stats/summary`. *Absent when*: no address is given. `node`: as of `PodsSampler`.
    """

    name: ClassVar[str] = "kubelet_summary"
    demand_wait_s: float = 0.0

    def __init__(self, access: Access | None, interval_s: float, node: str) -> None:
        self.interval_s = self.rest_s = interval_s
        self._asking = _Asking(access)
        self._node = node

    def sample(self) -> tuple[Any, ...]:
        storage = summary_decoded(self._asking.get(SUMMARY), self._node or None, os.uname().nodename)
        node = () if storage.node is None else (storage.node,)
        return (KubeletSource(path=SUMMARY, left_out=storage.left_out), *node, *storage.pods)

    def close(self) -> None:
        """Ends the connection."""
        self._asking.close()


def records(pods: Sequence[Pod], node: str, gpus: GpusOfNode) -> Iterator[Any]:
    """What is shown of `pods`: phases, GPUs of each that has not ended, how much of the node's GPUs is given away."""
    phases = dict.fromkeys(PHASES, 0)
    for pod in pods:
        phases[pod.phase] += 1
    for phase, number in phases.items():
        yield PodPhaseCount(node=node, phase=phase, pods=number)
    yield from _gpu_resources(pods, node)
    yield allocation(pods, node, gpus)


def allocation(pods: Sequence[Pod], node: str, gpus: GpusOfNode) -> GpuAllocation:
    """What the running pods hold. 0 percent where they hold none, however many GPUs there are."""
    held = [pod.gpu_requests for pod in pods if pod.phase == RUNNING and pod.gpu_requests]
    if not held:
        return GpuAllocation(node=node, allocated_gpus=0.0, rate_percent=0.0)
    known = gpus() or NodeGpus(0, {})
    allocated = sum(whole_gpus(amounts, known.parts) for amounts in held)
    percent = allocated / known.gpus * PERCENT if known.gpus else None
    return GpuAllocation(node=node, allocated_gpus=allocated, rate_percent=percent)


def _gpu_resources(pods: Sequence[Pod], node: str) -> Iterator[PodGpuResource]:
    """By namespace and name, under which a pod may follow another that has not ended: their numbers together."""
    found: dict[tuple[str, str, str], list[int | None]] = {}
    for pod in pods:
        if pod.phase not in NOT_ENDED:
            continue
        for place, amounts in enumerate((pod.gpu_requests, pod.gpu_limits)):
            for resource, number in amounts.items():
                row = found.setdefault((pod.namespace, pod.name, resource), [None, None])
                row[place] = (row[place] or 0) + number
    for (namespace, name, resource), (requests, limits) in found.items():
        yield PodGpuResource(
            namespace=namespace, pod=name, node=node, resource=resource, requests=requests, limits=limits
        )
