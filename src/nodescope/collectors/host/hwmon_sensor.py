"""What the attribute files of hardware monitoring chips are called, and the metric, unit and label each one becomes.

Source: Documentation/hwmon/sysfs-interface.rst: TYPE[NUMBER][_ELEMENT]; voltages, currents and temperatures are in
thousandths, powers, energies, humidities and frequencies in millionths of their unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.kernel.file_name import shown
from nodescope.kernel.number import decimal
from nodescope.kernel.signed_number import INT64_MAX
from nodescope.metric import Metric, MetricType

MAX_KEPT_METRICS: Final = 4096
MAX_VALUE_BYTES: Final = 128

TYPES: Final = frozenset(
    {
        "beep_enable", "cpu", "curr", "energy", "fan", "freq", "humidity", "in", "intrusion", "power", "pwm", "temp",
        "update_interval", "vrm",
    }
)  # fmt: skip
WHOLE_CHIP: Final = frozenset({"beep_enable", "update_interval", "vrm"})
"""Types of a chip as a whole: the file that is called as the type says all."""

HELD_WORDS: Final = frozenset(
    {
        "accuracy", "beep", "cap", "crit", "div", "emergency", "hyst", "info", "interval", "label", "lcrit", "max",
        "min", "number", "offset", "pulses", "tolerance", "type",
    }
)  # fmt: skip
"""Last words of the elements that are settings, limits and names: they hardly ever change."""
_HELD_PREFIXES: Final = ("auto_", "weight_")

TEXTS: Final = frozenset({"label", "model_number", "oem_info", "serial_number"})
"""Elements that need be no number (Documentation/hwmon/acpi_power_meter.rst)."""

_FILE: Final = re.compile(r"([^0-9]+)([0-9]*)(?:_(.+))?")
_NOT_IN_NAMES: Final = re.compile("[^a-z0-9:_]")

Scale = Callable[[float], float]


# Each is the arithmetic that gives everyone else's float64.
def _thousandths(value: float) -> float:
    return value * 0.001


def _millionths(value: float) -> float:
    return value / 1000000.0


def _as_it_is(value: float) -> float:
    return value


class Unit(NamedTuple):
    """`suffix` of the name; `help` with {type} and {element} in it."""

    suffix: str
    help: str
    scale: Scale = _as_it_is
    type: MetricType = "gauge"


_RAW: Final = Unit("", "Hardware monitor {type} element {element}")
_RPM: Final = Unit("_rpm", "Hardware monitor for fan revolutions per minute ({element})")
_STATUS: Final = Unit("", "Hardware sensor {element} status ({type})")
_INTERVAL: Final = Unit("_seconds", "Hardware monitor power usage update interval ({element})", _thousandths)
_VOLTS: Final = Unit("_volts", "Hardware monitor for voltage ({element})", _thousandths)

_OF_ELEMENT: Final = {
    "alarm": _STATUS,
    "beep": Unit("_enabled", "Hardware monitor sensor has beeping enabled"),
    "fault": _STATUS,
}
_OF_BOTH: Final = {
    ("fan", "input"): _RPM,
    ("fan", "max"): _RPM,
    ("fan", "min"): _RPM,
    ("fan", "target"): _RPM,
    ("freq", "input"): Unit("_freq_mhz", "Hardware monitor for GPU frequency in MHz", _millionths),
    ("power", "accuracy"): Unit("", "Hardware monitor power meter accuracy, as a ratio", _millionths),
    ("power", "average_interval"): _INTERVAL,
    ("power", "average_interval_max"): _INTERVAL,
    ("power", "average_interval_min"): _INTERVAL,
    ("temp", "type"): _RAW,
}
_OF_TYPE: Final = {
    "cpu": _VOLTS,
    "curr": Unit("_amps", "Hardware monitor for current ({element})", _thousandths),
    "energy": Unit("_joule_total", "Hardware monitor for joules used so far ({element})", _millionths, "counter"),
    "humidity": Unit(
        "",
        "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage)"
        " ({element})",
        _millionths,
    ),
    "in": _VOLTS,
    "power": Unit("_watt", "Hardware monitor for power usage in watts ({element})", _millionths),
    "temp": Unit("_celsius", "Hardware monitor for temperature ({element})", _thousandths),
}

_SENSOR_LABELS: Final = ("chip", "sensor")
_WHOLE: Final[dict[str, tuple[Metric, Scale]]] = {
    "beep_enable": (Metric("node_hwmon_beep_enabled", "gauge", "Hardware beep enabled", _SENSOR_LABELS), _as_it_is),
    "update_interval": (
        Metric("node_hwmon_update_interval_seconds", "gauge", "Hardware monitor update interval", _SENSOR_LABELS),
        _thousandths,
    ),
    "vrm": (
        Metric("node_hwmon_voltage_regulator_version", "gauge", "Hardware voltage regulator", _SENSOR_LABELS),
        _as_it_is,
    ),
}


class SensorFile(NamedTuple):
    """temp1_crit_alarm: type temp, sensor temp1, element crit_alarm."""

    type: str
    sensor: str
    element: str


def sensor_file(name: str) -> SensorFile | None:
    """What a file of a chip's directory is; None for one that belongs to no sensor."""
    match = _FILE.fullmatch(name)
    if match is None or match[1] not in TYPES:
        return None
    digits = match[2].lstrip("0")
    if len(digits) > len(str(INT64_MAX)) or int(digits or "0") > INT64_MAX:
        return None
    return SensorFile(match[1], match[1] + (digits or "0"), match[3] or "")


def is_held(file: SensorFile) -> bool:
    """Whether the file holds a setting, a limit or a name, which may be remembered for a while."""
    if file.type in WHOLE_CHIP or file.element.startswith(_HELD_PREFIXES):
        return True
    return file.element.rpartition("_")[2] in HELD_WORDS


def clean(name: str) -> str:
    """`name` in lower case, with _ for each character that does not belong in a name, and none at the ends."""
    # Letter by letter: a few capitals become two letters together.
    lower = name.lower() if name.isascii() else "".join(letter.lower()[0] for letter in name)
    return _NOT_IN_NAMES.sub("_", lower).strip("_")


@lru_cache(MAX_KEPT_METRICS)
def metric_of(type: str, element: str, bare_too: bool = False) -> tuple[Metric, Scale]:
    """The metric of an element and how its number is scaled. `bare_too`: the sensor has a file without element too."""
    if type in WHOLE_CHIP:
        return _WHOLE[type]
    unit = _OF_ELEMENT.get(element) or _OF_BOTH.get((type, element)) or _OF_TYPE.get(type, _RAW)
    middle = "" if not element or (element == "input" and not bare_too) else f"_{clean(element)}"
    said = "input" if type == "temp" and not element else shown(element)
    help = unit.help.format(type=type, element=said)
    return Metric(f"node_hwmon_{type}{middle}{unit.suffix}", unit.type, help, _SENSOR_LABELS), unit.scale


def parse_reading(data: bytes) -> float | None:
    """The number of an attribute file; None for all else."""
    word = data[:MAX_VALUE_BYTES].strip(b"\n")
    return decimal(word) if word == word.strip() else None
