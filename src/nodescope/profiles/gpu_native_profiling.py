"""Profile native of GPUs: what the profiling counters say, and how readings have moved.

*Source*: NVML's GPM metrics (Hopper and later), which give percent and MiB/s; the sampler's window. No convention of
OpenTelemetry has names for these.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.gpu_native_reading import GPU_LABELS, MEGA, MILLI, PERCENT, Labels, gauges, rows

MEBIBYTE: Final = 1024 * 1024

UNITS: Final = (
    ("graphics", "graphics_util"),
    ("sm", "sm_util"),
    ("integer", "integer_util"),
    ("tensor", "any_tensor_util"),
    ("tensor_dfma", "dfma_tensor_util"),
    ("tensor_dmma", "dmma_tensor_util"),
    ("tensor_hmma", "hmma_tensor_util"),
    ("tensor_imma", "imma_tensor_util"),
    ("dram", "dram_bw_util"),
    ("fp64", "fp64_util"),
    ("fp32", "fp32_util"),
    ("fp16", "fp16_util"),
    *((f"nvdec_{number}", f"nvdec_{number}_util") for number in range(8)),
    *((f"nvjpg_{number}", f"nvjpg_{number}_util") for number in range(8)),
    *((f"nvofa_{number}", f"nvofa_{number}_util") for number in range(2)),
)
"""What of a GPU is busy -> GPM's metric."""

_BUSES: Final = (("pcie", "pcie"), ("nvlink", "nvlink_total"), ("c2c", "c2c_total"))
_DIRECTIONS: Final = (("transmit", "tx"), ("receive", "rx"))
_BUSY: Final = "Share of cycles that a unit of the GPU was active, by the profiling counters."
_OCCUPANCY: Final = "Warps on the SMs as a share of the most there can be."


def profiling(prefix: str, labels: Labels, of: str) -> tuple[Row, ...]:
    """Rows of the units that whole GPUs and GPU instances have."""
    return (
        *rows(
            f"{prefix}_profiling_utilization_ratio",
            "gauge",
            _BUSY,
            "unit",
            tuple((unit, f"{of}.profiling[{metric}]") for unit, metric in UNITS),
            per=PERCENT,
            labels=labels,
        ),
        Row(
            f"{prefix}_profiling_sm_occupancy_ratio",
            "gauge",
            _OCCUPANCY,
            labels,
            f"{of}.profiling[sm_occupancy]",
            per=PERCENT,
        ),
    )


PROFILING: Final = (
    *profiling("hw_gpu", GPU_LABELS, "reading"),
    *(
        Row(
            "hw_gpu_profiling_io_bytes_per_second",
            "gauge",
            "Data and headers over a bus, by the profiling counters.",
            (*GPU_LABELS, ("bus", f"={bus}"), ("network_io_direction", f"={direction}")),
            f"reading.profiling[{metric}_{word}_per_sec]",
            MEBIBYTE,
        )
        for bus, metric in _BUSES
        for direction, word in _DIRECTIONS
    ),
)

_STATISTICS: Final = ("min", "max", "mean")
_WINDOWS: Final = (
    ("hw_gpu_window_utilization_ratio", "utilization", "utilization_percent", 1, PERCENT),
    ("hw_gpu_window_memory_usage_bytes", "used memory", "memory_used_bytes", 1, 1),
    ("hw_gpu_window_power_watts", "power", "power_milliwatts", 1, MILLI),
    ("hw_gpu_window_temperature_celsius", "temperature", "temperature_celsius", 1, 1),
    ("hw_gpu_window_clock_hertz", "the SM clock", "clock_sm_megahertz", MEGA, 1),
)
WINDOW: Final = (
    *(
        row
        for name, what, field, scale, per in _WINDOWS
        for row in rows(
            name,
            "gauge",
            f"Least, greatest and mean of {what} in the window.",
            "statistic",
            tuple((statistic, f"window.{field}.{statistic}") for statistic in _STATISTICS),
            scale,
            per,
        )
    ),
    *gauges(
        ("hw_gpu_window_seconds", "Length of the window.", "window.seconds"),
        ("hw_gpu_window_samples", "Samples in the window.", "window.samples"),
    ),
)
