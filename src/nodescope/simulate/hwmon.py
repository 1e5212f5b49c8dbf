"""The sensors of a simulated machine: its CPUs', its disks', those of its board, and its power meter.

Source: Documentation/hwmon/sysfs-interface.rst, coretemp.rst, nct6775.rst, acpi_power_meter.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from posixpath import basename
from typing import Final, NamedTuple

from nodescope.simulate.disk import Disks, controller
from nodescope.simulate.part import NumberFiles, Reading, Row, texts
from nodescope.simulate.pci_tree import link
from nodescope.simulate.power import Power
from nodescope.simulate.thermal import CRITICAL_MILLIDEGREES, HIGH_MILLIDEGREES, Temperatures

_CLASS: Final = "sys/class/hwmon"
_POWER_METER: Final = "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00"
_BOARD: Final = "sys/devices/platform/nct6775.656"

Scale = Callable[[int], float]


def _thousandths(number: int) -> float:
    return number * 0.001


def _millionths(number: int) -> float:
    return number / 1000000.0


_METRICS: Final[dict[str, tuple[str, Scale]]] = {
    "fan_alarm": ("fan_alarm", float),
    "fan_input": ("fan_rpm", float),
    "fan_min": ("fan_min_rpm", float),
    "in_input": ("in_volts", _thousandths),
    "power_average": ("power_average_watt", _millionths),
    "power_average_interval": ("power_average_interval_seconds", _thousandths),
    "power_is_battery": ("power_is_battery_watt", _millionths),
    "pwm": ("pwm", float),
    "pwm_enable": ("pwm_enable", float),
    "temp_alarm": ("temp_alarm", float),
    "temp_crit": ("temp_crit_celsius", _thousandths),
    "temp_crit_alarm": ("temp_crit_alarm_celsius", _thousandths),
    "temp_input": ("temp_celsius", _thousandths),
    "temp_max": ("temp_max_celsius", _thousandths),
    "temp_min": ("temp_min_celsius", _thousandths),
}
"""Type and element of a file -> its metric, and the unit of its number."""
_FILE: Final = re.compile(r"([a-z]+)(\d+)(_\w+)?")

_CORE_ALARMS: Final = {"max": HIGH_MILLIDEGREES, "crit": CRITICAL_MILLIDEGREES, "crit_alarm": 0}

# Degrees of a disk: without load, and more for one that is busy all the time. The driver counts from 273 K.
_DISK_IDLE: Final = 33
_DISK_BUSY: Final = 34
_DISK_WINDOW_SECONDS: Final = 60.0
_OF_KELVIN: Final = -150
_DISK_SENSORS: Final = (("Composite", 0), ("Sensor 1", 2), ("Sensor 2", 6))
_DISK_LIMITS: Final = {"temp1_alarm": 0, "temp1_crit": 84_850, "temp1_max": 80_850, "temp1_min": -273_150}

_AMBIENT_MILLIDEGREES: Final = 27_000
_FANS: Final = 6
_FAN_LEAST_RPM: Final = 3_600
_FAN_RPM_PER_DEGREE: Final = 190
_FAN_APART_RPM: Final = 30
_QUIET_DEGREES: Final = 36
_PWM_LEAST: Final = 60
_PWM_MOST: Final = 255
_PWM_PER_DEGREE: Final = 3
_AUTOMATIC: Final = 5
_MILLIVOLTS: Final = {
    "in0_input": 1_032,
    "in2_input": 3_344,
    "in3_input": 3_328,
    "in7_input": 3_360,
    "in8_input": 3_232,
}


class _Chip(NamedTuple):
    """`folder`: the directory hwmonN. `device`: what the chip belongs to. `label`: its name in the exposition.

    `driver` is "" where all files are with the device, and none in `folder`. `read`: numbers by file.
    """

    folder: str
    device: str
    driver: str
    label: str
    texts: dict[str, str]
    fixed: Mapping[str, int]
    read: Callable[[float], Mapping[str, int]]

    @property
    def sensors(self) -> str:
        return self.folder if self.driver else self.device


def hwmon_part(temperatures: Temperatures, disks: Disks, power: Power) -> NumberFiles:
    """/sys/class/hwmon, and the devices that its chips belong to."""
    chips = [_power_meter(0, power), _board(1, temperatures)]
    chips += [_disk(number, disks, index) for index, number in enumerate(range(2, 2 + len(disks.disks)))]
    first = len(chips)
    chips += [_package(first + package, temperatures, package) for package in range(temperatures.packages)]
    fixed: dict[str, bytes] = {}
    rows: list[Row] = []
    for chip in chips:
        fixed[f"{_CLASS}/{basename(chip.folder)}"] = link(chip.folder, _CLASS)
        fixed[f"{chip.folder}/device"] = link(chip.device, chip.folder)
        fixed |= texts(chip.sensors, chip.texts) | texts(chip.sensors, chip.fixed)
        rows += [_label(chip, file, said) for file, said in chip.texts.items() if file.endswith("_label")]
        rows += [_reading(chip, file, number)[2:] for file, number in chip.fixed.items()]
        if chip.driver:
            fixed |= texts(chip.folder, {"name": chip.driver})
            rows.append(("node_hwmon_chip_names", {"chip": chip.label, "chip_name": chip.driver}, 1.0))

    def readings(seconds: float) -> Iterator[Reading]:
        for chip in chips:
            for file, number in chip.read(seconds).items():
                yield _reading(chip, file, number)

    return NumberFiles(fixed, rows, readings)


def _package(number: int, temperatures: Temperatures, package: int) -> _Chip:
    """The driver coretemp: a sensor for the package, and one for each core."""
    cores = range(len(temperatures.cores(package, 0.0)))
    sensors = {1: f"Package id {package}", **{core + 2: f"Core {core}" for core in cores}}
    device = f"sys/devices/platform/coretemp.{package}"

    def read(seconds: float) -> Mapping[str, int]:
        degrees = [temperatures.package(package, seconds), *temperatures.cores(package, seconds)]
        return {f"temp{sensor}_input": one * 1000 for sensor, one in enumerate(degrees, start=1)}

    return _Chip(
        f"{device}/hwmon/hwmon{number}",
        device,
        "coretemp",
        f"platform_coretemp_{package}",
        {f"temp{sensor}_label": said for sensor, said in sensors.items()},
        {f"temp{sensor}_{element}": limit for sensor in sensors for element, limit in _CORE_ALARMS.items()},
        read,
    )


def _disk(number: int, disks: Disks, index: int) -> _Chip:
    name = controller(disks.disks[index])
    device = f"sys/class/nvme/{name}"

    def read(seconds: float) -> Mapping[str, int]:
        degrees = _DISK_IDLE + int(_DISK_BUSY * disks.loads[index].mean(seconds, _DISK_WINDOW_SECONDS))
        more = enumerate((more for _, more in _DISK_SENSORS), start=1)
        return {f"temp{sensor}_input": (degrees + apart) * 1000 + _OF_KELVIN for sensor, apart in more}

    labels = {f"temp{sensor}_label": said for sensor, (said, _) in enumerate(_DISK_SENSORS, start=1)}
    return _Chip(f"{device}/hwmon{number}", device, "nvme", f"nvme_{name}", labels, _DISK_LIMITS, read)


def _board(number: int, temperatures: Temperatures) -> _Chip:
    """The board's own chip: its fans follow the hottest package."""
    fans = range(1, _FANS + 1)
    fixed = {"pwm1_enable": _AUTOMATIC, "temp1_input": _AMBIENT_MILLIDEGREES, **_MILLIVOLTS}
    for fan in fans:
        fixed |= {f"fan{fan}_alarm": 0, f"fan{fan}_min": 0}

    def read(seconds: float) -> Mapping[str, int]:
        above = max(0, temperatures.hottest(seconds) - _QUIET_DEGREES)
        rpm = _FAN_LEAST_RPM + above * _FAN_RPM_PER_DEGREE
        found = {f"fan{fan}_input": rpm + fan * _FAN_APART_RPM for fan in fans}
        return found | {"pwm1": min(_PWM_MOST, _PWM_LEAST + above * _PWM_PER_DEGREE)}

    names = {"temp1_label": "SYSTIN"}
    return _Chip(f"{_BOARD}/hwmon/hwmon{number}", _BOARD, "nct6779", "platform_nct6775_656", names, fixed, read)


def _power_meter(number: int, power: Power) -> _Chip:
    """The driver acpi_power_meter, which keeps all its files with the device."""

    def read(seconds: float) -> Mapping[str, int]:
        return {"power1_average": power.machine_microwatts(seconds)}

    names = {"name": "power_meter", "power1_model_number": "PWS-2K05A-1R", "power1_oem_info": ""}
    fixed = {"power1_average_interval": 1_000, "power1_is_battery": 0}
    folder = f"{_POWER_METER}/hwmon/hwmon{number}"
    return _Chip(folder, _POWER_METER, "", "lnxsybus:00_acpi000d:00", names, fixed, read)


def _reading(chip: _Chip, file: str, number: int) -> Reading:
    match = _FILE.fullmatch(file)
    assert match is not None, file
    metric, scale = _METRICS[f"{match[1]}{match[3] or ''}"]
    labels = {"chip": chip.label, "sensor": f"{match[1]}{match[2]}"}
    return Reading(f"{chip.sensors}/{file}", number, f"node_hwmon_{metric}", labels, scale(number))


def _label(chip: _Chip, file: str, said: str) -> Row:
    labels = {"chip": chip.label, "sensor": file.removesuffix("_label"), "label": said}
    return "node_hwmon_sensor_label", labels, 1.0
