"""Which field of a GPU's reading each value of nvidia-smi is, by its path in XML and in text.

Source: nvidia-smi(1), section "GPU attributes"; the output of drivers 418 to 610.

Left alone: `module_power_readings` and `gpu_memory_power_readings`, for the record's power is the board's;
`cc_protected_memory_usage`.
"""

from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.smi.field import Field, fields
from nodescope.devices.nvidia.smi.memory_fields import BAR1, FRAMEBUFFER, memory

_POWER: Final = "gpu power readings"
_CEILING: Final = f"{_POWER}/gpu ceiling power limit"
_BANKS: Final = "bank remap availability histogram"
_HISTOGRAM: Final = "remapped_rows/row_remapper_histogram/row_remapper_histogram"
_XML_POWER: Final = "gpu_power_readings"
_XML_CEILING: Final = f"{_XML_POWER}/gpu_ceiling_power_limit"
_XML_COUNTERS: Final = "clocks_event_reasons_counters/clocks_event_reasons_counters"
_COUNTERS: Final = "clocks event reasons counters"
_XML_LINK: Final = "pci/pci_gpu_link_info"
_LINK: Final = "pci/gpu link info"

READING: Final[tuple[Field, ...]] = (
    *fields(
        "percent",
        ("utilization_percent", "utilization/gpu_util", "utilization/gpu"),
        ("memory_utilization_percent", "utilization/memory_util", "utilization/memory"),
        ("encoder_utilization_percent", "utilization/encoder_util", "utilization/encoder"),
        ("decoder_utilization_percent", "utilization/decoder_util", "utilization/decoder"),
        ("jpeg_utilization_percent", "utilization/jpeg_util", "utilization/jpeg"),
        ("ofa_utilization_percent", "utilization/ofa_util", "utilization/ofa"),
        ("fan_speed_percent", "fan_speed", "fan speed"),
    ),
    *fields(
        "bytes",
        *memory("memory", "fb_memory_usage", "fb memory usage", FRAMEBUFFER),
        *memory("bar1", "bar1_memory_usage", "bar1 memory usage", BAR1),
    ),
    *fields(
        "celsius",
        ("temperature_celsius", "temperature/gpu_temp", "temperature/gpu current temp"),
        ("memory_temperature_celsius", "temperature/memory_temp", "temperature/memory current temp"),
        (
            "temperature_margin_celsius",
            "temperature/gpu_temp_tlimit",
            "temperature/gpu t.limit temp | temperature/gpu current t.limit temp",
        ),
        ("temperature_slowdown_celsius", "temperature/gpu_temp_slow_threshold", "temperature/gpu slowdown temp"),
        ("temperature_shutdown_celsius", "temperature/gpu_temp_max_threshold", "temperature/gpu shutdown temp"),
        (
            "temperature_max_operating_celsius",
            "temperature/gpu_temp_max_gpu_threshold",
            "temperature/gpu max operating temp",
        ),
        (
            "memory_temperature_max_operating_celsius",
            "temperature/gpu_temp_max_mem_threshold",
            "temperature/memory max operating temp",
        ),
    ),
    *fields(
        "milliwatts",
        # What nvmlDeviceGetPowerUsage gives: the mean of a second, and what is drawn now on boards that have no mean.
        (
            "power_milliwatts",
            f"power_readings/power_draw | {_XML_POWER}/power_draw | {_XML_POWER}/average_power_draw"
            f" | {_XML_POWER}/instant_power_draw",
            f"power readings/power draw | {_POWER}/power draw | {_POWER}/average power draw"
            f" | {_POWER}/instantaneous power draw",
        ),
        ("power_average_milliwatts", f"{_XML_POWER}/average_power_draw", f"{_POWER}/average power draw"),
        ("power_instant_milliwatts", f"{_XML_POWER}/instant_power_draw", f"{_POWER}/instantaneous power draw"),
        (
            "power_limit_milliwatts",
            f"power_readings/power_limit | {_XML_POWER}/requested_power_limit | {_XML_CEILING}/requested_power_limit",
            f"power readings/power limit | {_POWER}/requested power limit | {_CEILING}/requested power limit",
        ),
        (
            "power_limit_enforced_milliwatts",
            f"power_readings/enforced_power_limit | {_XML_POWER}/current_power_limit"
            f" | {_XML_CEILING}/current_power_limit",
            f"power readings/enforced power limit | {_POWER}/current power limit | {_CEILING}/current power limit",
        ),
        (
            "power_limit_default_milliwatts",
            f"power_readings/default_power_limit | {_XML_POWER}/default_power_limit"
            f" | {_XML_CEILING}/default_power_limit",
            f"power readings/default power limit | {_POWER}/default power limit | {_CEILING}/default power limit",
        ),
        (
            "power_limit_min_milliwatts",
            f"power_readings/min_power_limit | {_XML_POWER}/min_power_limit | {_XML_CEILING}/min_power_limit",
            f"power readings/min power limit | {_POWER}/min power limit | {_CEILING}/min power limit",
        ),
        (
            "power_limit_max_milliwatts",
            f"power_readings/max_power_limit | {_XML_POWER}/max_power_limit | {_XML_CEILING}/max_power_limit",
            f"power readings/max power limit | {_POWER}/max power limit | {_CEILING}/max power limit",
        ),
    ),
    *fields(
        "megahertz",
        ("clock_graphics_megahertz", "clocks/graphics_clock", "clocks/graphics"),
        ("clock_sm_megahertz", "clocks/sm_clock", "clocks/sm"),
        ("clock_memory_megahertz", "clocks/mem_clock", "clocks/memory"),
        ("clock_video_megahertz", "clocks/video_clock", "clocks/video"),
        ("clock_max_graphics_megahertz", "max_clocks/graphics_clock", "max clocks/graphics"),
        ("clock_max_sm_megahertz", "max_clocks/sm_clock", "max clocks/sm"),
        ("clock_max_memory_megahertz", "max_clocks/mem_clock", "max clocks/memory"),
        ("clock_max_video_megahertz", "max_clocks/video_clock", "max clocks/video"),
        (
            "clock_application_graphics_megahertz",
            "applications_clocks/graphics_clock",
            "applications clocks/graphics",
        ),
        ("clock_application_memory_megahertz", "applications_clocks/mem_clock", "applications clocks/memory"),
    ),
    *fields(
        "nanoseconds",
        # NVML's field of the same counter is an alias of the one of power violations; so is the next.
        ("power_violation_ns", f"{_XML_COUNTERS}_sw_power_cap", f"{_COUNTERS}/sw power capping"),
        ("sync_boost_violation_ns", f"{_XML_COUNTERS}_sync_boost", f"{_COUNTERS}/sync boost"),
    ),
    *fields(
        "generation",
        ("pcie_generation", f"{_XML_LINK}/pcie_gen/current_link_gen", f"{_LINK}/pcie generation/current"),
        ("pcie_max_generation", f"{_XML_LINK}/pcie_gen/max_link_gen", f"{_LINK}/pcie generation/max"),
    ),
    *fields(
        "lanes",
        ("pcie_width_lanes", f"{_XML_LINK}/link_widths/current_link_width", f"{_LINK}/link width/current"),
        ("pcie_max_width_lanes", f"{_XML_LINK}/link_widths/max_link_width", f"{_LINK}/link width/max"),
    ),
    *fields(
        "kilobytes_per_second",
        ("pcie_tx_kilobytes_per_second", "pci/tx_util", "pci/tx throughput"),
        ("pcie_rx_kilobytes_per_second", "pci/rx_util", "pci/rx throughput"),
    ),
    *fields(
        "count",
        ("pcie_replays", "pci/replay_counter", "pci/replays since reset"),
        (
            "retired_pages_corrected",
            "retired_pages/multiple_single_bit_retirement/retired_count",
            "retired pages/single bit ecc",
        ),
        (
            "retired_pages_uncorrected",
            "retired_pages/double_bit_retirement/retired_count",
            "retired pages/double bit ecc",
        ),
        ("remapped_rows_corrected", "remapped_rows/remapped_row_corr", "remapped rows/correctable error"),
        ("remapped_rows_uncorrected", "remapped_rows/remapped_row_unc", "remapped rows/uncorrectable error"),
    ),
    *fields(
        "banks",
        *(
            (f"remap_banks_{name}", f"{_HISTOGRAM}_{name}", f"remapped rows/{_BANKS}/{name}")
            for name in ("max", "high", "partial", "low", "none")
        ),
    ),
    *fields(
        "yes",
        (
            "retired_pages_pending",
            "retired_pages/pending_retirement | retired_pages/pending_blacklist",
            "retired pages/pending page blacklist | retired pages/pending",
        ),
        ("remapped_rows_pending", "remapped_rows/remapped_row_pending", "remapped rows/pending"),
        ("remapped_rows_failure", "remapped_rows/remapped_row_failure", "remapped rows/remapping failure occurred"),
        ("channel_repair_pending", "ecc_errors/channel_repair_pending", "ecc errors/channel repair pending"),
        ("tpc_repair_pending", "ecc_errors/tpc_repair_pending", "ecc errors/tpc repair pending"),
        ("memory_unrepairable", "ecc_errors/unrepairable_memory", "ecc errors/unrepairable memory"),
    ),
    *fields(
        "enabled",
        ("ecc_mode", "ecc_mode/current_ecc", "ecc mode/current"),
        ("ecc_mode_pending", "ecc_mode/pending_ecc", "ecc mode/pending"),
        ("persistence_mode", "persistence_mode", "persistence mode"),
        ("mig_mode", "mig_mode/current_mig", "mig mode/current"),
        ("mig_mode_pending", "mig_mode/pending_mig", "mig mode/pending"),
    ),
    *fields("performance_state", ("performance_state", "performance_state", "performance state")),
    *fields("compute_mode", ("compute_mode", "compute_mode", "compute mode")),
    *fields("recovery_action", ("recovery_action", "gpu_recovery_action", "gpu recovery action")),
    *fields("fabric_state", ("fabric_state", "fabric/state", "fabric/state")),
    *fields("fabric_status", ("fabric_status", "fabric/status", "fabric/status")),
    *fields(
        "license",
        (
            "vgpu_license_status",
            "vgpu_software_licensed_product/license_status | grid_licensed_product/license_status",
            "vgpu software licensed product/license status | grid licensed product/license status",
        ),
    ),
)

DRIVER_FIELDS: Final[tuple[Field, ...]] = (
    *fields(
        "celsius",
        (
            "temperature_shutdown_tlimit",
            "temperature/gpu_temp_max_tlimit_threshold",
            "temperature/gpu shutdown t.limit temp",
        ),
        (
            "temperature_slowdown_tlimit",
            "temperature/gpu_temp_slow_tlimit_threshold",
            "temperature/gpu slowdown t.limit temp",
        ),
        (
            "temperature_gpu_max_tlimit",
            "temperature/gpu_temp_max_gpu_tlimit_threshold",
            "temperature/gpu max operating t.limit temp",
        ),
        (
            "temperature_mem_max_tlimit",
            "temperature/gpu_temp_max_mem_tlimit_threshold",
            "temperature/memory max operating t.limit temp",
        ),
    ),
    *fields(
        "yes",
        (
            "sram_threshold_exceeded",
            "ecc_errors/aggregate/sram_threshold_exceeded",
            "ecc errors/aggregate/sram threshold exceeded",
        ),
    ),
    *fields(
        "nanoseconds",
        (
            "clocks_event_reason_sw_therm_slowdown",
            f"{_XML_COUNTERS}_sw_therm_slowdown",
            f"{_COUNTERS}/sw thermal slowdown",
        ),
        (
            "clocks_event_reason_hw_therm_slowdown",
            f"{_XML_COUNTERS}_hw_therm_slowdown",
            f"{_COUNTERS}/hw thermal slowdown",
        ),
        (
            "clocks_event_reason_hw_power_brake_slowdown",
            f"{_XML_COUNTERS}_hw_power_brake",
            f"{_COUNTERS}/hw power braking",
        ),
    ),
)
"""`GpuReading.driver_fields`, named as by the library's child. A T.Limit threshold is a margin to one that the driver
does not tell."""
