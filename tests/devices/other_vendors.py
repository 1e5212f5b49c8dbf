"""What no driver of NVIDIA's says, of GPUs of other vendors."""

from __future__ import annotations

from typing import Final

READING: Final = frozenset(
    {
        "clock_fabric_megahertz",
        "clock_soc_megahertz",
        "edge_temperature_celsius",
        "fan_revolutions_per_minute",
        "gtt_total_bytes",
        "gtt_used_bytes",
        "junction_temperature_celsius",
        "memory_used_percent",
        "voltage_millivolts",
    }
)
IDENTITY: Final = frozenset(
    {
        "compute_partition",
        "compute_units",
        "memory_bit_width",
        "memory_partition",
        "memory_type",
        "memory_vendor",
        "oam_id",
    }
)
