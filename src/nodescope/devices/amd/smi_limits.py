"""What `amd-smi static` tells that belongs to a reading: limits, the greatest link, the size of memory."""

from __future__ import annotations

import msgspec

from nodescope.devices.amd.hwmon import OF_OTHER_DIE, POWER_FIELDS, Fields
from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_values import number, pcie_generation
from nodescope.records.amd_static import AmdStatic, Quantity
from nodescope.records.gpu import GpuReading


def with_limits(reading: GpuReading, static: AmdStatic) -> GpuReading:
    """The reading, with what it does not tell and `static` does.

    Temperatures are those of the edge sensor where it has limits, as `GpuReading.temperature_celsius` is. A power of 0
    beside a limit of 0 is none: the first die of an MI250 measures what its second one draws too.
    """
    limit, bus = static.limit, static.bus
    has_edge = limit.slowdown_edge_temperature is not None
    slowdown = limit.slowdown_edge_temperature if has_edge else limit.slowdown_hotspot_temperature
    shutdown = limit.shutdown_edge_temperature if has_edge else limit.shutdown_hotspot_temperature
    told = {
        "power_limit_milliwatts": _of(limit.socket_power, "milliwatts") or None,
        "power_limit_max_milliwatts": _of(limit.max_power, "milliwatts") or None,
        "power_limit_min_milliwatts": _of(limit.min_power, "milliwatts"),
        "temperature_slowdown_celsius": _of(slowdown, "celsius"),
        "temperature_shutdown_celsius": _of(shutdown, "celsius"),
        "pcie_max_width_lanes": bus.max_pcie_width or None,
        "pcie_max_generation": pcie_generation(_written(bus.max_pcie_speed)),
        "memory_total_bytes": _of(static.vram.size, "mebibytes") or None,
    }
    fresh: Fields = {
        field: value for field, value in told.items() if value is not None and getattr(reading, field) is None
    }
    junction = {
        "junction_temperature_crit_celsius": _of(limit.slowdown_hotspot_temperature, "celsius"),
        "junction_temperature_emergency_celsius": _of(limit.shutdown_hotspot_temperature, "celsius"),
    }
    known: dict[str, float] = {field: value for field, value in junction.items() if value is not None}
    if _of(limit.socket_power, "milliwatts") == 0:
        fresh |= {field: None for field in POWER_FIELDS if getattr(reading, field) == 0}
        known[OF_OTHER_DIE] = 1
    if known.keys() - reading.driver_fields.keys():
        fresh["driver_fields"] = {**known, **reading.driver_fields}
    return msgspec.structs.replace(reading, **fresh)


def _of(value: Quantity | None, kind: str) -> int | float | None:
    return number(_written(value), kind)


def _written(value: Quantity | None) -> Entry | None:
    return None if value is None else {"value": value.value, "unit": value.unit}
