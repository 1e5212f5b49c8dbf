"""Records of what the conductor GPU exporter shows in its newest form, made of those of AMD's GPUs and their pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from nodescope.records.gpu_pod import GpuPod
from nodescope.records.gpu_snapshot import Gpu, GpuInstance

UNMAPPED: Final = "unmapped"


class ConductorGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU, and whom the kubelet gave it to: `UNMAPPED` where that is nobody, or several that are not the same."""

    gpu: Gpu
    namespace: str = UNMAPPED
    pod: str = UNMAPPED


class ConductorNamespace(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs of a namespace: how many, and what is known of their use and memory in percent, added up."""

    namespace: str
    gpus: int
    utilization_percent: float | None
    memory_percent: float | None


def of_pods(records: Iterable[Any]) -> Iterator[Any]:
    """One record for each GPU, and one for each namespace that has any."""
    kinds: dict[type, list[Any]] = {Gpu: [], GpuInstance: [], GpuPod: []}
    for record in records:
        found = kinds.get(type(record))
        if found is not None:
            found.append(record)
    # A divided GPU is shown as a whole: its partitions' pods are its own.
    whole = {part.instance.uuid: part.identity.uuid for part in kinds[GpuInstance]}
    held: dict[str, list[GpuPod]] = {}
    for pod in kinds[GpuPod]:
        held.setdefault(whole.get(pod.uuid, pod.uuid), []).append(pod)
    gpus = [_mapped(gpu, held.get(gpu.identity.uuid, ())) for gpu in kinds[Gpu]]
    yield from gpus
    by_namespace: dict[str, list[Gpu]] = {}
    for one in gpus:
        if one.namespace != UNMAPPED:
            by_namespace.setdefault(one.namespace, []).append(one.gpu)
    for namespace, own in by_namespace.items():
        yield ConductorNamespace(
            namespace=namespace,
            gpus=len(own),
            utilization_percent=_sum(gpu.reading.utilization_percent for gpu in own),
            memory_percent=_sum(gpu.reading.memory_share_percent for gpu in own),
        )


def _mapped(gpu: Gpu, pods: Sequence[GpuPod]) -> ConductorGpu:
    named = {(pod.namespace, pod.name) for pod in pods}
    namespaces = {namespace for namespace, _ in named}
    return ConductorGpu(
        gpu=gpu,
        namespace=namespaces.pop() if len(namespaces) == 1 else UNMAPPED,
        pod=named.pop()[1] if len(named) == 1 else UNMAPPED,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
