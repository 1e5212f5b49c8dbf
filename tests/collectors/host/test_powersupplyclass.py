from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.powersupplyclass import NUMBERS, TEXTS
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

CLASS = "sys/class/power_supply"
BATTERY = {
    "capacity": "81",
    "capacity_level": "Normal",
    "current_now": "-1200000",
    "cycle_count": "17",
    "energy_full": "45070000",
    "manufacturer": "LGC",
    "model_name": "Model 7",
    "present": "1",
    "serial_number": "38109",
    "status": "Discharging",
    "technology": "Li-ion",
    "temp": "305",
    "time_to_empty_now": "3600",
    "type": "Battery",
    "uevent": "POWER_SUPPLY_NAME=BAT0",
    "alarm": "2253000",
}
VALUES = {
    'node_power_supply_capacity{power_supply="BAT0"}': 81,
    'node_power_supply_current_ampere{power_supply="BAT0"}': -1.2,
    'node_power_supply_cyclecount{power_supply="BAT0"}': 17,
    'node_power_supply_energy_full{power_supply="BAT0"}': 45.07,
    'node_power_supply_present{power_supply="BAT0"}': 1,
    'node_power_supply_temp_celsius{power_supply="BAT0"}': 30.5,
    'node_power_supply_time_to_empty_seconds{power_supply="BAT0"}': 3600,
}
INFO = (
    'node_power_supply_info{power_supply="BAT0",capacity_level="Normal",manufacturer="LGC",model_name="Model 7",'
    'serial_number="38109",status="Discharging",technology="Li-ion",type="Battery"}'
)
MAINS = {
    'node_power_supply_online{power_supply="AC"}': 1,
    'node_power_supply_info{power_supply="AC",type="Mains"}': 1,
}


@pytest.fixture
def supplies(machine: Machine) -> Machine:
    """A battery and a mains adapter."""
    for name, content in BATTERY.items():
        machine.write(f"{CLASS}/BAT0/{name}", f"{content}\n")
    machine.write(f"{CLASS}/BAT0/power/control", "auto\n")
    machine.write(f"{CLASS}/AC/online", "1\n")
    machine.write(f"{CLASS}/AC/type", "Mains\n")
    return machine


def test_supplies(supplies: Machine) -> None:
    """Numbers are in the unit of their kind; the info has a label for each text that the supply gives."""
    collector = supplies.build("powersupplyclass")
    assert series(collector.collect()) == {**VALUES, INFO: 1, **MAINS}
    assert collector.left_out == 0


def test_one_header_for_all_infos(supplies: Machine) -> None:
    """Infos with different labels are one family in the text."""
    text = TextEncoder().encode(supplies.build("powersupplyclass").collect()).decode()
    assert text.count("# TYPE node_power_supply_info gauge\n") == 1
    assert text.count("\nnode_power_supply_info{") == 2


def test_units(machine: Machine) -> None:
    """Every number that the kernel documents has a series, in whole units, millionths or tenths."""
    for name in NUMBERS:
        machine.write(f"{CLASS}/X/{name}", "1000000\n")
    found = series(machine.build("powersupplyclass").collect())
    assert len(found) == len(NUMBERS) + 1
    assert found['node_power_supply_voltage_volt{power_supply="X"}'] == 1
    assert found['node_power_supply_charge_ampere{power_supply="X"}'] == 1
    assert found['node_power_supply_temp_alert_max_celsius{power_supply="X"}'] == 100_000
    assert found['node_power_supply_time_to_full_seconds{power_supply="X"}'] == 1_000_000


def test_ignored_supplies(supplies: Machine) -> None:
    """A supply that the setting finds has no series, and is not read."""
    host = DriverHost(supplies)
    assert series(host.build("powersupplyclass", {"ignored-supplies": "^BAT"}).collect()) == MAINS
    assert not any("BAT0" in path for path in host.opened)


@pytest.mark.parametrize("number", [errno.ENODATA, errno.EINVAL, errno.EOPNOTSUPP, errno.EAGAIN])
def test_an_attribute_that_the_driver_refuses(supplies: Machine, number: int) -> None:
    """What the driver does not know costs the one series or label."""
    host = DriverHost(supplies)
    host.refuses = {"BAT0/temp": number, "BAT0/status": number}
    collector = host.build("powersupplyclass")
    left = {name: value for name, value in VALUES.items() if "temp" not in name}
    assert series(collector.collect()) == {**left, INFO.replace('status="Discharging",', ""): 1, **MAINS}
    assert collector.left_out == 0


@pytest.mark.parametrize("content", ["", "warm", "1_0", "30.5", "--3", "9223372036854775808"])
def test_malformed(supplies: Machine, content: str) -> None:
    """A value that is no number is left out and counted; so is a folder in a file's place; all else stays."""
    supplies.write(f"{CLASS}/BAT0/temp", content)
    (supplies.folder / CLASS / "AC/present").mkdir()
    supplies.write(f"{CLASS}/AC/model_name", b"\xc3\xff\xfe\n")
    supplies.write(f"{CLASS}/notes", "not a folder")
    collector = supplies.build("powersupplyclass")
    found = series(collector.collect())
    assert 'node_power_supply_temp_celsius{power_supply="BAT0"}' not in found
    assert found['node_power_supply_info{power_supply="AC",model_name="\ufffd",type="Mains"}'] == 1
    assert len(found) == len(VALUES) + 2
    assert collector.left_out == 2


def test_between_two_scrapes(supplies: Machine) -> None:
    """The second scrape sees new values and supplies, and not the one that is gone."""
    collector = supplies.build("powersupplyclass")
    collector.collect()
    supplies.write(f"{CLASS}/BAT0/capacity", "80\n")
    supplies.write(f"{CLASS}/BAT0/status", "Charging\n")
    supplies.remove(f"{CLASS}/AC")
    supplies.write(f"{CLASS}/UPS/online", "0\n")
    assert series(collector.collect()) == {
        **VALUES,
        'node_power_supply_capacity{power_supply="BAT0"}': 80,
        INFO.replace("Discharging", "Charging"): 1,
        'node_power_supply_online{power_supply="UPS"}': 0,
        'node_power_supply_info{power_supply="UPS"}': 1,
    }


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; without a supply there is no family."""
    with pytest.raises(Absent):
        machine.build("powersupplyclass").collect()
    (machine.folder / CLASS).mkdir(parents=True)
    assert list(machine.build("powersupplyclass").collect()) == []


@given(st.dictionaries(st.sampled_from([*NUMBERS, *TEXTS]), st.binary(max_size=200)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever the files hold, there is one info."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    (machine.folder / CLASS / "X").mkdir(parents=True)
    for name, content in files.items():
        machine.write(f"{CLASS}/X/{name}", content)
    found = series(machine.build("powersupplyclass").collect())
    assert sum(name.startswith("node_power_supply_info") for name in found) == 1
