"""How warm a simulated machine is: its thermal zones and cooling devices.

Source: Documentation/driver-api/thermal/sysfs-api.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.load import FEMTOSECONDS
from nodescope.simulate.part import NumberFiles, Reading, Row, texts

CRITICAL_MILLIDEGREES: Final = 102_000
HIGH_MILLIDEGREES: Final = 92_000

_CLASS: Final = "sys/class/thermal"
_WINDOW_SECONDS: Final = 10.0
# Degrees: without load, more for a core that is busy, more for a package that is.
_IDLE: Final = 34
_CORE: Final = 36
_PACKAGE: Final = 12
_HOTSPOT: Final = 2
_THROTTLE_STATES: Final = 3
_IDLE_STATES: Final = 50
_NOT_INJECTING: Final = -1


class Temperatures:
    """Whole degrees Celsius, as the sensors in CPUs give them; they follow the load of the last ten seconds."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus
        self.packages = cpus.packages

    def cores(self, package: int, seconds: float) -> list[int]:
        """Of each core of a package."""
        before = self._cpus.package_busy(package, max(0.0, seconds - _WINDOW_SECONDS))
        now = self._cpus.package_busy(package, seconds)
        # The threads of a core are as many CPUs apart as a package has cores.
        cores, threads = self._cpus.cores, self._cpus.threads
        busy = [sum(now[core::cores]) - sum(before[core::cores]) for core in range(cores)]
        most = int(_WINDOW_SECONDS) * FEMTOSECONDS * threads
        shared = _PACKAGE * sum(busy) // (cores * most)
        return [_IDLE + shared + _CORE * one // most for one in busy]

    def package(self, package: int, seconds: float) -> int:
        return max(self.cores(package, seconds)) + _HOTSPOT

    def hottest(self, seconds: float) -> int:
        return max(self.package(package, seconds) for package in range(self.packages))


def thermal_part(temperatures: Temperatures, cpus: int) -> NumberFiles:
    """/sys/class/thermal: a zone for each package, and a cooling device for each CPU and for idle injection."""
    fixed: dict[str, bytes] = {}
    rows: list[Row] = []
    for package in range(temperatures.packages):
        zone = {"type": "x86_pkg_temp", "policy": "step_wise", "available_policies": "user_space step_wise"}
        fixed |= texts(f"{_CLASS}/thermal_zone{package}", zone)
    for number in range(cpus + 1):
        type_ = "Processor" if number < cpus else "intel_powerclamp"
        state, most = (0, _THROTTLE_STATES) if number < cpus else (_NOT_INJECTING, _IDLE_STATES)
        cooler = {"type": type_, "cur_state": state, "max_state": most}
        fixed |= texts(f"{_CLASS}/cooling_device{number}", cooler)
        labels = {"name": str(number), "type": type_}
        rows.append(("node_cooling_device_cur_state", labels, float(state)))
        rows.append(("node_cooling_device_max_state", labels, float(most)))

    def readings(seconds: float) -> Iterator[Reading]:
        for package in range(temperatures.packages):
            millidegrees = temperatures.package(package, seconds) * 1000
            labels = {"zone": str(package), "type": "x86_pkg_temp"}
            path = f"{_CLASS}/thermal_zone{package}/temp"
            yield Reading(path, millidegrees, "node_thermal_zone_temp", labels, millidegrees / 1000.0)

    return NumberFiles(fixed, rows, readings)
