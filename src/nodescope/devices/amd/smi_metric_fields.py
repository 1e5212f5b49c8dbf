"""Where `amd-smi metric --json` tells what: the fields of readings, and the paths each had in a release, newest first.

Source: amd-smi of ROCm 5.7 to 7.x. A number without a unit is in the unit that the kind has (`smi_values.UNITS`).
"""

from __future__ import annotations

from typing import Final

Row = tuple[str, str, tuple[str, ...]]
"""A field, its kind of quantity, and where it may stand."""

_EDGE: Final = ("temperature.edge", "temperature.edge_temperature")
_HOTSPOT: Final = ("temperature.hotspot", "temperature.hotspot_temperature", "temperature.junction")
_CORRECTED_TEXT: Final = "total_correctable_count total_correctable correctable_count correctable"
_CORRECTED: Final = tuple(f"ecc.{name}" for name in _CORRECTED_TEXT.split())
_UNCORRECTED: Final = tuple(f"ecc.{name.replace('correctable', 'uncorrectable')}" for name in _CORRECTED_TEXT.split())
_SOCKET_POWER: Final = (
    "power.socket_power",
    "power.current_socket_power",
    "power.current_power",
    "power.average_socket_power",
)

READING: Final[tuple[Row, ...]] = (
    ("utilization_percent", "percent", ("usage.gfx_activity", "usage.gfx_usage")),
    ("memory_utilization_percent", "percent", ("usage.umc_activity", "usage.mem_usage")),
    (
        "memory_total_bytes",
        "mebibytes",
        ("mem_usage.total_vram", "mem_usage.vram", "fb_usage.vram_total", "vram.total"),
    ),
    ("memory_used_bytes", "mebibytes", ("mem_usage.used_vram", "fb_usage.vram_used", "vram.used")),
    ("memory_free_bytes", "mebibytes", ("mem_usage.free_vram", "vram.free")),
    ("memory_used_percent", "percent", ("mem_usage.used_vram_percent",)),
    ("bar1_total_bytes", "mebibytes", ("mem_usage.total_visible_vram", "mem_usage.vis_vram")),
    ("bar1_used_bytes", "mebibytes", ("mem_usage.used_visible_vram", "mem_usage.used_vis_vram")),
    ("bar1_free_bytes", "mebibytes", ("mem_usage.free_visible_vram",)),
    ("gtt_total_bytes", "mebibytes", ("mem_usage.total_gtt", "mem_usage.gtt")),
    ("gtt_used_bytes", "mebibytes", ("mem_usage.used_gtt",)),
    ("temperature_celsius", "celsius", (*_EDGE, *_HOTSPOT)),
    ("edge_temperature_celsius", "celsius", _EDGE),
    ("junction_temperature_celsius", "celsius", _HOTSPOT),
    ("memory_temperature_celsius", "celsius", ("temperature.mem", "temperature.mem_temperature", "temperature.vram")),
    ("power_milliwatts", "milliwatts", _SOCKET_POWER),
    ("power_instant_milliwatts", "milliwatts", ("power.current_socket_power",)),
    ("power_average_milliwatts", "milliwatts", ("power.average_socket_power",)),
    ("power_limit_milliwatts", "milliwatts", ("power.power_limit", "power.power_cap")),
    ("energy_millijoules", "millijoules", ("energy.total_energy_consumption",)),
    ("voltage_millivolts", "millivolts", ("power.gfx_voltage", "power.current_gfx_voltage", "power.current_voltage")),
    ("fan_speed_percent", "percent", ("fan.usage",)),
    ("fan_revolutions_per_minute", "rpm", ("fan.rpm", "power.current_fan_rpm")),
    ("pcie_width_lanes", "lanes", ("pcie.width", "pcie.current_lanes", "pcie.pcie_lanes", "pcie.current_width")),
    ("pcie_replays", "count", ("pcie.replay_count", "replay_count")),
    ("ecc_corrected_volatile_errors", "count", _CORRECTED),
    ("ecc_uncorrected_volatile_errors", "count", _UNCORRECTED),
)

PCIE_SPEED: Final = ("pcie.speed", "pcie.current_speed", "pcie.pcie_speed")

GREATEST: Final = ("max_clk",)
_CURRENT: Final = ("clk", "cur_clk", "current_clock")
CLOCKS: Final = (
    ("clock_graphics_megahertz", "gfx", _CURRENT),
    ("clock_memory_megahertz", "mem", _CURRENT),
    ("clock_video_megahertz", "vclk", _CURRENT),
    ("clock_soc_megahertz", "socclk", _CURRENT),
    ("clock_fabric_megahertz", "fclk", _CURRENT),
    ("clock_max_graphics_megahertz", "gfx", GREATEST),
    ("clock_max_memory_megahertz", "mem", GREATEST),
    ("clock_max_video_megahertz", "vclk", GREATEST),
)
"""A field, the clock's domain, and the keys that it may have. Of several of a domain the fastest counts, for one that
has no work slows down while others compute."""

ENGINES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("gfx", ("usage.gfx_activity", "usage.gfx_usage")),
    ("umc", ("usage.umc_activity", "usage.mem_usage")),
    ("mm", ("usage.mm_activity", "usage.mm_ip_usage")),
)
EACH_ENGINE: Final[tuple[tuple[str, str, str], ...]] = (
    ("vcn", "usage.vcn_activity", "usage.vcn_busy"),
    ("jpeg", "usage.jpeg_activity", "usage.jpeg_busy"),
    ("mm", "usage.mm_usage_list", ""),
)
"""Lists with a value for each engine: of the GPU, and of each partition by "xcp_0" and so on."""

TICK_NANOSECONDS: Final = 1_000_000
THROTTLERS: Final = (
    ("prochot", "throttle.prochot_accumulated"),
    ("ppt", "throttle.ppt_accumulated"),
    ("socket_thermal", "throttle.socket_thermal_accumulated"),
    ("vr_thermal", "throttle.vr_thermal_accumulated"),
    ("hbm_thermal", "throttle.hbm_thermal_accumulated"),
)
"""Cause in `GpuReading.throttled_ns`, and where its ticks stand."""

DRIVER_FIELDS: Final[tuple[Row, ...]] = (
    ("gfx_activity_acc", "count", ("usage.gfx_activity_acc",)),
    ("mem_activity_acc", "count", ("usage.mem_activity_acc",)),
    ("accumulation_counter", "count", ("throttle.accumulation_counter",)),
    ("pcie_bandwidth_inst", "megabits_per_second", ("pcie.bandwidth",)),
    ("pcie_l0_to_recov_count_acc", "count", ("pcie.l0_to_recovery_count",)),
    ("pcie_replay_rover_count_acc", "count", ("pcie.replay_roll_over_count", "pcie.replay_rollover_count")),
    ("pcie_nak_sent_count_acc", "count", ("pcie.nak_sent_count",)),
    ("pcie_nak_rcvd_count_acc", "count", ("pcie.nak_received_count",)),
    (
        "pcie_lc_perf_other_end_recovery",
        "count",
        ("pcie.lc_perf_other_end_recovery_count", "pcie.lc_perf_other_end_recovery"),
    ),
    ("voltage_soc", "millivolts", ("power.soc_voltage", "power.current_soc_voltage")),
    ("voltage_mem", "millivolts", ("power.mem_voltage", "power.current_mem_voltage")),
    ("ubb_power_milliwatts", "milliwatts", ("power.ubb_power",)),
    ("average_memory_bandwidth", "count", ("usage.avg_memory_bandwidth",)),
    ("ecc_deferred_volatile_errors", "count", ("ecc.total_deferred_count",)),
)
"""Under the kernel's names where it has them (gpu_metrics). `pcie_bandwidth_inst`: Mbit/s. `ubb_power`: of the board
that carries all modules. `average_memory_bandwidth`: in rocm-smi's unit, which it does not name."""

BLOCK_ERRORS: Final = (
    ("corrected", ("correctable_count", "correctable")),
    ("uncorrected", ("uncorrectable_count", "uncorrectable")),
    ("deferred", ("deferred_count", "deferred")),
)
