from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.thermal_zone import parse_millidegrees
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series


@pytest.fixture
def thermal(machine: Machine) -> Machine:
    """Two zones, two cooling devices."""
    for number, (type_, temp) in enumerate((("x86_pkg_temp", "45000"), ("acpitz", "-1500"))):
        machine.write(f"sys/class/thermal/thermal_zone{number}/type", f"{type_}\n")
        machine.write(f"sys/class/thermal/thermal_zone{number}/temp", f"{temp}\n")
        machine.write(f"sys/class/thermal/thermal_zone{number}/policy", "step_wise\n")
    for number, (type_, state, most) in enumerate((("Processor", "0", "10"), ("intel_powerclamp", "-1", "100"))):
        for name, content in (("type", type_), ("cur_state", state), ("max_state", most)):
            machine.write(f"sys/class/thermal/cooling_device{number}/{name}", f"{content}\n")
    return machine


ALL = {
    'node_thermal_zone_temp{zone="0",type="x86_pkg_temp"}': 45,
    'node_thermal_zone_temp{zone="1",type="acpitz"}': -1.5,
    'node_cooling_device_cur_state{name="0",type="Processor"}': 0,
    'node_cooling_device_cur_state{name="1",type="intel_powerclamp"}': -1,
    'node_cooling_device_max_state{name="0",type="Processor"}': 10,
    'node_cooling_device_max_state{name="1",type="intel_powerclamp"}': 100,
}


def without(*names: str) -> dict[str, float]:
    return {name: value for name, value in ALL.items() if not name.startswith(names)}


def test_zones_and_cooling_devices(thermal: Machine) -> None:
    """Zones are in degrees Celsius, below zero too; a state may be -1."""
    assert series(thermal.build("thermal_zone").collect()) == ALL


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENODATA, errno.EINVAL, errno.EACCES])
def test_a_sleeping_zone(thermal: Machine, number: int) -> None:
    """A zone that cannot be read has no series, and neither has a state; the others stay."""
    host = DriverHost(thermal)
    host.refuses = {"thermal_zone0/temp": number, "cooling_device1/cur_state": number}
    collector = host.build("thermal_zone")
    left = without('node_thermal_zone_temp{zone="0"', 'node_cooling_device_cur_state{name="1"')
    assert series(collector.collect()) == left
    assert collector.left_out == 0
    host.refuses = {}
    assert series(collector.collect()) == ALL


@pytest.mark.parametrize("content", ["", "warm", "4_5", "+45", "4.5", "9223372036854775808", "45000 45000", "0x10"])
def test_malformed(thermal: Machine, content: str) -> None:
    """A temperature that is no whole number is left out and counted, never 0."""
    thermal.write("sys/class/thermal/thermal_zone0/temp", content)
    thermal.write("sys/class/thermal/cooling_device0/max_state", content)
    collector = thermal.build("thermal_zone")
    left = without('node_thermal_zone_temp{zone="0"', 'node_cooling_device_max_state{name="0"')
    assert series(collector.collect()) == left
    assert collector.left_out == 2


def test_a_zone_without_type(thermal: Machine) -> None:
    """A zone of unknown type has an empty label; what is no zone is passed over."""
    thermal.remove("sys/class/thermal/thermal_zone0/type")
    thermal.write("sys/class/thermal/thermal_zone1/type", b"a\xff\xfeb\n")
    thermal.write("sys/class/thermal/thermal_zone", "not a folder")
    thermal.write("sys/class/thermal/thermal_zones/temp", "1000")
    found = series(thermal.build("thermal_zone").collect())
    assert {name: value for name, value in found.items() if name.startswith("node_thermal")} == {
        'node_thermal_zone_temp{zone="0",type=""}': 45,
        'node_thermal_zone_temp{zone="1",type="a\ufffdb"}': -1.5,
    }


def test_between_two_scrapes(thermal: Machine) -> None:
    """The second scrape sees new values, and not the zone that is gone."""
    collector = thermal.build("thermal_zone")
    collector.collect()
    thermal.write("sys/class/thermal/thermal_zone0/temp", "46000\n")
    thermal.remove("sys/class/thermal/thermal_zone1")
    thermal.write("sys/class/thermal/cooling_device0/cur_state", "3\n")
    assert series(collector.collect()) == {
        **without("node_thermal_zone"),
        'node_thermal_zone_temp{zone="0",type="x86_pkg_temp"}': 46,
        'node_cooling_device_cur_state{name="0",type="Processor"}': 3,
    }


def test_all_zones_go(thermal: Machine) -> None:
    """A cooling device that comes in a zone's place is one; when all are gone there is no family."""
    collector = thermal.build("thermal_zone")
    thermal.remove("sys/class/thermal/cooling_device0")
    thermal.remove("sys/class/thermal/cooling_device1")
    collector.collect()
    folder = thermal.folder / "sys/class/thermal"
    (folder / "thermal_zone1").rename(folder / "cooling_device1")
    thermal.write("sys/class/thermal/cooling_device1/cur_state", "2\n")
    assert series(collector.collect()) == {
        'node_thermal_zone_temp{zone="0",type="x86_pkg_temp"}': 45,
        'node_cooling_device_cur_state{name="1",type="acpitz"}': 2,
    }
    thermal.remove("sys/class/thermal/thermal_zone0")
    thermal.remove("sys/class/thermal/cooling_device1")
    assert list(collector.collect()) == []


def test_types_are_remembered(thermal: Machine) -> None:
    """While the kernel's directory is remembered, only temperatures and states are read; what was odd stays told."""
    thermal.write("sys/class/thermal/cooling_device0/max_state", "many\n")
    host = DriverHost(thermal, remembers=True)
    collector = host.build("thermal_zone")
    collector.collect()
    host.opened.clear()
    collector.collect()
    assert {path.rpartition("/")[2] for path in host.opened} == {"temp", "cur_state"}
    assert collector.left_out == 1


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; without zones there is no family."""
    with pytest.raises(Absent):
        machine.build("thermal_zone").collect()
    (machine.folder / "sys/class/thermal").mkdir(parents=True)
    assert list(machine.build("thermal_zone").collect()) == []


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, it is a number or not."""
    value = parse_millidegrees(data)
    assert value is None or value == value
