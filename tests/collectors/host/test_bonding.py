from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.bonding import parse_names
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, mangled, series

NET = "sys/class/net"


def write_bond(machine: Machine, master: str, slaves: dict[str, str], prefix: str = "lower") -> None:
    machine.write(f"{NET}/{master}/bonding/slaves", " ".join(slaves) + "\n")
    for slave, state in slaves.items():
        machine.write(f"{NET}/{master}/{prefix}_{slave}/bonding_slave/mii_status", f"{state}\n")


def of(slaves: dict[str, float], active: dict[str, float]) -> dict[str, float]:
    return {f'node_bonding_slaves{{master="{name}"}}': number for name, number in slaves.items()} | {
        f'node_bonding_active{{master="{name}"}}': number for name, number in active.items()
    }


def test_bonds(machine: Machine) -> None:
    """Slaves are counted, and those whose link is up; older kernels call their folders otherwise."""
    machine.write(f"{NET}/bonding_masters", "bond0 dmz int\n")
    write_bond(machine, "bond0", {})
    write_bond(machine, "dmz", {"eth0": "up", "eth4": "up"})
    write_bond(machine, "int", {"eth1": "down", "eth5": "up"}, prefix="slave")
    collector = machine.build("bonding")
    expected = of({"bond0": 0, "dmz": 2, "int": 2}, {"bond0": 0, "dmz": 2, "int": 1})
    assert series(collector.collect()) == expected
    assert collector.left_out == 0


def test_one_broken_bond(machine: Machine) -> None:
    """A bond without a list of slaves is left out; one with a silent slave still says how many it has."""
    machine.write(f"{NET}/bonding_masters", "bond0 bond1 bond2 bond3\n")
    for master in ("bond1", "bond2", "bond3"):
        write_bond(machine, master, {"eth0": "up", "eth1": "going down"})
    machine.remove(f"{NET}/bond2/lower_eth1")
    machine.remove(f"{NET}/bond3/lower_eth1/bonding_slave/mii_status")
    machine.write(f"{NET}/bond3/lower_eth1/bonding_slave/mii_status/x", "")
    collector = machine.build("bonding")
    assert series(collector.collect()) == of({"bond1": 2, "bond2": 2, "bond3": 2}, {"bond1": 1})
    assert collector.left_out == 3


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """Links go down, slaves and bonds come and go."""
    machine.write(f"{NET}/bonding_masters", "bond0 bond1\n")
    write_bond(machine, "bond0", {"eth0": "up", "eth1": "up"})
    write_bond(machine, "bond1", {"eth2": "up"})
    collector = machine.build("bonding")
    assert series(collector.collect()) == of({"bond0": 2, "bond1": 1}, {"bond0": 2, "bond1": 1})
    machine.write(f"{NET}/bonding_masters", "bond0\n")
    write_bond(machine, "bond0", {"eth0": "down", "eth1": "up", "eth3": "up"})
    assert series(collector.collect()) == of({"bond0": 3}, {"bond0": 2})


def test_names(machine: Machine) -> None:
    """Each name counts once; what leads elsewhere, and the kernel's word for more, is no name."""
    assert parse_names(b"eth0 eth1\neth0 ../x . .. ++more++ eth2", 2) == ([b"eth0", b"eth1"], 6)
    machine.write(f"{NET}/bonding_masters", b"b\xff\xfe0\n")
    write_bond(machine, "b\udcff\udcfe0", {"eth0": "up"})
    assert series(machine.build("bonding").collect()) == of({"b\ufffd0": 1}, {"b\ufffd0": 1})


def test_absent(machine: Machine) -> None:
    """Without the driver there is nothing; without bonds there are no series."""
    with pytest.raises(Absent):
        machine.build("bonding").collect()
    machine.write(f"{NET}/bonding_masters", "")
    assert machine.build("bonding").collect() == []


@given(mangled(b"bond0 bond1 ++more++\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, names are names of files in one folder."""
    names, left_out = parse_names(data, 2)
    assert len(names) <= 2
    assert len(set(names)) == len(names)
    assert all(name and b"/" not in name for name in names)
    assert left_out + len(names) == len(data.split())
