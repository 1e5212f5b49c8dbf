"""Profile worker: the names of the worker GPU exporter, as its code has them and as its guide does.

`gpu_id` is the PCI address as nvidia-smi writes it; the guide's `gpu` is the index.
"""

from __future__ import annotations

from typing import Final

from nodescope import __version__
from nodescope.profiles import Row
from nodescope.records.gpu_sampling import WorkerExporter
from nodescope.records.gpu_snapshot import Gpu, GpuSource

MILLI: Final = 1000
_GPU: Final = (("gpu_id", "identity.pci_bus_id"), ("gpu_name", "identity.model"), ("gpu_uuid", "identity.uuid"))
_INDEX: Final = (("gpu", "identity.index"),)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    WorkerExporter: (
        Row("gpu_exporter_alive", "gauge", "Whether the GPU exporter runs, always 1", (), "=1"),
        Row(
            "gpu_exporter_info",
            "gauge",
            "GPU exporter information",
            (("version", f"={__version__}"), ("language", "=python")),
            "=1",
        ),
    ),
    GpuSource: (Row("gpu_count", "gauge", "Number of GPUs", (), "gpus"),),
    Gpu: (
        Row("gpu_power_draw_watts", "gauge", "GPU power draw in watts", _GPU, "reading.power_milliwatts", per=MILLI),
        Row("gpu_power_limit_watts", "gauge", "GPU power limit in watts", _GPU, "reading.power_limit_milliwatts",
            per=MILLI),
        Row("gpu_temperature_celsius", "gauge", "GPU temperature in Celsius", _GPU, "reading.temperature_celsius"),
        Row("gpu_utilization_percent", "gauge", "GPU utilization percentage", _GPU, "reading.utilization_percent"),
        Row("gpu_memory_utilization_percent", "gauge", "GPU memory utilization percentage", _GPU,
            "reading.memory_utilization_percent"),
        Row("gpu_encoder_utilization_percent", "gauge", "GPU encoder utilization percentage", _GPU,
            "reading.encoder_utilization_percent"),
        Row("gpu_decoder_utilization_percent", "gauge", "GPU decoder utilization percentage", _GPU,
            "reading.decoder_utilization_percent"),
        Row("gpu_memory_used_bytes", "gauge", "GPU memory used in bytes", _GPU, "reading.memory_used_bytes"),
        Row("gpu_memory_total_bytes", "gauge", "GPU total memory in bytes", _GPU, "reading.memory_total_bytes"),
        Row("gpu_clocks_graphics_mhz", "gauge", "GPU graphics clock in MHz", _GPU, "reading.clock_graphics_megahertz"),
        Row("gpu_clocks_sm_mhz", "gauge", "GPU SM clock in MHz", _GPU, "reading.clock_sm_megahertz"),
        Row("gpu_clocks_memory_mhz", "gauge", "GPU memory clock in MHz", _GPU, "reading.clock_memory_megahertz"),
        Row("nvidia_gpu_power_draw_watts", "gauge", "GPU power draw in watts", _INDEX, "reading.power_milliwatts",
            per=MILLI),
        Row("nvidia_gpu_temperature_celsius", "gauge", "GPU temperature in Celsius", _INDEX,
            "reading.temperature_celsius"),
        Row("nvidia_gpu_utilization_percent", "gauge", "GPU utilization percentage", _INDEX,
            "reading.utilization_percent"),
        Row("nvidia_gpu_memory_used_bytes", "gauge", "GPU memory used in bytes", _INDEX, "reading.memory_used_bytes"),
        Row("nvidia_gpu_memory_total_bytes", "gauge", "GPU total memory in bytes", _INDEX,
            "reading.memory_total_bytes"),
    ),
}  # fmt: skip
