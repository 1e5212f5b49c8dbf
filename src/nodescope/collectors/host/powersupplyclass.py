"""Power supplies: batteries, mains adapters, USB ports."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, Final

from nodescope.collectors.host.device_attributes import DeviceClass, Number
from nodescope.collectors.host.number_file import Parse
from nodescope.host import Host
from nodescope.kernel.driver_number import int64_any_base
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_KEPT_METRICS: Final = 1024


def parse_millionths(raw: bytes) -> float | None:
    value = int64_any_base(raw)
    return None if value is None else value / 1e6


def parse_tenths(raw: bytes) -> float | None:
    value = int64_any_base(raw)
    return None if value is None else value / 10.0


WHOLE: Final = (
    "authentic", "calibrate", "capacity", "capacity_alert_max", "capacity_alert_min", "cycle_count", "online",
    "present", "time_to_empty_now", "time_to_full_now",
)  # fmt: skip
MILLIONTHS: Final = (
    "charge_control_limit", "charge_control_limit_max", "charge_counter", "charge_empty", "charge_empty_design",
    "charge_full", "charge_full_design", "charge_now", "charge_term_current", "constant_charge_current",
    "constant_charge_current_max", "constant_charge_voltage", "constant_charge_voltage_max", "current_boot",
    "current_max", "current_now", "energy_empty", "energy_empty_design", "energy_full", "energy_full_design",
    "energy_now", "input_current_limit", "power_now", "precharge_current", "voltage_boot", "voltage_max",
    "voltage_max_design", "voltage_min", "voltage_min_design", "voltage_now", "voltage_ocv",
)  # fmt: skip
TENTHS: Final = (
    "temp", "temp_alert_max", "temp_alert_min", "temp_ambient", "temp_ambient_max", "temp_ambient_min", "temp_max",
    "temp_min",
)  # fmt: skip
RENAMED: Final = {
    "charge_now": "charge_ampere",
    "current_now": "current_ampere",
    "cycle_count": "cyclecount",
    "energy_now": "energy_watthour",
    "power_now": "power_watt",
    "time_to_empty_now": "time_to_empty_seconds",
    "time_to_full_now": "time_to_full_seconds",
    "voltage_now": "voltage_volt",
} | {name: f"{name}_celsius" for name in TENTHS}

TEXTS: Final = {
    "capacity_level": False, "charge_type": False, "health": False, "manufacturer": True, "model_name": True,
    "scope": True, "serial_number": True, "status": False, "technology": True, "type": True, "usb_type": False,
}  # fmt: skip


def _number(file: str, parse: Parse) -> Number:
    name = RENAMED.get(file, file)
    help = f"{name} value of /sys/class/power_supply/<power_supply>."
    return Number(Metric(f"node_power_supply_{name}", "gauge", help, ("power_supply",)), parse)


NUMBERS: Final = {
    file: _number(file, parse)
    for files, parse in ((WHOLE, int64_any_base), (MILLIONTHS, parse_millionths), (TENTHS, parse_tenths))
    for file in files
}


@lru_cache(MAX_KEPT_METRICS)
def info_metric(texts: tuple[str, ...]) -> Metric:
    """The info of supplies that have these texts."""
    help = "info of /sys/class/power_supply/<power_supply>."
    return Metric("node_power_supply_info", "gauge", help, ("power_supply", *texts))


class PowersupplyclassCollector:
    """What power supplies give and hold, and what they are.

    *Source*: /sys/class/power_supply/SUPPLY, Documentation/ABI/testing/sysfs-class-power. *Units*: volts, amperes,
    ampere-hours, watts, watt-hours, degrees Celsius, seconds, percent. *Absent when*: the kernel knows no power
    supplies. An attribute that a supply does not have, or does not know, has neither series nor label. *Cost*: one read
    for each attribute, but those that say what the supply is, which are read once a minute.
    """

    name: ClassVar[str] = "powersupplyclass"
    metrics: ClassVar[tuple[Metric, ...]] = (*(number.metric for number in NUMBERS.values()), info_metric((*TEXTS,)))
    left_out: int = 0

    def __init__(self, host: Host, ignored: re.Pattern[str] | None) -> None:
        self._class = DeviceClass(host, "power_supply", NUMBERS, TEXTS, ignored)

    def collect(self) -> list[Family]:
        rows: dict[Metric, list[Row]] = {}
        for device in self._class.devices():
            self._class.read_numbers(device, rows)
            texts = device.read_texts(self._class.reader)
            names = tuple(name for name in TEXTS if name in texts)
            row = ((device.label, *(texts[name] for name in names)), 1)
            rows.setdefault(info_metric(names), []).append(row)
        self.left_out = self._class.reader.left_out
        return [Family(metric, found) for metric, found in rows.items()]


def build(host: Host, settings: Settings) -> PowersupplyclassCollector:
    return PowersupplyclassCollector(host, settings["collector.powersupplyclass.ignored-supplies"])
