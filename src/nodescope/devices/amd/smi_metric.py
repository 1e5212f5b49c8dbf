"""What `amd-smi metric` tells of one GPU -> readings.

Source: `amd-smi metric --json` of ROCm 5.7 to 7.x. Activities are percentages; energy is since the driver was loaded,
as are errors. `throttle.*_accumulated` count ticks of the firmware's loop, 1 ms each, as the driver's gpu_metrics has
them. `current_bandwidth_*` is packets times the greatest packet, so no measurement of bytes, and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_metric_fields import (
    BLOCK_ERRORS,
    CLOCKS,
    DRIVER_FIELDS,
    EACH_ENGINE,
    ENGINES,
    GREATEST,
    PCIE_SPEED,
    READING,
    THROTTLERS,
    TICK_NANOSECONDS,
)
from nodescope.devices.amd.smi_values import at, first, number, pcie_generation
from nodescope.records.gpu import EccReading, GpuReading

MAX_ENGINES: Final = 128
MAX_BLOCKS: Final = 64
MAX_CLOCKS: Final = 128
MAX_NAME: Final = 32

_DOMAIN: Final = re.compile(r"([a-z]+)_?[0-9]{0,2}")


def reading(entry: Entry) -> GpuReading:
    """What the GPU reads. What is not told, or not understood, is None."""
    found: dict[str, Any] = {field: first(entry, paths, kind) for field, kind, paths in READING}
    found.update(_clocks(at(entry, "clock")))
    found["pcie_generation"] = pcie_generation(next((told for path in PCIE_SPEED if (told := at(entry, path))), None))
    if found["fan_speed_percent"] is None:
        found["fan_speed_percent"] = _fan_share(entry)
    # Firmware that does not count energy leaves it 0, and one that counts is past that at once.
    found["energy_millijoules"] = found["energy_millijoules"] or None
    found["engines"] = engines(entry)
    jpeg = [used for engine, used in found["engines"].items() if engine.startswith("jpeg_")]
    found["jpeg_utilization_percent"] = sum(jpeg) / len(jpeg) if jpeg else None
    found["throttled_ns"] = _throttled(entry)
    found["driver_fields"] = {
        field: value for field, kind, paths in DRIVER_FIELDS if (value := first(entry, paths, kind)) is not None
    }
    return GpuReading(**found)


def ecc(entry: Entry) -> tuple[EccReading, ...]:
    """Errors by block, "umc" ..., since the driver was loaded."""
    blocks = entry.get("ecc_blocks") or entry.get("ecc_block")
    if not isinstance(blocks, dict):
        return ()
    return tuple(_block_errors(dict(list(blocks.items())[:MAX_BLOCKS])))


def engines(entry: Entry) -> dict[str, float]:
    """Use of each engine in percent, "gfx", "umc", "vcn_0" ...; of those that say nothing there is nothing."""
    found = {engine: used for engine, paths in ENGINES if (used := first(entry, paths, "percent")) is not None}
    for engine, path, of_partitions in EACH_ENGINE:
        each = _each(engine, at(entry, path))
        partitions = at(entry, of_partitions) if of_partitions else None
        # Where there are several partitions they may share an engine.
        if not each and isinstance(partitions, dict) and len(partitions) == 1:
            each = _each(engine, next(iter(partitions.values())))
        found |= each
    return found


def _each(engine: str, values: Any) -> dict[str, float]:
    used = (number(value, "percent") for value in (values[:MAX_ENGINES] if isinstance(values, list) else ()))
    return {f"{engine}_{index}": percent for index, percent in enumerate(used) if percent is not None}


def partition_utilization(entry: Entry) -> dict[int, float]:
    """Mean use of the compute dies of each partition in percent, by its number, where it is told apart."""
    partitions = at(entry, "usage.gfx_busy_inst")
    if not isinstance(partitions, dict):
        return {}
    found: dict[int, float] = {}
    for key, values in partitions.items():
        number_of = key.removeprefix("xcp_")
        used = [number(value, "percent") for value in (values if isinstance(values, list) else [values])]
        known = [value for value in used if value is not None]
        if known and number_of.isdecimal() and number_of.isascii() and len(number_of) < 3:
            found[int(number_of)] = sum(known) / len(known)
    return found


def _clocks(clocks: Any) -> dict[str, int]:
    if not isinstance(clocks, dict):
        return {}
    found: dict[str, int] = {}
    for key, values in list(clocks.items())[:MAX_CLOCKS]:
        domain = _DOMAIN.fullmatch(key)
        if domain is None or not isinstance(values, dict):
            continue
        for field, wanted, names in CLOCKS:
            value = first(values, names, "megahertz") if domain[1] in (wanted, f"{wanted}clk") else None
            # A greatest speed of 0 is none; a clock that stands still is one.
            if value is not None and (value or names != GREATEST):
                found[field] = max(found.get(field, 0), int(value))
    return found


def _throttled(entry: Entry) -> dict[str, int]:
    ticks = ((cause, number(at(entry, path), "count")) for cause, path in THROTTLERS)
    return {cause: int(count) * TICK_NANOSECONDS for cause, count in ticks if count is not None}


def _fan_share(entry: Entry) -> float | None:
    """The fan's speed as a share of its greatest, where only levels are told."""
    speed, greatest = number(at(entry, "fan.speed"), "count"), number(at(entry, "fan.max"), "count")
    return None if speed is None or not greatest or speed > greatest else 100.0 * speed / greatest


def _block_errors(blocks: dict[str, Any]) -> Iterator[EccReading]:
    for block, counts in blocks.items():
        for corrected, names in BLOCK_ERRORS:
            errors = first(counts, names, "count") if isinstance(counts, dict) else None
            if errors is not None:
                yield EccReading(
                    location=block[:MAX_NAME].lower(), corrected=corrected, life="volatile", errors=int(errors)
                )
