"""The readings of a simulated H200, in the driver's units, with the keys of `GpuReading`, `LinkReading`, `EccReading`.

Figures that never change are those that the driver gives of an H200.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.simulate.faults import LINKS, Fault
from nodescope.simulate.gpu_activity import ACTIVITIES, CAPPED, IDLE, THROTTLED, Activity, Rate
from nodescope.simulate.gpu_board import BAR1_BYTES, MEMORY_BYTES, RESERVED_BYTES, SWITCH_ADDRESSES
from nodescope.simulate.gpu_timeline import Moment, Spent

TX: Final = tuple(activity.tx for activity in ACTIVITIES)
RX: Final = tuple(activity.rx for activity in ACTIVITIES)
NVLINK: Final = tuple(activity.nvlink for activity in ACTIVITIES)

MAX_CELSIUS: Final = 87
SLOWDOWN_CELSIUS: Final = 89
SHUTDOWN_CELSIUS: Final = 95
MEMORY_MAX_CELSIUS: Final = 95
POWER_LIMIT_MILLIWATTS: Final = 700_000
POWER_MIN_MILLIWATTS: Final = 200_000
FABRIC_COMPLETED: Final = 3
FABRIC_HEALTHY: Final = 0b10101010
"""Each two bits: it is not degraded, not recovering, not unhealthy, has no timeouts."""

HEAT_PER_MILLIWATT: Final = 42
"""Millionths of a degree that a GPU gets warmer."""

_AMBIENT_CELSIUS: Final = 27
_MEMORY_WARMER_CELSIUS: Final = 4
_MEMORY_RISE_PERCENT: Final = 80
_MILLIONTHS: Final = 10**6
_THOUSANDTHS: Final = 1000
_PERCENT: Final = 100
_KIB: Final = 1024
_LINK_MEGABYTES_PER_SECOND: Final = 26_562
_CRC_ERRORS_PER_FAULT: Final = 7
_CORRECTED_SECONDS: Final = 900
_REPLAY_SECONDS: Final = 3_600
_CORRECTED_BEFORE: Final = 37
_WORN_GPU: Final = 5
_NOISY_GPU: Final = 6
_BANKS: Final = 3_072
_IDLE_VIDEO_MEGAHERTZ: Final = 765
_VIDEO_MEGAHERTZ: Final = 1_545
_SM_MEGAHERTZ: Final = 1_980
_MEMORY_MEGAHERTZ: Final = 3_201

FIXED: Final[dict[str, object]] = {
    "temperature_slowdown_celsius": SLOWDOWN_CELSIUS,
    "temperature_shutdown_celsius": SHUTDOWN_CELSIUS,
    "temperature_max_operating_celsius": MAX_CELSIUS,
    "memory_temperature_max_operating_celsius": MEMORY_MAX_CELSIUS,
    "power_limit_milliwatts": POWER_LIMIT_MILLIWATTS,
    "power_limit_enforced_milliwatts": POWER_LIMIT_MILLIWATTS,
    "power_limit_min_milliwatts": POWER_MIN_MILLIWATTS,
    "power_limit_max_milliwatts": POWER_LIMIT_MILLIWATTS,
    "power_limit_default_milliwatts": POWER_LIMIT_MILLIWATTS,
    "clock_max_graphics_megahertz": _SM_MEGAHERTZ,
    "clock_max_sm_megahertz": _SM_MEGAHERTZ,
    "clock_max_memory_megahertz": _MEMORY_MEGAHERTZ,
    "clock_max_video_megahertz": _VIDEO_MEGAHERTZ,
    "clock_application_graphics_megahertz": _SM_MEGAHERTZ,
    "clock_application_memory_megahertz": _MEMORY_MEGAHERTZ,
    "clock_memory_megahertz": _MEMORY_MEGAHERTZ,
    "sync_boost_violation_ns": 0,
    "board_limit_violation_ns": 0,
    "low_utilization_violation_ns": 0,
    "reliability_violation_ns": 0,
    "total_app_clocks_violation_ns": 0,
    "performance_state": 0,
    "pcie_generation": 5,
    "pcie_width_lanes": 16,
    "pcie_max_generation": 5,
    "pcie_max_width_lanes": 16,
    "ecc_mode": 1,
    "ecc_mode_pending": 1,
    "recovery_action": 0,
    "persistence_mode": 1,
    "compute_mode": 0,
    "cc_mode": 0,
    "fabric_state": FABRIC_COMPLETED,
    "fabric_status": 0,
    "fabric_health_mask": FABRIC_HEALTHY,
}
DRIVER_FIELDS: Final = {
    "c2c_link_count": 0,
    "nvlink_link_count": LINKS,
    "pcie_replay_rollover_counter": 0,
    "pcie_count_correctable_errors": 0,
    "pcie_count_naks_received": 0,
    "pcie_count_receiver_error": 0,
    "pcie_count_bad_tlp": 0,
    "pcie_count_naks_sent": 0,
    "pcie_count_bad_dllp": 0,
    "pcie_count_non_fatal_error": 0,
    "pcie_count_fatal_error": 0,
    "pcie_count_unsupported_req": 0,
    "pcie_count_lcrc_error": 0,
    "pcie_count_lane_error": 0,
    "is_resetless_mig_supported": 1,
}
_UNUSED_ENGINES: Final = {f"{engine}_utilization_percent": 0 for engine in ("encoder", "decoder", "jpeg", "ofa")}


class Power(NamedTuple):
    """Milliwatts of a GPU: its own rates, and what they were over the last second."""

    rates: Sequence[Rate]
    average: int


def power_rates(permille: int) -> tuple[Rate, ...]:
    """No two boards draw the same, but at the limit."""
    return tuple(
        activity.power
        if number == CAPPED
        else Rate(activity.power.fixed * permille // 1000, activity.power.varying * permille // 1000)
        for number, activity in enumerate(ACTIVITIES)
    )


def heat_rates(power: Sequence[Rate]) -> tuple[Rate, ...]:
    """Millionths of a degree."""
    return tuple(
        Rate(rate.fixed * HEAT_PER_MILLIWATT + activity.heat.fixed, rate.varying * HEAT_PER_MILLIWATT)
        for rate, activity in zip(power, ACTIVITIES, strict=True)
    )


def moving(moment: Moment, spent: Spent, power: Power) -> dict[str, object]:
    """Power, energy, clocks, PCIe: what follows from the activity alone."""
    activity = ACTIVITIES[moment.activity]
    sm = _sm_megahertz(activity, moment)
    too_hot = spent.nanoseconds((THROTTLED,))
    return {
        "power_milliwatts": power.average,
        "power_average_milliwatts": power.average,
        "power_instant_milliwatts": moment.of(power.rates[moment.activity]),
        "energy_millijoules": spent.integral(power.rates),
        "clock_graphics_megahertz": sm,
        "clock_sm_megahertz": sm,
        "clock_video_megahertz": _IDLE_VIDEO_MEGAHERTZ if moment.activity == IDLE else _VIDEO_MEGAHERTZ,
        "throttle_reasons": activity.throttle_reasons,
        "power_violation_ns": spent.nanoseconds((CAPPED,)),
        "thermal_violation_ns": too_hot,
        "total_base_clocks_violation_ns": too_hot,
        "pcie_tx_bytes": spent.integral(TX),
        "pcie_rx_bytes": spent.integral(RX),
    }


def temperatures(rise: int, warmer: int) -> dict[str, object]:
    """`rise`: above the room, in millionths of a degree. `warmer`: what this GPU is more than the others."""
    degrees = _AMBIENT_CELSIUS + warmer + rise // _MILLIONTHS
    of_memory = rise * _MEMORY_RISE_PERCENT // _PERCENT // _MILLIONTHS
    return {
        "temperature_celsius": degrees,
        "memory_temperature_celsius": _AMBIENT_CELSIUS + _MEMORY_WARMER_CELSIUS + warmer + of_memory,
        "temperature_margin_celsius": MAX_CELSIUS - degrees,
    }


def busy_percents(moment: Moment) -> tuple[int, int]:
    """Of the GPU and of its memory's bus, whole percent as NVML has them."""
    activity = ACTIVITIES[moment.activity]
    busy, memory = (min(_PERCENT, moment.of(rate) // _THOUSANDTHS) for rate in (activity.busy, activity.memory_busy))
    return busy, memory


def utilization(busy: int, memory: int) -> dict[str, object]:
    return {"utilization_percent": busy, "memory_utilization_percent": memory, **_UNUSED_ENGINES}


def memory(used: int) -> dict[str, object]:
    return {
        "memory_total_bytes": MEMORY_BYTES,
        "memory_used_bytes": used,
        "memory_free_bytes": MEMORY_BYTES - RESERVED_BYTES - used,
        "memory_reserved_bytes": RESERVED_BYTES,
        "bar1_total_bytes": BAR1_BYTES,
        "bar1_used_bytes": used,
        "bar1_free_bytes": BAR1_BYTES - used,
    }


def ecc_errors(gpu: int, seconds: float, faults: Iterable[Fault]) -> dict[tuple[str, str], int]:
    """Errors in memory by (corrected, life). One GPU wears out: it corrects one each quarter of an hour."""
    corrected = int(seconds) // _CORRECTED_SECONDS if gpu == _WORN_GPU else 0
    uncorrected = sum(fault.what == "ecc" and fault.start <= seconds for fault in faults)
    before = _CORRECTED_BEFORE if gpu == _WORN_GPU else 0
    return {
        ("corrected", "volatile"): corrected,
        ("corrected", "aggregate"): corrected + before,
        ("uncorrected", "volatile"): uncorrected,
        ("uncorrected", "aggregate"): uncorrected,
    }


def ecc_totals(errors: dict[tuple[str, str], int]) -> dict[str, object]:
    return {f"ecc_{corrected}_{life}_errors": count for (corrected, life), count in errors.items()}


def ecc_places(errors: dict[tuple[str, str], int]) -> list[dict[str, object]]:
    return [
        {"location": place, "corrected": corrected, "life": life, "errors": count if place == "dram" else 0}
        for place in ("dram", "sram")
        for (corrected, life), count in errors.items()
    ]


def remapped(seconds: float, faults: Iterable[Fault]) -> dict[str, object]:
    begun = [fault for fault in faults if fault.what == "remap" and fault.start <= seconds]
    return {
        "remapped_rows_corrected": 0,
        "remapped_rows_uncorrected": len(begun),
        "remapped_rows_pending": int(any(fault.holds(seconds) for fault in begun)),
        "remapped_rows_failure": 0,
        "remap_banks_max": _BANKS - len(begun),
        "remap_banks_high": len(begun),
        "remap_banks_partial": 0,
        "remap_banks_low": 0,
        "remap_banks_none": 0,
    }


def replays(gpu: int, seconds: float) -> int:
    """One GPU's PCIe link is noisy."""
    return int(seconds) // _REPLAY_SECONDS if gpu == _NOISY_GPU else 0


def link(number: int, is_up: bool, bytes_moved: int, faults: int) -> dict[str, object]:
    """`bytes_moved`: each way. `faults`: how often it went down."""
    fields: dict[str, object] = {
        "link": number,
        "active": int(is_up),
        "version": "4.0",
        "remote_type": "switch",
        "remote_pci_address": SWITCH_ADDRESSES[number % len(SWITCH_ADDRESSES)],
        "tx_kibibytes": bytes_moved // _KIB,
        "rx_kibibytes": bytes_moved // _KIB,
        "crc_flit_errors": faults * _CRC_ERRORS_PER_FAULT,
        "crc_data_errors": 0,
        "replay_errors": faults,
        "recovery_errors": faults,
    }
    return fields | {"speed_megabytes_per_second": _LINK_MEGABYTES_PER_SECOND} if is_up else fields


def _sm_megahertz(activity: Activity, moment: Moment) -> int:
    """Where power or heat hold it down, the clock is the lower the busier it is."""
    if not activity.throttle_reasons or activity.clock_megahertz == ACTIVITIES[IDLE].clock_megahertz:
        return activity.clock_megahertz
    return activity.clock_megahertz + activity.clock_megahertz * (_MILLIONTHS - moment.busy) // _MILLIONTHS // 15 * 15
