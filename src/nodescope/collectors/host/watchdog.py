"""Watchdog timers."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.device_attributes import DeviceClass, Number
from nodescope.host import Host
from nodescope.kernel.driver_number import int64_any_base
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings


def _number(file: str, unit: str = "") -> tuple[str, Number]:
    help = f"Value of /sys/class/watchdog/<watchdog>/{file}"
    return file, Number(Metric(f"node_watchdog_{file}{unit}", "gauge", help, ("name",)), int64_any_base)


NUMBERS: Final = dict(
    (
        _number("bootstatus"),
        _number("fw_version"),
        _number("nowayout"),
        _number("timeleft", "_seconds"),
        _number("timeout", "_seconds"),
        _number("pretimeout", "_seconds"),
        _number("access_cs0"),
    )
)
TEXTS: Final = {"options": True, "identity": True, "state": False, "status": False, "pretimeout_governor": False}

INFO: Final = Metric("node_watchdog_info", "gauge", "Info of /sys/class/watchdog/<watchdog>", ("name", *TEXTS))


class WatchdogCollector:
    """What watchdog timers are, how long until they fire, and why the machine started last.

    *Source*: /sys/class/watchdog/DEVICE, Documentation/ABI/testing/sysfs-class-watchdog. Nothing that is read here
    starts, feeds or stops a timer. *Units*: seconds; bootstatus in bits as the kernel gives them. *Absent when*: the
    kernel has no watchdogs. An attribute that a device does not have has no series; in the info it is an empty label.
    *Cost*: one read for each attribute, but two that are read once a minute.
    """

    name: ClassVar[str] = "watchdog"
    metrics: ClassVar[tuple[Metric, ...]] = (*(number.metric for number in NUMBERS.values()), INFO)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._class = DeviceClass(host, "watchdog", NUMBERS, TEXTS)

    def collect(self) -> list[Family]:
        rows: dict[Metric, list[Row]] = {}
        for device in self._class.devices():
            self._class.read_numbers(device, rows)
            texts = device.read_texts(self._class.reader)
            labels = (device.label, *(texts.get(name, "") for name in TEXTS))
            rows.setdefault(INFO, []).append((labels, 1))
        self.left_out = self._class.reader.left_out
        return [Family(metric, found) for metric, found in rows.items()]


def build(host: Host, settings: Settings) -> WatchdogCollector:
    return WatchdogCollector(host)
