"""Profile epic of GPUs: the names of the mock GPU exporter of MONITOR-POC. `gpu_id` is the index."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.gpu_snapshot import Gpu

MILLI: Final = 1000
_GPU: Final = (("gpu_id", "identity.index"),)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    Gpu: (
        Row("nvidia_gpu_utilization", "gauge", "Utilization of the GPU, in percent.", _GPU,
            "reading.utilization_percent"),
        Row("nvidia_gpu_memory_used_bytes", "gauge", "Memory of the GPU that is used, in bytes.", _GPU,
            "reading.memory_used_bytes"),
        Row("nvidia_gpu_memory_total_bytes", "gauge", "Memory of the GPU, in bytes.", _GPU,
            "reading.memory_total_bytes"),
        Row("nvidia_gpu_temperature_celsius", "gauge", "Temperature of the GPU, in degrees Celsius.", _GPU,
            "reading.temperature_celsius"),
        Row("nvidia_gpu_power_watts", "gauge", "Power that the GPU draws, in watts.", _GPU,
            "reading.power_milliwatts", per=MILLI),
    ),
}  # fmt: skip
