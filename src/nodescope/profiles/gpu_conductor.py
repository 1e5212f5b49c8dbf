"""Profile conductor: the names of the AMD GPU exporter of conductor machines.

*Source*: its design document and the exporters behind it, which read rocm-smi: percent, watts, bytes, degrees Celsius.
`gpu_id` and `gpu` are the index. What is per pod or namespace in its newest form is not told.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import SUFFIX
from nodescope.profiles import Row
from nodescope.records.gpu_sampling import ConductorCounts, GpuSampling
from nodescope.records.gpu_snapshot import Gpu

MILLI: Final = 1000
DURATIONS: Final = ("k8s_gpu_metrics_collection_duration_seconds", "gpu_metrics_collection_duration_seconds")
"""Both names that it has had."""

_GPU: Final = (("gpu", "identity.index"),)


def profile(node: str) -> dict[type, tuple[Row, ...]]:
    """The rows, with the node's name as a label where the exporter has it."""
    on_node = (("node", f"={node}"),)
    of_gpu = (*on_node, ("gpu_id", "identity.index"))
    return {
        Gpu: (
            Row("k8s_gpu_utilization", "gauge", "Use of the GPU in percent", of_gpu, "reading.utilization_percent"),
            Row("k8s_gpu_memory", "gauge", "VRAM in use in percent", of_gpu, "reading.memory_share_percent"),
            Row("k8s_gpu_power", "gauge", "Power in watts", of_gpu, "reading.power_milliwatts", per=MILLI),
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


PROFILE: Final = profile("")
