"""The numbers at which a verdict changes, each by its name. Units are last in the name; those without are counts.

What is known of a number's reason stands beside it; the others are experience.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple


class Threshold(NamedTuple):
    """`value` is in force unless another is given."""

    name: str
    value: float
    help: str


TABLE: Final[tuple[Threshold, ...]] = (
    Threshold(
        "ecc_uncorrected_errors", 1, "Uncorrected ECC errors since the driver was loaded, from which on to warn."
    ),
    Threshold("ecc_uncorrected_last_hour", 1, "New uncorrected ECC errors within an hour that are critical."),
    Threshold("ecc_corrected_errors_per_hour", 20, "Slope of corrected ECC errors over the last hours, if it goes on."),
    # NVIDIA's own criterion for a replacement of boards with page retirement; 64 is the most there can be.
    Threshold("retired_pages", 60, "Retired pages of memory, from which on to warn."),
    Threshold("remap_banks_none", 1, "Banks of memory without a spare row, from which on to warn."),
    Threshold("remap_banks_low", 1, "Banks of memory with hardly a spare row, from which on to warn."),
    # Some machines have slots with half the lanes, and are warned of.
    Threshold("pcie_width_percent", 100, "Share of a PCIe link's lanes below which to warn."),
    # A quarter of the lanes and less is a link that trained wrongly, not a slot with fewer lanes.
    Threshold("pcie_width_critical_percent", 25, "Share of a PCIe link's lanes that is critical."),
    # DCGM warns from 8 in a minute on.
    Threshold("pcie_replays_last_hour", 480, "PCIe replays within an hour, from which on to warn."),
    Threshold("pcie_busy_percent", 50, "Utilisation above which a PCIe link has to be at its full generation."),
    Threshold("pcie_generation_seconds", 30, "How long a busy GPU's link may be at a lower generation."),
    Threshold(
        "nvlink_errors_last_hour", 60, "Replays and data errors of NVLinks within an hour, from which on to warn."
    ),
    Threshold("nvlink_crc_errors_last_hour", 3600, "NVLink CRC flit errors within an hour, from which on to warn."),
    Threshold("nvlink_recoveries_last_hour", 1, "NVLink recoveries within an hour, from which on to warn."),
    Threshold("fabric_seconds", 60, "How long a GPU may take to join its NVLink fabric before that is critical."),
    Threshold("temperature_near_slowdown_celsius", 3, "Distance to the slowdown temperature at which to warn."),
    Threshold("temperature_near_shutdown_celsius", 3, "Distance to the shutdown temperature that is critical."),
    Threshold("temperature_margin_celsius", 0, "Margin to the greatest operating temperature at which to warn."),
    Threshold("slowdown_critical_seconds", 60, "How long a slowdown by hardware may last before it is critical."),
    Threshold("sw_thermal_slowdown_seconds", 60, "How long the driver may slow down for heat before a warning."),
    Threshold("thermal_throttle_percent", 10, "Share of the last 10 minutes slowed by heat, from which on to warn."),
    Threshold("thermal_throttle_critical_percent", 50, "Share of the last 10 minutes slowed by heat that is critical."),
    Threshold("power_brake_percent", 10, "Share of the last 10 minutes under power brake, from which on to warn."),
    Threshold(
        "clock_deficit_percent", 15, "SM clock below that of the siblings, or below its own, from which on to warn."
    ),
    Threshold("power_deviation_percent", 30, "Power beside that of the siblings and its own, from which on to warn."),
    Threshold(
        "driver_hung_calls_last_hour", 1, "Calls into the driver that hung within an hour, from which on to warn."
    ),
)


def thresholds(given: Mapping[str, float], table: Iterable[Threshold] = TABLE) -> dict[str, float]:
    """All thresholds, with those given in place of the table's. Raises `ValueError` for a name that is not there."""
    values = {threshold.name: threshold.value for threshold in table}
    for name in given:
        if name not in values:
            raise ValueError(f"threshold of health {name!r}: expected one of {', '.join(sorted(values))}")
    return {**values, **given}
