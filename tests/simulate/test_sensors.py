"""Energy, temperature, frequency: bounded, in step with each other and with the CPUs."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate.machine import Machine, cpu_machine

SEEDS: Final = st.integers(-(2**64), 2**64)
TIMES: Final = st.floats(0.0, 1e9)
FEW: Final = settings(max_examples=25)
ZONES: Final = {
    "intel-rapl:0": (62, 166),
    "intel-rapl:1": (62, 166),
    "intel-rapl:0:0": (9, 18),
    "intel-rapl:1:0": (9, 18),
}
"""Zone -> watts without load and under full load."""


def number(machine: Machine, path: str, seconds: float) -> int:
    return int(machine.files(seconds)[path])


def numbers(machine: Machine, pattern: str, seconds: float) -> dict[str, int]:
    """What the pattern's group found -> number of the file."""
    found = ((re.fullmatch(pattern, path), data) for path, data in machine.files(seconds).items())
    return {match[1]: int(data) for match, data in found if match}


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_energy(seed: int, seconds: float) -> None:
    """In ten minutes each zone uses no less than without load, and no more than under full load, beyond its range too.

    Its counter is always below the range at which it begins again.
    """
    machine = cpu_machine(seed)
    for zone, (least, most) in ZONES.items():
        folder = f"sys/class/powercap/{zone}"
        limit = number(machine, f"{folder}/max_energy_range_uj", 0.0)
        before, after = (number(machine, f"{folder}/energy_uj", at) for at in (seconds, seconds + 600.0))
        assert 0 <= before < limit
        assert 0 <= after < limit
        assert least * 599 < (after - before) % limit / 1e6 < most * 601


def test_energy_begins_again() -> None:
    """Within a day the counter of a package has passed its range and begun again at 0."""
    machine = cpu_machine(1)
    path = "sys/class/powercap/intel-rapl:0/energy_uj"
    readings = [number(machine, path, hour * 900.0) for hour in range(96)]
    assert any(later < earlier for earlier, later in pairwise(readings))


@FEW
@given(seed=SEEDS, seconds=st.floats(1.0, 1e9))
def test_the_power_meter_agrees_with_the_energy(seed: int, seconds: float) -> None:
    """The machine draws more than its zones used in the same second, and less than it would under full load."""
    machine = cpu_machine(seed)
    used = 0.0
    for zone in ZONES:
        path = f"sys/class/powercap/{zone}/energy_uj"
        limit = number(machine, f"sys/class/powercap/{zone}/max_energy_range_uj", 0.0)
        used += (number(machine, path, seconds) - number(machine, path, seconds - 1.0)) % limit / 1e6
    drawn = number(machine, "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00/power1_average", seconds) / 1e6
    assert used < drawn < 600.0


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_temperatures(seed: int, seconds: float) -> None:
    """Whole degrees below the limit; a package is warmer than its cores, and its thermal zone says the same."""
    machine = cpu_machine(seed)
    for package in range(2):
        folder = rf"sys/devices/platform/coretemp\.{package}/hwmon/hwmon\d+"
        found = numbers(machine, rf"{folder}/(temp\d+)_input", seconds)
        limits = numbers(machine, rf"{folder}/(temp\d+)_max", seconds)
        assert found.keys() == limits.keys() == {f"temp{sensor}" for sensor in range(1, 6)}
        assert all(30_000 <= said < limits[sensor] and said % 1000 == 0 for sensor, said in found.items())
        assert found.pop("temp1") > max(found.values())
        zone = number(machine, f"sys/class/thermal/thermal_zone{package}/temp", seconds)
        assert zone == max(found.values()) + 2_000


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_disks_and_fans(seed: int, seconds: float) -> None:
    """Disks stay below their limit; fans turn, and no faster than they can."""
    machine = cpu_machine(seed)
    for controller in ("nvme0", "nvme1"):
        composite = numbers(machine, rf"sys/class/nvme/{controller}/hwmon\d+/(temp1)_input", seconds)
        assert 25_000 < composite["temp1"] < 80_850
    fans = numbers(machine, r"sys/devices/platform/nct6775\.656/hwmon/hwmon\d+/(fan\d)_input", seconds)
    assert len(fans) == 6
    assert all(3_000 < rpm < 16_000 for rpm in fans.values())


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_frequencies(seed: int, seconds: float) -> None:
    """Each CPU runs at a frequency between its limits."""
    found = numbers(cpu_machine(seed), r"sys/devices/system/cpu/cpu(\d+)/cpufreq/scaling_cur_freq", seconds)
    assert len(found) == 16
    assert all(800_000 <= kilohertz <= 3_800_000 for kilohertz in found.values())


def test_the_busier_the_warmer() -> None:
    """Over a day, a package is warmer in the hours in which it uses more energy."""
    machine = cpu_machine(2)
    watts, degrees = [], []
    for hour in range(24):
        at = 86_400.0 + hour * 3_600.0
        path = "sys/class/powercap/intel-rapl:0/energy_uj"
        limit = number(machine, "sys/class/powercap/intel-rapl:0/max_energy_range_uj", at)
        watts.append((number(machine, path, at) - number(machine, path, at - 10.0)) % limit / 1e7)
        degrees.append(number(machine, "sys/class/thermal/thermal_zone0/temp", at) / 1000)
    order = sorted(range(24), key=watts.__getitem__)
    assert sum(degrees[hour] for hour in order[12:]) > sum(degrees[hour] for hour in order[:12])


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_memory_errors_add_up(seed: int, seconds: float) -> None:
    """What a memory controller corrected is the sum of its modules, and of its rows, and a row that of its channels."""
    files = cpu_machine(seed).files(seconds)
    folder = "sys/devices/system/edac/mc"
    for controller in ("mc0", "mc1"):
        rows = [f"{folder}/{controller}/csrow{row}" for row in range(2)]
        modules = [int(files[f"{folder}/{controller}/dimm{module}/dimm_ce_count"]) for module in range(4)]
        assert int(files[f"{folder}/{controller}/ce_count"]) == sum(modules)
        assert int(files[f"{folder}/{controller}/ce_count"]) == sum(int(files[f"{row}/ce_count"]) for row in rows)
        for row in rows:
            assert int(files[f"{row}/ce_count"]) == sum(int(files[f"{row}/ch{at}_ce_count"]) for at in range(2))
