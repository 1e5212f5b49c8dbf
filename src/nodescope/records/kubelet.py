"""Records of what a node's kubelet tells: pods, their GPUs, ephemeral storage."""

from __future__ import annotations

from typing import Final

import msgspec

PHASES: Final = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
"""The phases of a pod (Kubernetes API, PodStatus)."""

PERCENT: Final = 100


class PodContainer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container of a pod. `kind`: "container", "init", "sidecar" (an init container that goes on) or "ephemeral".

    `id`: the runtime's whole id, `runtime` what stands before it ("containerd", "cri-o", "docker"); both None where it
    was not started yet. `gpu_requests`, `gpu_limits`: how many, by name of the resource.
    """

    name: str
    kind: str = "container"
    id: str | None = None
    runtime: str | None = None
    gpu_requests: dict[str, int] = {}
    gpu_limits: dict[str, int] = {}


class Pod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pod of the node, as the kubelet lists it. `uid` may be 32 hexadecimal digits without dashes: a static pod's.

    `gpu_requests`, `gpu_limits`: what is held for the whole pod, by name of the resource, init containers and sidecars
    reckoned as the scheduler does.
    """

    uid: str
    name: str
    namespace: str
    phase: str
    node: str | None = None
    containers: tuple[PodContainer, ...] = ()
    gpu_requests: dict[str, int] = {}
    gpu_limits: dict[str, int] = {}


class PodPhaseCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many pods of the node are in a phase, 0 where none is."""

    node: str
    phase: str
    pods: int


class PodGpuResource(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU resource of a pod that has not ended. `requests`, `limits`: None where it has none."""

    namespace: str
    pod: str
    node: str
    resource: str
    requests: int | None
    limits: int | None


class GpuAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """What running pods hold of the node's GPUs.

    `rate_percent`: above 100 where a GPU is given to several pods; None where they hold some and it is not known of
    how many.
    """

    node: str
    allocated_gpus: float
    rate_percent: float | None


class PodEphemeralStorage(msgspec.Struct, frozen=True, kw_only=True):
    """Local storage that a pod uses: writable layers, logs, emptyDir volumes."""

    namespace: str
    pod: str
    node: str
    used_bytes: int


class NodeEphemeralStorage(msgspec.Struct, frozen=True, kw_only=True):
    """The filesystem that pods' local storage comes from. None: the kubelet does not tell."""

    node: str
    used_bytes: int | None = None
    available_bytes: int | None = None
    capacity_bytes: int | None = None

    @property
    def used_ratio(self) -> float | None:
        """What is used of the capacity, 0 to 1; None unless both are known."""
        return None if self.used_bytes is None or not self.capacity_bytes else self.used_bytes / self.capacity_bytes

    @property
    def used_percent(self) -> float | None:
        """What is used of the capacity, 0 to 100; None unless both are known."""
        if self.used_bytes is None or not self.capacity_bytes:
            return None
        # Multiplied first: 7 of 100 are 7, not 7.000000000000001.
        return PERCENT * self.used_bytes / self.capacity_bytes


class KubeletSource(msgspec.Struct, frozen=True, kw_only=True):
    """How one look at the kubelet fared. `path`: what was asked for. `left_out`: what in it was not as documented."""

    path: str
    left_out: int = 0
