"""What readings of a GPU can be: ranges by kind of quantity, for the check in `plausible`.

They are wide: what lies outside is a driver's way of saying "not available" (all bits one, NVML's value for an unknown
number), a bus that answers nothing, or a broken library; never an unusual GPU. Units are those of the fields.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ALL_ONES_32: Final = 2**32 - 1
MAX_PEER_STATUS: Final = 255
MAX_COUNT: Final = 2**63 - 1
"""All bits of 64 one is "not available", and no counter of bytes or nanoseconds comes near half of it."""

MAX_STATE: Final = 2**31 - 1
MAX_PERCENT: Final = 100
"""Also of profiling metrics: one that is above by noise is dropped like any other, for a reading is never altered."""

MAX_PID: Final = 2**22
"""PID_MAX_LIMIT of Linux (include/linux/threads.h)."""

MAX_LINK: Final = 255
MAX_MONOTONIC_SECONDS: Final = 1e10
MAX_POWER_MILLIWATTS: Final = 3_000_000
"""Where no limit is known; else `MAX_POWER_LIMITS` times the greatest of them."""

MAX_POWER_LIMITS: Final = 2
LEAST_MAX_POWER_MILLIWATTS: Final[dict[str, int]] = {"amd": 1_000_000}
"""Of a vendor's GPUs, which is the most unless a limit is greater than that."""

MAX_PROFILING_RATE: Final = 1e9
"""MiB a second, the most that any bus of a GPU could carry a thousand times over."""


class Range(NamedTuple):
    """What fields of a kind can be. Bounds are inclusive. `counters`: 32 bits of one mean "not available" there."""

    kind: str
    low: float
    high: float
    fields: str
    counters: bool = False


_MEMORY: Final = (
    Range("memory", 1, MAX_COUNT, "memory_total_bytes bar1_total_bytes"),
    Range(
        "memory",
        0,
        MAX_COUNT,
        "memory_used_bytes memory_free_bytes memory_reserved_bytes bar1_used_bytes bar1_free_bytes",
    ),
)
READING: Final[tuple[Range, ...]] = (
    Range(
        "utilization",
        0,
        MAX_PERCENT,
        "utilization_percent memory_utilization_percent encoder_utilization_percent decoder_utilization_percent "
        "jpeg_utilization_percent ofa_utilization_percent",
    ),
    *_MEMORY,
    # System memory that the GPU can reach; 0 where it is switched off.
    Range("memory", 0, MAX_COUNT, "gtt_total_bytes gtt_used_bytes"),
    Range("memory", 0, MAX_PERCENT, "memory_used_percent"),
    Range(
        "temperature",
        -100,
        200,
        "temperature_celsius edge_temperature_celsius memory_temperature_celsius junction_temperature_celsius "
        "temperature_margin_celsius temperature_slowdown_celsius temperature_shutdown_celsius "
        "temperature_max_operating_celsius memory_temperature_max_operating_celsius",
    ),
    Range(
        "power",
        0,
        10_000_000,
        "power_milliwatts power_average_milliwatts power_instant_milliwatts power_limit_milliwatts "
        "power_limit_enforced_milliwatts power_limit_min_milliwatts power_limit_max_milliwatts "
        "power_limit_default_milliwatts",
    ),
    Range(
        "clock",
        0,
        10_000,
        "clock_graphics_megahertz clock_sm_megahertz clock_video_megahertz clock_soc_megahertz clock_fabric_megahertz "
        "clock_max_graphics_megahertz clock_max_sm_megahertz clock_max_video_megahertz "
        "clock_application_graphics_megahertz",
    ),
    # Of a GeForce RTX 4080 it is 11,501 MHz.
    Range(
        "clock",
        0,
        50_000,
        "clock_memory_megahertz clock_max_memory_megahertz clock_application_memory_megahertz",
    ),
    # May be above 100: that is the share of the speed that the board's maker allows (nvmlDeviceGetFanSpeed).
    Range("fan", 0, 200, "fan_speed_percent"),
    Range("fan", 0, 100_000, "fan_revolutions_per_minute"),
    Range("voltage", 0, 20_000, "voltage_millivolts"),
    Range("pcie", 1, 16, "pcie_generation pcie_max_generation"),
    Range("pcie", 1, 64, "pcie_width_lanes pcie_max_width_lanes"),
    Range(
        "rate",
        0,
        1e12,
        "pcie_tx_kilobytes_per_second pcie_rx_kilobytes_per_second nvlink_megabytes_per_second "
        "nvlink_tx_megabytes_per_second nvlink_rx_megabytes_per_second",
    ),
    Range(
        "counter",
        0,
        MAX_COUNT,
        "energy_millijoules power_violation_ns thermal_violation_ns sync_boost_violation_ns board_limit_violation_ns "
        "low_utilization_violation_ns reliability_violation_ns total_app_clocks_violation_ns "
        "total_base_clocks_violation_ns pcie_tx_bytes pcie_rx_bytes pcie_replays ecc_corrected_volatile_errors "
        "ecc_uncorrected_volatile_errors ecc_corrected_aggregate_errors ecc_uncorrected_aggregate_errors "
        "retired_pages_corrected retired_pages_uncorrected remapped_rows_corrected remapped_rows_uncorrected "
        "remap_banks_max remap_banks_high remap_banks_partial remap_banks_low remap_banks_none",
        counters=True,
    ),
    # 32 is NVML's unknown state of performance.
    Range("state", 0, 15, "performance_state"),
    Range("state", 0, MAX_COUNT, "throttle_reasons", counters=True),
    Range(
        "state",
        0,
        MAX_STATE,
        "ecc_mode ecc_mode_pending retired_pages_pending remapped_rows_pending remapped_rows_failure recovery_action "
        "channel_repair_pending tpc_repair_pending memory_unrepairable "
        "persistence_mode compute_mode mig_mode mig_mode_pending cc_mode fabric_state fabric_status "
        "fabric_health_mask vgpu_license_status",
    ),
)
INSTANCE: Final[tuple[Range, ...]] = (
    *_MEMORY,
    Range("counter", 0, MAX_COUNT, "ecc_uncorrected_volatile_errors", counters=True),
    Range("utilization", 0, MAX_PERCENT, "utilization_percent memory_utilization_percent"),
    Range("clock", 0, 10_000, "clock_graphics_megahertz"),
)
LINK: Final[tuple[Range, ...]] = (
    Range("link", 0, MAX_LINK, "link"),
    Range("link", 0, 1, "active"),
    Range("link", 0, 10_000_000, "speed_megabytes_per_second"),
    Range("rate", 0, 1e12, "throughput_megabytes_per_second tx_megabytes_per_second rx_megabytes_per_second"),
    Range(
        "counter",
        0,
        MAX_COUNT,
        "tx_kibibytes rx_kibibytes crc_flit_errors crc_data_errors replay_errors recovery_errors ecc_data_errors",
        counters=True,
    ),
)
PROCESS: Final[tuple[Range, ...]] = (
    Range("process", 1, MAX_PID, "pid"),
    Range("process", 0, MAX_COUNT, "memory_used_bytes gtt_used_bytes"),
    # The greatest GPUs have some hundred; a process may be told to have more than there are.
    Range("process", 0, 100_000, "compute_units_used"),
    Range("process", 0, MAX_COUNT, "sdma_microseconds", counters=True),
    Range(
        "process",
        0,
        MAX_PERCENT,
        "sm_utilization_percent memory_utilization_percent encoder_utilization_percent decoder_utilization_percent",
    ),
)
WITHIN: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("memory_total_bytes", ("memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")),
    ("bar1_total_bytes", ("bar1_used_bytes", "bar1_free_bytes")),
)
"""A total, and what can be no more than it."""

WITHIN_GPU: Final = (*WITHIN, ("gtt_total_bytes", ("gtt_used_bytes",)))
"""The same of a whole GPU."""

POWERS: Final = ("power_milliwatts", "power_average_milliwatts", "power_instant_milliwatts")
POWER_LIMITS: Final = (
    "power_limit_max_milliwatts",
    "power_limit_milliwatts",
    "power_limit_enforced_milliwatts",
    "power_limit_default_milliwatts",
)

Column = tuple[str, float, float, float, str]
"""A field, its bounds, the one value between them that means "not available" (-1 for none), and its kind."""


def columns(ranges: tuple[Range, ...]) -> tuple[Column, ...]:
    """Each field of a table on its own, in the table's order."""
    return tuple(
        (field, row.low, row.high, ALL_ONES_32 if row.counters else -1, row.kind)
        for row in ranges
        for field in row.fields.split()
    )


def most_profiling(metric: str) -> float:
    """The greatest value of a GPM metric: percentages, rates and counters are told apart by the ends of their names."""
    if metric.endswith(("_util", "_occupancy")):
        return MAX_PERCENT
    return MAX_PROFILING_RATE if metric.endswith("_per_sec") else MAX_COUNT
