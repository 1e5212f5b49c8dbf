"""The energy that a simulated machine uses, and its counters of running average power limits.

Source: Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.load import FEMTOSECONDS, count
from nodescope.simulate.part import NumberFiles, Reading, texts

_MILLION: Final = 10**6
_CLASS: Final = "sys/class/powercap"

# Microwatts: of a package, of its memory, and of all else in the machine; and more for each CPU that is busy.
_PACKAGE: Final = (62_000_000, 13_000_000)
_DRAM: Final = (9_000_000, 1_100_000)
_REST: Final = 118_000_000
_SUPPLY_PERMILLE: Final = 930

_PACKAGE_RANGE: Final = 262_143_328_850
_DRAM_RANGE: Final = 65_712_999_613
_PACKAGE_LIMIT: Final = 350_000_000


class Power:
    """Energy since boot, in microjoules: a steady part, and one that follows the CPUs."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus
        self.packages = cpus.packages

    def package_microjoules(self, package: int, seconds: float) -> int:
        return self._microjoules(package, seconds, *_PACKAGE)

    def dram_microjoules(self, package: int, seconds: float) -> int:
        return self._microjoules(package, seconds, *_DRAM)

    def machine_microwatts(self, seconds: float) -> int:
        """What the power supplies draw, mean over the last second. Before boot no CPU was busy."""
        per_busy = _PACKAGE[1] + _DRAM[1]
        busy = self._cpus.busy_total(seconds) - self._cpus.busy_total(max(0.0, seconds - 1.0))
        steady = self.packages * (_PACKAGE[0] + _DRAM[0]) + _REST
        return (steady + count(busy, per_busy)) * 1000 // _SUPPLY_PERMILLE

    def _microjoules(self, package: int, seconds: float, steady: int, per_busy: int) -> int:
        busy = sum(self._cpus.package_busy(package, seconds))
        steady_femto = int(seconds * _MILLION) * (FEMTOSECONDS // _MILLION) * steady
        return (steady_femto + busy * per_busy) // FEMTOSECONDS


def rapl_part(power: Power) -> NumberFiles:
    """/sys/class/powercap: a zone for each package, and in it one for its memory."""
    fixed = texts(f"{_CLASS}/intel-rapl", {"enabled": 1})
    for package in range(power.packages):
        zone = f"{_CLASS}/intel-rapl:{package}"
        limits = {
            "constraint_0_name": "long_term",
            "constraint_0_power_limit_uw": _PACKAGE_LIMIT,
            "constraint_0_max_power_uw": _PACKAGE_LIMIT,
            "constraint_1_name": "short_term",
            "constraint_1_power_limit_uw": _PACKAGE_LIMIT * 6 // 5,
        }
        about = {"name": f"package-{package}", "enabled": 1, "max_energy_range_uj": _PACKAGE_RANGE}
        fixed |= texts(zone, about | limits)
        fixed |= texts(f"{zone}:0", {"name": "dram", "enabled": 1, "max_energy_range_uj": _DRAM_RANGE})

    def readings(seconds: float) -> Iterator[Reading]:
        for package in range(power.packages):
            energy = power.package_microjoules(package, seconds) % _PACKAGE_RANGE
            yield _energy("package", package, f"{_CLASS}/intel-rapl:{package}", energy)
            energy = power.dram_microjoules(package, seconds) % _DRAM_RANGE
            yield _energy("dram", package, f"{_CLASS}/intel-rapl:{package}:0", energy)

    return NumberFiles(fixed, (), readings)


def _energy(zone: str, index: int, folder: str, microjoules: int) -> Reading:
    labels = {"index": str(index), "path": f"/{folder}"}
    return Reading(
        f"{folder}/energy_uj", microjoules, f"node_rapl_{zone}_joules_total", labels, microjoules / 1000000.0
    )
