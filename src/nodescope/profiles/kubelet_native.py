"""Profile native of the kubelet: pods, their GPUs, local storage. Percent is 0 to 100."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.kubelet import (
    GpuAllocation,
    NodeEphemeralStorage,
    PodEphemeralStorage,
    PodGpuResource,
    PodPhaseCount,
)

_NODE: Final = (("node", "node"),)
_POD: Final = (("namespace", "namespace"), ("pod", "pod"), ("node", "node"))
_RESOURCE: Final = (*_POD, ("resource", "resource"))

ALLOCATION: Final = Row(
    "node_k8s_gpu_allocation_rate",
    "gauge",
    "GPUs that running pods have requested, in percent (0 to 100) of the node's GPUs.",
    (),
    "rate_percent",
)
NODE_BYTES: Final = (
    Row("node_ephemeral_storage_usage_bytes", "gauge", "Bytes used of the filesystem of the node's ephemeral storage.",
        _NODE, "used_bytes"),
    Row("node_ephemeral_storage_available_bytes", "gauge",
        "Bytes available in the filesystem of the node's ephemeral storage.", _NODE, "available_bytes"),
    Row("node_ephemeral_storage_capacity_bytes", "gauge", "Size of the filesystem of the node's ephemeral storage.",
        _NODE, "capacity_bytes"),
)  # fmt: skip

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    GpuAllocation: (ALLOCATION,),
    PodPhaseCount: (
        Row("nodescope_kubelet_pods", "gauge", "Pods of the node in each phase.", (*_NODE, ("phase", "phase")), "pods"),
    ),
    PodGpuResource: (
        Row("nodescope_pod_gpu_requests", "gauge",
            "GPUs (or parts of them, as the resource says) that a pod which has not ended requests.", _RESOURCE,
            "requests"),
        Row("nodescope_pod_gpu_limits", "gauge",
            "GPUs (or parts of them, as the resource says) that a pod which has not ended may use.", _RESOURCE,
            "limits"),
    ),
    NodeEphemeralStorage: (
        *NODE_BYTES,
        Row("node_ephemeral_storage_usage_percent", "gauge",
            "Part of the node's ephemeral storage that is used, in percent (0 to 100).", _NODE, "used_percent"),
    ),
    PodEphemeralStorage: (
        Row("pod_ephemeral_storage_usage_bytes", "gauge",
            "Bytes of ephemeral storage that a pod uses: writable layers, logs, emptyDir volumes.", _POD, "used_bytes"),
    ),
}  # fmt: skip
