"""DCGM's profiling fields, which NVML's GPM gives on Hopper and later.

*Source*: dcgm_fields.h (1001 and on) and nvmlGpmMetricId_t in nvml.h. `profiling` is of the GPU or of the GPU instance,
`card_profiling` of whole GPUs alone: DCGM has no such value for a GPU instance. GPM gives percent and MiB/s, DCGM
0 to 1 and bytes a second.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row

MEBIBYTE: Final = 1024 * 1024
PERCENT: Final = 100
LINKS: Final = 18
ENGINES: Final = (("NVDEC", "decoder", 8), ("NVJPG", "JPEG engine", 8), ("NVOFA", "optical flow engine", 2))

_RATIOS: Final = (
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "graphics_util", "Ratio of time the graphics engine is active."),
    ("DCGM_FI_PROF_SM_ACTIVE", "sm_util", "The ratio of cycles an SM has at least 1 warp assigned."),
    ("DCGM_FI_PROF_SM_OCCUPANCY", "sm_occupancy", "The ratio of number of warps resident on an SM."),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "any_tensor_util", "Ratio of cycles the tensor (HMMA) pipe is active."),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "dram_bw_util",
     "Ratio of cycles the device memory interface is active sending or receiving data."),
    ("DCGM_FI_PROF_PIPE_FP64_ACTIVE", "fp64_util", "Ratio of cycles the fp64 pipes are active."),
    ("DCGM_FI_PROF_PIPE_FP32_ACTIVE", "fp32_util", "Ratio of cycles the fp32 pipes are active."),
    ("DCGM_FI_PROF_PIPE_FP16_ACTIVE", "fp16_util", "Ratio of cycles the fp16 pipes are active."),
    ("DCGM_FI_PROF_PIPE_INT_ACTIVE", "integer_util", "Ratio of cycles the integer pipe is active."),
    ("DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE", "imma_tensor_util", "Ratio of cycles the tensor pipe does IMMA."),
    ("DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE", "hmma_tensor_util", "Ratio of cycles the tensor pipe does HMMA."),
    ("DCGM_FI_PROF_PIPE_TENSOR_DFMA_ACTIVE", "dfma_tensor_util", "Ratio of cycles the tensor pipe does DFMA."),
)  # fmt: skip
_RATES: Final = (
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", "nvlink_total_tx_per_sec", "Data sent over all NVLinks, in bytes per second."),
    ("DCGM_FI_PROF_NVLINK_RX_BYTES", "nvlink_total_rx_per_sec", "Data received over all NVLinks, in bytes per second."),
    ("DCGM_FI_PROF_C2C_TX_ALL_BYTES", "c2c_total_tx_per_sec", "Data and headers sent over C2C, in bytes per second."),
    ("DCGM_FI_PROF_C2C_TX_DATA_BYTES", "c2c_data_tx_per_sec", "Data sent over C2C, in bytes per second."),
    ("DCGM_FI_PROF_C2C_RX_ALL_BYTES", "c2c_total_rx_per_sec",
     "Data and headers received over C2C, in bytes per second."),
    ("DCGM_FI_PROF_C2C_RX_DATA_BYTES", "c2c_data_rx_per_sec", "Data received over C2C, in bytes per second."),
)  # fmt: skip
_CACHES: Final = tuple(
    (f"DCGM_FI_PROF_{place.upper()}_CACHE_{what.upper()}", f"{place}_cache_{what}", f"{spelled} found {where} cache.")
    for place, spelled in (("hostmem", "Accesses to host memory"), ("peermem", "Accesses to a peer's memory"))
    for what, where in (("hit", "in the"), ("miss", "not in the"))
)
_COUNTERS: Final = (
    ("DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL", "sm_cycles_elapsed", "Cycles of the SMs."),
    ("DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL", "sm_cycles_active", "Cycles in which an SM had a warp."),
    ("DCGM_FI_PROF_MMA_CYCLES_ACTIVE_TOTAL", "mma_cycles_active", "Cycles in which the tensor pipe was active."),
    ("DCGM_FI_PROF_DMMA_CYCLES_ACTIVE_TOTAL", "dmma_cycles_active", "Cycles in which the tensor pipe did DMMA."),
    ("DCGM_FI_PROF_HMMA_CYCLES_ACTIVE_TOTAL", "hmma_cycles_active", "Cycles in which the tensor pipe did HMMA."),
    ("DCGM_FI_PROF_IMMA_CYCLES_ACTIVE_TOTAL", "imma_cycles_active", "Cycles in which the tensor pipe did IMMA."),
    ("DCGM_FI_PROF_DFMA_CYCLES_ACTIVE_TOTAL", "dfma_cycles_active", "Cycles in which the tensor pipe did DFMA."),
    ("DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL", "pcie_tx", "Bytes sent over PCIe."),
    ("DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL", "pcie_rx", "Bytes received over PCIe."),
    ("DCGM_FI_PROF_INT_CYCLES_ACTIVE_TOTAL", "integer_cycles_active", "Cycles in which the integer pipe was active."),
    ("DCGM_FI_PROF_FP64_CYCLES_ACTIVE_TOTAL", "fp64_cycles_active", "Cycles in which the fp64 pipes were active."),
    ("DCGM_FI_PROF_FP32_CYCLES_ACTIVE_TOTAL", "fp32_cycles_active", "Cycles in which the fp32 pipes were active."),
    ("DCGM_FI_PROF_FP16_CYCLES_ACTIVE_TOTAL", "fp16_cycles_active", "Cycles in which the fp16 pipes were active."),
)

PROFILING: Final[tuple[Row, ...]] = (
    *(Row(name, "gauge", what, (), f"profiling[{metric}]", per=PERCENT) for name, metric, what in _RATIOS),
    Row(
        "DCGM_FI_PROF_PCIE_TX_BYTES",
        "gauge",
        "The rate of data transmitted over the PCIe bus - including both protocol headers and data payloads - in bytes "
        "per second.",
        (),
        "card_profiling[pcie_tx_per_sec]",
        scale=MEBIBYTE,
        whole=True,
    ),
    Row(
        "DCGM_FI_PROF_PCIE_RX_BYTES",
        "gauge",
        "The rate of data received over the PCIe bus - including both protocol headers and data payloads - in bytes "
        "per second.",
        (),
        "card_profiling[pcie_rx_per_sec]",
        scale=MEBIBYTE,
        whole=True,
    ),
    *(Row(name, "gauge", what, (), f"card_profiling[{metric}]", MEBIBYTE) for name, metric, what in _RATES),
    *(
        Row(
            f"DCGM_FI_PROF_{engine}{number}_ACTIVE",
            "gauge",
            f"Ratio of time {what} {number} is active.",
            (),
            f"card_profiling[{engine.lower()}_{number}_util]",
            per=PERCENT,
        )
        for engine, what, count in ENGINES
        for number in range(count)
    ),
    *(
        Row(
            f"DCGM_FI_PROF_NVLINK_L{link}_{direction}_BYTES",
            "gauge",
            f"Data {what} over NVLink {link}, in bytes per second.",
            (),
            f"card_profiling[nvlink_l{link}_{direction.lower()}_per_sec]",
            MEBIBYTE,
        )
        for link in range(LINKS)
        for direction, what in (("TX", "sent"), ("RX", "received"))
    ),
    *(Row(name, "gauge", what, (), f"card_profiling[{metric}]") for name, metric, what in _CACHES),
    *(Row(name, "counter", what, (), f"card_profiling[{metric}]") for name, metric, what in _COUNTERS),
)

PROFILING_CANONICAL: Final[dict[str, str]] = {
    f"DCGM_FI_PROF_{engine}_UTIL_{number}_RATIO": f"DCGM_FI_PROF_{engine}{number}_ACTIVE"
    for engine, _, count in ENGINES
    for number in range(count)
}
"""Names since DCGM 4.6 -> names here, of those that are numbered."""
