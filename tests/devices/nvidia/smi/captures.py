"""Captures of nvidia-smi, and what they say by ways other than ours: its csv output, regular expressions, paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

MIB: Final = 1024 * 1024
Rows = tuple[tuple[str, str, int], ...]
STATES: Final = ("idle", "load")
UNKNOWN: Final = ("", "N/A", "Requested functionality has been deprecated", "Not Supported", "None")

# Column of --query-gpu, field of the reading, factor: what hardly changes between two runs.
STATIC: Final[Rows] = (
    ("memory.total", "memory_total_bytes", MIB), ("memory.reserved", "memory_reserved_bytes", MIB),
    ("pcie.link.gen.max", "pcie_max_generation", 1), ("pcie.link.width.max", "pcie_max_width_lanes", 1),
    ("pcie.link.width.current", "pcie_width_lanes", 1),
    ("clocks.max.graphics", "clock_max_graphics_megahertz", 1), ("clocks.max.sm", "clock_max_sm_megahertz", 1),
    ("clocks.max.memory", "clock_max_memory_megahertz", 1),
    ("clocks.applications.graphics", "clock_application_graphics_megahertz", 1),
    ("clocks.applications.memory", "clock_application_memory_megahertz", 1),
    ("power.limit", "power_limit_milliwatts", 1000), ("enforced.power.limit", "power_limit_enforced_milliwatts", 1000),
    ("power.default_limit", "power_limit_default_milliwatts", 1000),
    ("power.min_limit", "power_limit_min_milliwatts", 1000), ("power.max_limit", "power_limit_max_milliwatts", 1000),
    ("ecc.errors.corrected.volatile.total", "ecc_corrected_volatile_errors", 1),
    ("ecc.errors.uncorrected.volatile.total", "ecc_uncorrected_volatile_errors", 1),
    ("ecc.errors.corrected.aggregate.total", "ecc_corrected_aggregate_errors", 1),
    ("ecc.errors.uncorrected.aggregate.total", "ecc_uncorrected_aggregate_errors", 1),
    ("retired_pages.single_bit_ecc.count", "retired_pages_corrected", 1),
    ("retired_pages.double_bit.count", "retired_pages_uncorrected", 1),
    ("retired_pages.pending", "retired_pages_pending", 1),
    ("ecc.mode.current", "ecc_mode", 1), ("ecc.mode.pending", "ecc_mode_pending", 1),
    ("mig.mode.current", "mig_mode", 1), ("mig.mode.pending", "mig_mode_pending", 1),
    ("persistence_mode", "persistence_mode", 1), ("compute_mode", "compute_mode", 1),
    ("gpu_recovery_action", "recovery_action", 1), ("fabric.state", "fabric_state", 1),
    ("fabric.status", "fabric_status", 1),
)  # fmt: skip
REMAPPED: Final[Rows] = (
    ("remapped_rows.correctable", "remapped_rows_corrected", 1),
    ("remapped_rows.uncorrectable", "remapped_rows_uncorrected", 1),
    ("remapped_rows.pending", "remapped_rows_pending", 1), ("remapped_rows.failure", "remapped_rows_failure", 1),
    ("remapped_rows.histogram.max", "remap_banks_max", 1), ("remapped_rows.histogram.high", "remap_banks_high", 1),
    ("remapped_rows.histogram.partial", "remap_banks_partial", 1),
    ("remapped_rows.histogram.low", "remap_banks_low", 1),
    ("remapped_rows.histogram.none", "remap_banks_none", 1),
)  # fmt: skip
"""Static too, but -q does not tell of it in MIG mode."""

WORDS: Final = {
    "Enabled": 1, "Disabled": 0, "Yes": 1, "No": 0, "Default": 0, "Exclusive_Process": 3, "Prohibited": 2,
    "Completed": 3, "Success": 0,
}  # fmt: skip

# Field of the reading, heading and name in -q, factor: what moves between two runs, or is not in the csv output.
MOVING: Final = (
    ("utilization_percent", "Utilization", "GPU", 1), ("memory_utilization_percent", "Utilization", "Memory", 1),
    ("encoder_utilization_percent", "Utilization", "Encoder", 1),
    ("decoder_utilization_percent", "Utilization", "Decoder", 1),
    ("jpeg_utilization_percent", "Utilization", "JPEG", 1), ("ofa_utilization_percent", "Utilization", "OFA", 1),
    ("memory_used_bytes", "FB Memory Usage", "Used", MIB), ("memory_free_bytes", "FB Memory Usage", "Free", MIB),
    ("bar1_total_bytes", "BAR1 Memory Usage", "Total", MIB), ("bar1_used_bytes", "BAR1 Memory Usage", "Used", MIB),
    ("bar1_free_bytes", "BAR1 Memory Usage", "Free", MIB),
    ("temperature_celsius", "Temperature", "GPU Current Temp", 1),
    ("memory_temperature_celsius", "Temperature", "Memory Current Temp", 1),
    ("temperature_margin_celsius", "Temperature", "GPU (?:Current )?T.Limit Temp", 1),
    ("temperature_slowdown_celsius", "Temperature", "GPU Slowdown Temp", 1),
    ("temperature_shutdown_celsius", "Temperature", "GPU Shutdown Temp", 1),
    ("temperature_max_operating_celsius", "Temperature", "GPU Max Operating Temp", 1),
    ("memory_temperature_max_operating_celsius", "Temperature", "Memory Max Operating Temp", 1),
    ("power_average_milliwatts", "GPU Power Readings", "Average Power Draw", 1000),
    ("power_instant_milliwatts", "GPU Power Readings", "Instantaneous Power Draw", 1000),
    ("clock_graphics_megahertz", "Clocks", "Graphics", 1), ("clock_sm_megahertz", "Clocks", "SM", 1),
    ("clock_memory_megahertz", "Clocks", "Memory", 1), ("clock_video_megahertz", "Clocks", "Video", 1),
    ("clock_max_video_megahertz", "Max Clocks", "Video", 1),
    ("power_violation_ns", "Clocks Event Reasons Counters", "SW Power Capping", 1000),
    ("sync_boost_violation_ns", "Clocks Event Reasons Counters", "Sync Boost", 1000),
    ("pcie_replays", "PCI", "Replays Since Reset", 1),
    ("pcie_tx_kilobytes_per_second", "PCI", "Tx Throughput", 1),
    ("pcie_rx_kilobytes_per_second", "PCI", "Rx Throughput", 1),
    ("channel_repair_pending", "ECC Errors", "Channel Repair Pending", 1),
    ("tpc_repair_pending", "ECC Errors", "TPC Repair Pending", 1),
    ("memory_unrepairable", "ECC Errors", "Unrepairable Memory", 1),
)  # fmt: skip
DRIVER_FIELDS: Final = (
    ("temperature_shutdown_tlimit", "Temperature", "GPU Shutdown T.Limit Temp", 1),
    ("temperature_slowdown_tlimit", "Temperature", "GPU Slowdown T.Limit Temp", 1),
    ("temperature_gpu_max_tlimit", "Temperature", "GPU Max Operating T.Limit Temp", 1),
    ("temperature_mem_max_tlimit", "Temperature", "Memory Max Operating T.Limit Temp", 1),
    ("clocks_event_reason_sw_therm_slowdown", "Clocks Event Reasons Counters", "SW Thermal Slowdown", 1000),
    ("clocks_event_reason_hw_therm_slowdown", "Clocks Event Reasons Counters", "HW Thermal Slowdown", 1000),
    ("clocks_event_reason_hw_power_brake_slowdown", "Clocks Event Reasons Counters", "HW Power Braking", 1000),
    ("sram_threshold_exceeded", "ECC Errors", "SRAM Threshold Exceeded", 1),
)  # fmt: skip

IDENTITY: Final = (
    ("uuid", "uuid"), ("name", "model"), ("serial", "serial"), ("vbios_version", "vbios_version"),
    ("inforom.img", "inforom_image_version"), ("inforom.oem", "inforom_oem_version"),
    ("inforom.ecc", "inforom_ecc_version"), ("inforom.pwr", "inforom_power_version"),
    ("driver_version", "driver_version"), ("pci.device_id", "pci_device_id"), ("pci.sub_device_id", "pci_subsystem_id"),
)  # fmt: skip
"""Column of --query-gpu, field of the identity."""

# Field of the reading, its elements over time, factor.
XML: Final = (
    ("utilization_percent", "utilization/gpu_util", 1), ("memory_utilization_percent", "utilization/memory_util", 1),
    ("encoder_utilization_percent", "utilization/encoder_util", 1),
    ("decoder_utilization_percent", "utilization/decoder_util", 1),
    ("jpeg_utilization_percent", "utilization/jpeg_util", 1), ("ofa_utilization_percent", "utilization/ofa_util", 1),
    ("memory_total_bytes", "fb_memory_usage/total", MIB), ("memory_used_bytes", "fb_memory_usage/used", MIB),
    ("memory_free_bytes", "fb_memory_usage/free", MIB), ("memory_reserved_bytes", "fb_memory_usage/reserved", MIB),
    ("bar1_total_bytes", "bar1_memory_usage/total", MIB), ("bar1_used_bytes", "bar1_memory_usage/used", MIB),
    ("bar1_free_bytes", "bar1_memory_usage/free", MIB), ("temperature_celsius", "temperature/gpu_temp", 1),
    ("memory_temperature_celsius", "temperature/memory_temp", 1),
    ("temperature_margin_celsius", "temperature/gpu_temp_tlimit", 1),
    ("temperature_slowdown_celsius", "temperature/gpu_temp_slow_threshold", 1),
    ("temperature_shutdown_celsius", "temperature/gpu_temp_max_threshold", 1),
    ("temperature_max_operating_celsius", "temperature/gpu_temp_max_gpu_threshold", 1),
    ("memory_temperature_max_operating_celsius", "temperature/gpu_temp_max_mem_threshold", 1),
    (
        "power_milliwatts",
        "power_readings/power_draw gpu_power_readings/power_draw gpu_power_readings/average_power_draw "
        "gpu_power_readings/instant_power_draw",
        1000,
    ),
    ("power_average_milliwatts", "gpu_power_readings/average_power_draw", 1000),
    ("power_instant_milliwatts", "gpu_power_readings/instant_power_draw", 1000),
    ("power_limit_milliwatts", "power_readings/power_limit gpu_power_readings/requested_power_limit", 1000),
    (
        "power_limit_enforced_milliwatts",
        "power_readings/enforced_power_limit gpu_power_readings/current_power_limit",
        1000,
    ),
    (
        "power_limit_default_milliwatts",
        "power_readings/default_power_limit gpu_power_readings/default_power_limit",
        1000,
    ),
    ("power_limit_min_milliwatts", "power_readings/min_power_limit gpu_power_readings/min_power_limit", 1000),
    ("power_limit_max_milliwatts", "power_readings/max_power_limit gpu_power_readings/max_power_limit", 1000),
    ("clock_graphics_megahertz", "clocks/graphics_clock", 1), ("clock_sm_megahertz", "clocks/sm_clock", 1),
    ("clock_memory_megahertz", "clocks/mem_clock", 1), ("clock_video_megahertz", "clocks/video_clock", 1),
    ("clock_max_graphics_megahertz", "max_clocks/graphics_clock", 1),
    ("clock_max_sm_megahertz", "max_clocks/sm_clock", 1),
    ("clock_max_memory_megahertz", "max_clocks/mem_clock", 1),
    ("clock_max_video_megahertz", "max_clocks/video_clock", 1),
    ("clock_application_graphics_megahertz", "applications_clocks/graphics_clock", 1),
    ("clock_application_memory_megahertz", "applications_clocks/mem_clock", 1),
    ("power_violation_ns", "clocks_event_reasons_counters/clocks_event_reasons_counters_sw_power_cap", 1000),
    ("sync_boost_violation_ns", "clocks_event_reasons_counters/clocks_event_reasons_counters_sync_boost", 1000),
    ("fan_speed_percent", "fan_speed", 1), ("pcie_generation", "pci/pci_gpu_link_info/pcie_gen/current_link_gen", 1),
    ("pcie_max_generation", "pci/pci_gpu_link_info/pcie_gen/max_link_gen", 1),
    ("pcie_width_lanes", "pci/pci_gpu_link_info/link_widths/current_link_width", 1),
    ("pcie_max_width_lanes", "pci/pci_gpu_link_info/link_widths/max_link_width", 1),
    ("pcie_replays", "pci/replay_counter", 1), ("pcie_tx_kilobytes_per_second", "pci/tx_util", 1),
    ("pcie_rx_kilobytes_per_second", "pci/rx_util", 1),
    ("retired_pages_corrected", "retired_pages/multiple_single_bit_retirement/retired_count", 1),
    ("retired_pages_uncorrected", "retired_pages/double_bit_retirement/retired_count", 1),
    ("remapped_rows_corrected", "remapped_rows/remapped_row_corr", 1),
    ("remapped_rows_uncorrected", "remapped_rows/remapped_row_unc", 1),
    ("remap_banks_max", "remapped_rows/row_remapper_histogram/row_remapper_histogram_max", 1),
    ("remap_banks_high", "remapped_rows/row_remapper_histogram/row_remapper_histogram_high", 1),
    ("remap_banks_partial", "remapped_rows/row_remapper_histogram/row_remapper_histogram_partial", 1),
    ("remap_banks_low", "remapped_rows/row_remapper_histogram/row_remapper_histogram_low", 1),
    ("remap_banks_none", "remapped_rows/row_remapper_histogram/row_remapper_histogram_none", 1),
    ("retired_pages_pending", "retired_pages/pending_retirement retired_pages/pending_blacklist", 1),
    ("remapped_rows_pending", "remapped_rows/remapped_row_pending", 1),
    ("remapped_rows_failure", "remapped_rows/remapped_row_failure", 1), ("ecc_mode", "ecc_mode/current_ecc", 1),
    ("ecc_mode_pending", "ecc_mode/pending_ecc", 1), ("persistence_mode", "persistence_mode", 1),
    ("mig_mode", "mig_mode/current_mig", 1), ("mig_mode_pending", "mig_mode/pending_mig", 1),
    ("compute_mode", "compute_mode", 1), ("performance_state", "performance_state", 1),
    ("recovery_action", "gpu_recovery_action", 1), ("fabric_state", "fabric/state", 1),
    ("channel_repair_pending", "ecc_errors/channel_repair_pending", 1),
    ("tpc_repair_pending", "ecc_errors/tpc_repair_pending", 1),
    ("memory_unrepairable", "ecc_errors/unrepairable_memory", 1),
)  # fmt: skip


class Capture(NamedTuple):
    """One state of one file: what `-q` and `--query-gpu` said, seconds apart, and `-L` once."""

    name: str
    query: bytes
    listing: bytes
    columns: list[dict[str, str]]


def captures(shared: Path) -> list[Capture]:
    """Every state of every file."""
    return [one for file in sorted(_folder(shared, "nvidia_smi_captures").glob("*.txt")) for one in read(file)]


def xml_files(shared: Path) -> list[Path]:
    return sorted(_folder(shared, "telegraf_nvidia_smi_xml").glob("*.xml"))


def goldens(shared: Path) -> list[Path]:
    return sorted(_folder(shared, "nvidia_gpu_exporter_goldens").glob("*.metrics"))


def read(file: Path) -> list[Capture]:
    """Its sections stand below three lines each: a rule, a title with the command, a rule."""
    parts = re.split(
        r"^#{80}\n# ((?:idle|load|capabilities) :: [^\n]*)\n(?:# [^\n]*\n)*#{80}\n", file.read_text(), flags=re.M
    )
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    listing = next(body for title, body in sections.items() if "list (-L)" in title)
    found = []
    for state in STATES:
        table = next(body for title, body in sections.items() if title.startswith(f"{state} :: query-gpu (csv"))
        names, *rows = table.strip().splitlines()
        columns = [name.partition(" [")[0] for name in names.split(", ")]
        cells = [dict(zip(columns, row.split(", "), strict=True)) for row in rows]
        query = sections[f"{state} :: query (-q)"]
        found.append(Capture(f"{file.name} {state}", query.encode(), listing.encode(), cells))
    return found


def expected(cell: str | None, factor: int) -> float | None:
    """What a cell or value says, times the factor."""
    if cell is None or cell.strip(" []") in UNKNOWN:
        return None
    if cell in WORDS:
        return float(WORDS[cell])
    number = re.match(r"P?(-?[0-9.]+)", cell)
    assert number is not None, cell
    return float(number[1]) * factor


def said(query: str, heading: str, name: str) -> str | None:
    """The value of a name below a heading of the GPU, at any depth."""
    found = re.search(rf"^    {heading} *\n((?:        .*\n)+)", query, re.M)
    value = found and re.search(rf"^ +{name} +: (.*)$", found[1], re.M)
    return value[1].strip() if value else None


def _folder(shared: Path, name: str) -> Path:
    return shared / "captures/nvidia" / name
