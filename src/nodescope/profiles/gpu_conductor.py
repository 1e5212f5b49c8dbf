"""Profile conductor: the names of the AMD GPU exporter of conductor machines.

*Source*: its design document and the exporters behind it, which read rocm-smi: percent, watts, bytes, degrees Celsius.
`gpu_id` and `gpu` are the index. Its newest form has the labels namespace and pod, and sums by namespace.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import SUFFIX
from nodescope.profiles import Row
from nodescope.records.conductor import ConductorGpu, ConductorNamespace
from nodescope.records.gpu_sampling import ConductorCounts, GpuSampling
from nodescope.records.gpu_snapshot import Gpu

MILLI: Final = 1000
DURATIONS: Final = ("k8s_gpu_metrics_collection_duration_seconds", "gpu_metrics_collection_duration_seconds")
"""Both names that it has had."""

_GPU: Final = (("gpu", "identity.index"),)
_POD: Final = (("namespace", "namespace"), ("pod", "pod"))
_OF_NAMESPACE: Final = (("namespace", "namespace"),)
_NAMESPACE: Final = (
    Row("k8s_namespace_gpu_utilization_total", "gauge", "Use of the namespace's GPUs in percent, added up",
        _OF_NAMESPACE, "utilization_percent"),
    Row("k8s_namespace_gpu_memory_total", "gauge", "VRAM in use of the namespace's GPUs in percent, added up",
        _OF_NAMESPACE, "memory_percent"),
    Row("k8s_namespace_gpu_count", "gauge", "GPUs of the namespace", _OF_NAMESPACE, "gpus"),
)  # fmt: skip


def profile(node: str, pods: bool = False) -> dict[type, tuple[Row, ...]]:
    """The rows, with the node's name as a label where the exporter has it. `pods`: in its newest form."""
    on_node = (("node", f"={node}"),)
    return {
        ConductorGpu: _of_gpu((*on_node, ("gpu_id", "gpu.identity.index"), *_POD), "gpu.") if pods else (),
        ConductorNamespace: _NAMESPACE,
        Gpu: (
            *(() if pods else _of_gpu((*on_node, ("gpu_id", "identity.index")), "")),
            Row("amd_gpu_utilization", "gauge", "Use of the GPU in percent", _GPU, "reading.utilization_percent"),
            Row("amd_gpu_memory_used_bytes", "gauge", "VRAM in use in bytes", _GPU, "reading.memory_used_bytes"),
            Row("amd_gpu_temperature_celsius", "gauge", "Temperature", _GPU, "reading.temperature_celsius"),
            Row("amd_gpu_power_watts", "gauge", "Power in watts", _GPU, "reading.power_milliwatts", per=MILLI),
        ),
        GpuSampling: (
            Row("k8s_gpu_last_collection_timestamp", "gauge", "Unix time of the last collection", on_node,
                "newest_seconds"),
            *(
                Row(name, "summary", "Time that a collection took", ((SUFFIX, f"={suffix}"),), field)
                for name in DURATIONS
                for suffix, field in (("_sum", "seconds"), ("_count", "timed"))
            ),
        ),
        ConductorCounts: (
            *(
                Row("k8s_gpu_collector_errors_total", "counter", "Collection errors", (("type", f"={kind}"),), kind)
                for kind in ("collection", "validation")
            ),
            Row("gpu_metrics_parse_errors_total", "counter", "Readings out of range, dropped", (), "validation"),
            Row("gpu_metrics_command_errors_total", "counter", "Reads or runs of a tool that failed", (), "commands"),
        ),
    }  # fmt: skip


def _of_gpu(labels: tuple[tuple[str, str], ...], of: str) -> tuple[Row, ...]:
    """`of`: the path to the GPU's own record."""
    return (
        Row("k8s_gpu_utilization", "gauge", "Use of the GPU in percent", labels, f"{of}reading.utilization_percent"),
        Row("k8s_gpu_memory", "gauge", "VRAM in use in percent", labels, f"{of}reading.memory_share_percent"),
        Row("k8s_gpu_power", "gauge", "Power in watts", labels, f"{of}reading.power_milliwatts", per=MILLI),
    )


PROFILE: Final = profile("")
