from __future__ import annotations

import errno
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.rapl import metric_of, parse_microjoules, parse_zone_name
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

ZONES = {
    "intel-rapl:0": ("package-0", "240422366267"),
    "intel-rapl:0:0": ("core", "118821284256"),
    "intel-rapl:0:1": ("dram", "1000000"),
    "intel-rapl:1": ("package-1", "2000000"),
    "intel-rapl:1:0": ("core", "18446744073709551615"),
    "intel-rapl:1:1": ("dram", "0"),
}


@pytest.fixture
def powercap(machine: Machine) -> Machine:
    """Two packages with zones inside, and the control type that holds them."""
    machine.write("sys/class/powercap/intel-rapl/enabled", "1\n")
    for entry, (name, energy) in ZONES.items():
        machine.write(f"sys/class/powercap/{entry}/name", f"{name}\n")
        machine.write(f"sys/class/powercap/{entry}/energy_uj", f"{energy}\n")
        machine.write(f"sys/class/powercap/{entry}/max_energy_range_uj", "262143328850\n")
    return machine


def joules(machine: Machine, zone: str, index: int, entry: str) -> str:
    return f'node_rapl_{zone}_joules_total{{index="{index}",path="{machine.host.sys("class/powercap")}/{entry}"}}'


def test_zones(powercap: Machine) -> None:
    """Packages bear the number of their name, zones of one name are counted, and the path tells them apart."""
    assert series(powercap.build("rapl").collect()) == {
        joules(powercap, "package", 0, "intel-rapl:0"): 240422366267 / 1000000.0,
        joules(powercap, "core", 0, "intel-rapl:0:0"): 118821284256 / 1000000.0,
        joules(powercap, "dram", 0, "intel-rapl:0:1"): 1,
        joules(powercap, "package", 1, "intel-rapl:1"): 2,
        joules(powercap, "core", 1, "intel-rapl:1:0"): 18446744073709551615 / 1000000.0,
        joules(powercap, "dram", 1, "intel-rapl:1:1"): 0,
    }


def test_one_family_with_the_zone_as_label(powercap: Machine) -> None:
    """With enable-zone-label all zones are in one family."""
    families = list(powercap.build("rapl", {"enable-zone-label": True}).collect())
    path = f"{powercap.host.sys('class/powercap')}/intel-rapl:1"
    assert [family.metric.name for family in families] == ["node_rapl_joules_total"]
    assert series(families)[f'node_rapl_joules_total{{index="1",path="{path}",rapl_zone="package"}}'] == 2
    assert len(families[0].rows) == len(ZONES)


def test_the_kernel_refuses(powercap: Machine) -> None:
    """Where no counter may be read there is nothing, and the reason names the file; what may be read is shown."""
    host = DriverHost(powercap)
    host.refuses = {"energy_uj": errno.EACCES}
    collector = host.build("rapl")
    with pytest.raises(Absent, match=r"permission to read .*/intel-rapl:0/energy_uj"):
        collector.collect()
    host.refuses = {"rapl:0/energy_uj": errno.EACCES}
    assert len(series(collector.collect())) == len(ZONES) - 1


@pytest.mark.parametrize("content", ["", "lots", "-1", "1e6", "18446744073709551616"])
def test_malformed(powercap: Machine, content: str) -> None:
    """A counter that is no number costs its zone alone, and is counted."""
    powercap.write("sys/class/powercap/intel-rapl:0/energy_uj", content)
    collector = powercap.build("rapl")
    assert len(series(collector.collect())) == len(ZONES) - 1
    assert collector.left_out == 1


def test_a_zone_without_counter_or_name(powercap: Machine) -> None:
    """A zone lacks what it lacks: its siblings stay, and nothing is odd."""
    powercap.remove("sys/class/powercap/intel-rapl:0/energy_uj")
    powercap.remove("sys/class/powercap/intel-rapl:1:1/name")
    powercap.remove("sys/class/powercap/intel-rapl:1:0/max_energy_range_uj")
    collector = powercap.build("rapl")
    assert len(series(collector.collect())) == len(ZONES) - 2
    assert collector.left_out == 0


def test_between_two_scrapes(powercap: Machine) -> None:
    """Counters go on, and begin again when the hardware's do; a zone that is gone is gone."""
    collector = powercap.build("rapl")
    collector.collect()
    powercap.write("sys/class/powercap/intel-rapl:0/energy_uj", "5000000\n")
    powercap.remove("sys/class/powercap/intel-rapl:1")
    found = series(collector.collect())
    assert found[joules(powercap, "package", 0, "intel-rapl:0")] == 5
    assert joules(powercap, "package", 1, "intel-rapl:1") not in found


def test_names_are_remembered(powercap: Machine) -> None:
    """While the kernel's directory is remembered, only counters are read."""
    host = DriverHost(powercap, remembers=True)
    collector = host.build("rapl")
    collector.collect()
    host.opened.clear()
    collector.collect()
    assert {path.rpartition("/")[2] for path in host.opened} == {"energy_uj"}


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; without zones there is no family."""
    with pytest.raises(Absent):
        machine.build("rapl").collect()
    (machine.folder / "sys/class/powercap").mkdir(parents=True)
    assert list(machine.build("rapl").collect()) == []


def test_names_of_zones() -> None:
    """One number behind a dash is the index; anything else is part of the name, and namesakes are counted on."""
    used: Counter[str] = Counter()
    names = ("package-3", "package", "package-0-die-1", "dram", "dram", "psys-x", "a-")
    assert [parse_zone_name(name, used) for name in names] == [
        ("package", 3), ("package", 4), ("package-0-die-1", 0), ("dram", 0), ("dram", 1), ("psys-x", 0), ("a-", 0)
    ]  # fmt: skip
    assert metric_of("package-0-die-1").name == "node_rapl_package_0_die_1_joules_total"
    assert metric_of("a_- _b").name == "node_rapl_a_b_joules_total"


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, it is a number or not."""
    value = parse_microjoules(data)
    assert value is None or value >= 0


@given(st.lists(st.text()))
def test_any_names(names: list[str]) -> None:
    """Whatever zones are called, each has a name and an index."""
    used: Counter[str] = Counter()
    for name in names:
        zone, index = parse_zone_name(name, used)
        assert index >= 0
        assert zone in name
