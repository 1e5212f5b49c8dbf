"""Profile lens of the kubelet: the names, labels and units of Primus-Lens' node-exporter, whose percent is a ratio."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.kubelet_native import NODE_BYTES
from nodescope.records.kubelet import GpuAllocation, NodeEphemeralStorage, PodEphemeralStorage

_POD: Final = (("pod_namespace", "namespace"), ("pod_name", "pod"), ("node", "node"))

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    GpuAllocation: (
        Row("node_k8s_gpu_allocation_rate", "gauge", "node k8s gpu allocation rate", (), "rate_percent"),
    ),
    NodeEphemeralStorage: (
        *NODE_BYTES,
        Row("node_ephemeral_storage_usage_percent", "gauge",
            "Part of the node's ephemeral storage that is used, as a ratio (0 to 1) whatever the name says.",
            (("node", "node"),), "used_ratio"),
    ),
    PodEphemeralStorage: (
        # Spelled as it is there.
        Row("pod_ephemeral_storage_usage_bytes", "gauge", "Pod emphermeral storage usage in bytes (gauge)", _POD,
            "used_bytes"),
    ),
}  # fmt: skip
