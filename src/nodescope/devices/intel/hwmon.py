"""Sensors of an Intel GPU: energy, power limits, temperatures, voltage, fans.

*Source*: sysfs-driver-intel-i915-hwmon and -xe-hwmon in Documentation/ABI/testing, Documentation/hwmon/
sysfs-interface.rst. xe numbers its channels by what they are of, the card (1), the package (2) or its memory (3), and
newer releases label them; i915 has one channel of each kind. *Units*: microjoules, microwatts, thousandths of a degree
Celsius, millivolts, revolutions per minute. *Absent when*: the GPU is in the processor, or is a virtual function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nodescope.devices.intel.attributes import Attributes

MAX_CHANNELS: Final = 32
CARD: Final = "card"
PACKAGE: Final = "pkg"
MEMORY: Final = "vram"

_SENSOR: Final = re.compile(r"(energy|power|temp|in|fan)([0-9]{1,2})_(input|max|rated_max|crit|emergency)")
_UNLABELLED: Final[Mapping[str, Mapping[str, Mapping[int, str]]]] = {
    "i915": {"energy": {1: CARD}, "power": {1: CARD}, "temp": {1: PACKAGE}, "in": {0: PACKAGE}},
    "xe": {
        "energy": {1: CARD, 2: PACKAGE},
        "power": {1: CARD, 2: PACKAGE},
        "temp": {2: PACKAGE, 3: MEMORY},
        "in": {0: CARD, 1: PACKAGE},
    },
}
"""Driver -> kind of sensor -> channel -> what it is of, where it has no label."""

_TEMPERATURE_LIMITS: Final = (
    ("temperature_max_operating_celsius", PACKAGE, "max"),
    ("temperature_slowdown_celsius", PACKAGE, "crit"),
    ("temperature_shutdown_celsius", PACKAGE, "emergency"),
    ("memory_temperature_max_operating_celsius", MEMORY, "max"),
)
_POWER_LIMITS: Final = (("power_limit_milliwatts", "max"), ("power_limit_default_milliwatts", "rated_max"))


class Sensors(NamedTuple):
    """Where a GPU's sensors are; empty where it has none. `temperatures`, `temperature_limits` and `power_limits`: what
    of -> path. `memory_temperatures`: of the memory, of which the hottest counts."""

    energy: str = ""
    voltage: str = ""
    temperature: str = ""
    memory_temperatures: tuple[str, ...] = ()
    fans: tuple[str, ...] = ()
    power_limits: Mapping[str, str] = {}
    temperature_limits: Mapping[str, str] = {}


Paths = Mapping[tuple[str, str, str], Sequence[str]]
"""Kind of sensor, what it is of, and attribute ("energy", "card", "input") -> its files."""


def find(attributes: Attributes, folder: str, driver: str) -> Sensors:
    """The sensors of the device in `folder`. Of those that i915 has for each tile ("i915_gt0") none is taken."""
    for entry in attributes.names(f"{folder}/hwmon")[:MAX_CHANNELS]:
        chip = f"{folder}/hwmon/{entry}"
        if attributes.seldom(f"{chip}/name") == driver.encode():
            return _sensors(_paths(attributes, chip, driver))
    return Sensors()


def _paths(attributes: Attributes, chip: str, driver: str) -> Paths:
    found: dict[tuple[str, str, str], list[str]] = {}
    for name in attributes.names(chip):
        match = _SENSOR.fullmatch(name)
        if match is None or len(found) >= MAX_CHANNELS * 8:
            continue
        kind, channel, attribute = match[1], int(match[2]), match[3]
        label = attributes.seldom(f"{chip}/{kind}{channel}_label")
        of = label.decode("ascii", "replace") if label else _UNLABELLED[driver].get(kind, {}).get(channel, "")
        found.setdefault((kind, of, attribute), []).append(f"{chip}/{name}")
    return found


def _sensors(paths: Paths) -> Sensors:
    # The whole card where it is measured, else its package.
    of = CARD if ("energy", CARD, "input") in paths else PACKAGE
    power_of = of if ("power", of, "max") in paths or ("power", of, "rated_max") in paths else PACKAGE
    memory = [path for key, found in paths.items() if key[0] == "temp" and _is_memory(key) for path in found]
    return Sensors(
        energy=_one(paths, "energy", of, "input"),
        voltage=_one(paths, "in", PACKAGE, "input") or _one(paths, "in", CARD, "input"),
        temperature=_one(paths, "temp", PACKAGE, "input"),
        memory_temperatures=tuple(memory),
        fans=tuple(path for key, found in paths.items() if key[0] == "fan" and key[2] == "input" for path in found),
        power_limits={field: path for field, name in _POWER_LIMITS if (path := _one(paths, "power", power_of, name))},
        temperature_limits={
            field: path for field, of, name in _TEMPERATURE_LIMITS if (path := _one(paths, "temp", of, name))
        },
    )


def _is_memory(key: tuple[str, str, str]) -> bool:
    """The memory as a whole, or one of its channels ("vram_ch_0")."""
    return key[2] == "input" and (key[1] == MEMORY or key[1].startswith(f"{MEMORY}_"))


def _one(paths: Paths, kind: str, of: str, attribute: str) -> str:
    found = paths.get((kind, of, attribute))
    return found[0] if found else ""


def readings(attributes: Attributes, sensors: Sensors) -> dict[str, Any]:
    """Fields of a `GpuReading` that change, but energy and power."""
    memory = [value for path in sensors.memory_temperatures if (value := attributes.number(path)) is not None]
    fans = [value for path in sensors.fans if (value := attributes.number(path)) is not None]
    voltage = attributes.number(sensors.voltage) if sensors.voltage else None
    found = {
        "temperature_celsius": _celsius(attributes.number(sensors.temperature) if sensors.temperature else None),
        "memory_temperature_celsius": _celsius(max(memory, default=None)),
        "voltage_millivolts": voltage,
        # The fastest: a card may have several, and one that stands still on purpose.
        "fan_revolutions_per_minute": max(fans, default=None),
    }
    return {field: value for field, value in found.items() if value is not None}


def limits(attributes: Attributes, sensors: Sensors) -> dict[str, Any]:
    """Fields of a `GpuReading` that hardly ever change. A power limit of 0 is one that is switched off."""
    found: dict[str, Any] = {}
    for field, path in sensors.power_limits.items():
        if microwatts := attributes.number(path, attributes.seldom):
            found[field] = microwatts // 1000
    for field, path in sensors.temperature_limits.items():
        celsius = _celsius(attributes.number(path, attributes.seldom))
        if celsius is not None:
            found[field] = celsius
    return found


def _celsius(thousandths: int | None) -> float | None:
    return None if thousandths is None else thousandths / 1000
