"""Sensors of a GPU: temperatures, power, clocks, voltage, fan; and the limits of some.

*Source*: amdgpu's folder hwmon (Documentation/gpu/amdgpu/thermal.rst): temp1 to temp3 are edge, junction and mem, of
newer boards the last two alone; power is power1_average or, of MI300 and newer, power1_input. *Units*: of the files
thousandths of a degree, microwatts, hertz, millivolts, rpm, and 0 to 255 for pwm; of the records those that end a
field's name. *Absent when*: there is no such sensor, and all of them in most virtual machines; power and its limits
where both are 0, as of the second die of an MI250, whose first one measures both; a fan's speed of 0 in gpu_metrics
where the chip has no fan, as of MI200, whose driver always writes it.
*Cost*: one request to the GPU's firmware for each sensor: so only those are read that gpu_metrics did not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.gpu_metrics_reading import settle_temperature

NAME: Final = "amdgpu"
MAX_CHIPS: Final = 16
TEMPERATURES: Final = {1: "edge", 2: "junction", 3: "mem"}
"""Number of a sensor -> what it is, where it has no label."""

PWM_MOST: Final = 255
Fields = dict[str, Any]


def _celsius(value: int) -> float:
    return value / 1000


def _milliwatts(value: int) -> int:
    return value // 1000


def _megahertz(value: int) -> int:
    return round(value / 1_000_000)


def _percent(value: int) -> float:
    return value * 100 / PWM_MOST


class Sensor(NamedTuple):
    """A file, the fields that it fills, and how its number becomes theirs."""

    file: str
    fields: tuple[str, ...]
    scale: Callable[[int], float] = int


TEMPERATURE_FIELDS: Final = {
    "edge": ("edge_temperature_celsius",),
    "junction": ("junction_temperature_celsius",),
    "mem": ("memory_temperature_celsius",),
}
POWERS: Final = (
    Sensor("power1_average", ("power_milliwatts", "power_average_milliwatts"), _milliwatts),
    Sensor("power1_input", ("power_milliwatts", "power_instant_milliwatts"), _milliwatts),
)
CLOCK_FIELDS: Final = {"sclk": ("clock_graphics_megahertz",), "mclk": ("clock_memory_megahertz",)}
VOLTAGE_FIELDS: Final = {"vddgfx": ("voltage_millivolts",)}
FAN: Final = "fan1_input"
FAN_SPEED: Final = "fan_revolutions_per_minute"
FANS: Final = (
    Sensor(FAN, (FAN_SPEED,)),
    Sensor("pwm1", ("fan_speed_percent",), _percent),
)
POWER_FIELDS: Final = tuple(dict.fromkeys(name for sensor in POWERS for name in sensor.fields))
POWER_CAP: Final = "power1_cap"
OF_OTHER_DIE: Final = "power_of_other_die"
"""The driver's field that is 1 where another die of the board measures the power of both."""

LEAST_POWER: Final = "power1_cap_min"
POWER_LIMITS: Final = (
    Sensor(POWER_CAP, ("power_limit_milliwatts", "power_limit_enforced_milliwatts"), _milliwatts),
    Sensor(LEAST_POWER, ("power_limit_min_milliwatts",), _milliwatts),
    Sensor("power1_cap_max", ("power_limit_max_milliwatts",), _milliwatts),
    Sensor("power1_cap_default", ("power_limit_default_milliwatts",), _milliwatts),
)
_LABELLED: Final = (("freq", CLOCK_FIELDS, _megahertz), ("in", VOLTAGE_FIELDS, int))


class Hwmon:
    """The sensors of one GPU, by what its chip was found to have when it was `learn`t last.

    `moved`: whether the chip has gone since: it has another number after the driver was bound anew.
    """

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files
        self._folder = ""
        self._has: frozenset[str] = frozenset()
        self._temperatures: dict[str, int] = {}
        self._sensors: tuple[Sensor, ...] = ()
        self._measures_no_power = False
        self.limits: Fields = {}
        self.moved = False

    def learn(self) -> None:
        """Finds the chip, its sensors and their limits."""
        self.moved = False
        self._folder = self._chip()
        self._has = frozenset(self._files.names(self._folder)) if self._folder else frozenset()
        self._temperatures = {
            label: number for number in TEMPERATURES if (label := self._label("temp", number, TEMPERATURES[number]))
        }
        self._sensors = tuple(sensor for sensor in self._planned() if sensor.file in self._has)
        self._measures_no_power = self._number(POWER_CAP) == 0
        self.limits = self._read_limits()

    def fill(self, fields: Fields) -> None:
        """Adds to `fields` what they do not have yet."""
        asked = answered = 0
        for file, names, scale in self._sensors:
            if names[0] not in fields:
                asked += 1
                value = self._files.number(f"{self._folder}/{file}")
                if value is not None:
                    answered += 1
                    fields.update(dict.fromkeys(names, scale(value)))
        self.moved = bool(asked and not answered) and self._files.line(f"{self._folder}/name") != NAME
        if self._measures_no_power:
            for name in [name for name in POWER_FIELDS if fields.get(name) == 0]:
                del fields[name]
        if fields.get(FAN_SPEED) == 0 and FAN not in self._has:
            del fields[FAN_SPEED]
        settle_temperature(fields)

    def _planned(self) -> list[Sensor]:
        found = [
            Sensor(f"temp{number}_input", TEMPERATURE_FIELDS[label], _celsius)
            for label, number in self._temperatures.items()
            if label in TEMPERATURE_FIELDS
        ]
        found += POWERS
        for kind, by_label, scale in _LABELLED:
            for number in range(4):
                names = by_label.get(self._label(kind, number, "") or "")
                if names:
                    found.append(Sensor(f"{kind}{number}_input", names, scale))
        return [*found, *FANS]

    def _read_limits(self) -> Fields:
        found: Fields = {}
        for file, names, scale in POWER_LIMITS:
            value = self._number(file)
            # A limit of 0 is none, as on a board's second die; only the least that may be set can be 0.
            if value or (value == 0 and file == LEAST_POWER):
                found.update(dict.fromkeys(names, scale(value)))
        limits = {
            (label, what): _celsius(value)
            for label, number in self._temperatures.items()
            for what in ("crit", "emergency")
            if (value := self._number(f"temp{number}_{what}"))
        }
        main = "edge" if "edge" in self._temperatures else "junction"
        for field, key in (
            ("temperature_slowdown_celsius", (main, "crit")),
            ("temperature_shutdown_celsius", (main, "emergency")),
            ("memory_temperature_max_operating_celsius", ("mem", "crit")),
        ):
            if key in limits:
                found[field] = limits[key]
        found["driver_fields"] = {
            f"{label}_temperature_{what}_celsius": value for (label, what), value in limits.items()
        }
        if self._measures_no_power:
            found["driver_fields"][OF_OTHER_DIE] = 1
        return found

    def _number(self, file: str) -> int | None:
        return self._files.number(f"{self._folder}/{file}", self._files.anew) if file in self._has else None

    def _label(self, kind: str, number: int, default: str) -> str | None:
        if f"{kind}{number}_input" not in self._has:
            return None
        label = f"{kind}{number}_label"
        return (self._files.line(f"{self._folder}/{label}") if label in self._has else None) or default or None

    def _chip(self) -> str:
        """The folder of the driver's own chip, "" where there is none."""
        for name in self._files.names("hwmon")[:MAX_CHIPS]:
            if self._files.line(f"hwmon/{name}/name") == NAME:
                return f"hwmon/{name}"
        return ""
