from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.pci_ids import CLASS, PciNames, parse_pci_ids
from tests.collectors.host.machine import Machine, mangled

SAMPLE = b"""# List
8086  Intel Corporation
\t1521  I350 Gigabit Network Connection
\t\t8086 00a3  Ethernet Network Adapter I350-T4 for OCP NIC 3.0
# a remark
\t\t1028 1f60  Intel GbE 4P I350 rNDC

\t1522  I350 Gigabit Fiber
\t\t8086 00a3  Another
10de  NVIDIA Corporation
\t1521  Not Intel's
C 06  Bridge
\t04  PCI bridge
\t\t00  Normal decode
C 01  Mass storage controller
\t08  Non-Volatile memory controller
\t\t02  NVM Express
ffff  Illegal Vendor ID
"""
IDS = frozenset(
    {
        (b"8086",), (b"8086", b"1521"), (b"8086", b"1521", b"8086", b"00a3"), (b"8086", b"1522", b"1028", b"1f60"),
        (b"10de", b"1522"), (b"ffff",), (CLASS, b"06"), (CLASS, b"0604"), (CLASS, b"010802"), (CLASS, b"0108"),
        (CLASS, b"010402"), (b"dead",),
    }
)  # fmt: skip


def test_names() -> None:
    """Each line belongs to what stands above it; what the file does not have is not given."""
    assert parse_pci_ids(SAMPLE.splitlines(keepends=True), IDS) == {
        (b"8086",): "Intel Corporation",
        (b"8086", b"1521"): "I350 Gigabit Network Connection",
        (b"8086", b"1521", b"8086", b"00a3"): "Ethernet Network Adapter I350-T4 for OCP NIC 3.0",
        (b"ffff",): "Illegal Vendor ID",
        (CLASS, b"06"): "Bridge",
        (CLASS, b"0604"): "PCI bridge",
        (CLASS, b"0108"): "Non-Volatile memory controller",
        (CLASS, b"010802"): "NVM Express",
    }


@pytest.mark.parametrize(
    "lines",
    [
        b"\t1521  no vendor above\n", b"8086\n\t1521  a vendor without a name\n", b"8086 one blank\n",
        b"8086  I\n\t\t8086 00a3  a subsystem without a device\n", b"8086  I\n\t1521  D\n\t\t8086  half a subsystem\n",
        b"C 01  M\n\t8  short\n\t\t02  x\n", b"C 1  M\n\t08  x\n\t\t02  x\n", b"\t\t\t\n\n  \n",
    ],
)  # fmt: skip
def test_lines_that_are_out_of_place(lines: bytes) -> None:
    """A line without what it belongs to, or without a name, gives nothing of the sort."""
    deep = {(b"8086", b"1521", b"8086", b"00a3"), (CLASS, b"0108"), (CLASS, b"010802")}
    assert parse_pci_ids(lines.splitlines(keepends=True), deep) == {}


def test_bytes_that_are_not_utf8() -> None:
    """A run of bytes that are no text is one replacement character."""
    assert parse_pci_ids([b"8086  In\xff\xfetel\n"], {(b"8086",)}) == {(b"8086",): "In\ufffdtel"}


def test_the_usual_places(machine: Machine) -> None:
    """Without a path the first of the usual files below the host's root is read; without any there are no names."""
    names = PciNames(machine.host, None)
    wanted = frozenset({(b"8086",)})
    assert names.of(wanted) == {}
    machine.write("root/usr/share/hwdata/pci.ids", "8086  second\n")
    assert names.of(wanted) == {(b"8086",): "second"}
    machine.write("root/usr/share/misc/pci.ids", "8086  first\n")
    assert names.of(wanted) == {(b"8086",): "first"}


def test_read_again_when_needed(machine: Machine) -> None:
    """The names are the same object until the file changes or another id is asked for."""
    machine.write("root/usr/share/misc/pci.ids", SAMPLE)
    names = PciNames(machine.host, None)
    intel, both = frozenset({(b"8086",)}), frozenset({(b"8086",), (b"10de",)})
    assert names.of(intel) is names.of(intel)
    assert names.of(both) == {(b"8086",): "Intel Corporation", (b"10de",): "NVIDIA Corporation"}
    assert names.of(intel) is names.of(both)
    machine.write("root/usr/share/misc/pci.ids", b"8086  Renamed\n")
    assert names.of(intel) == {(b"8086",): "Renamed"}


def test_what_is_no_file(machine: Machine) -> None:
    """A folder in the file's place, and a file that is far too long, give no names."""
    machine.write("root/usr/share/misc/pci.ids/x", "")
    big = machine.folder / "root/usr/share/hwdata/pci.ids"
    big.parent.mkdir()
    with big.open("wb") as file:
        file.truncate(2**40)
    assert PciNames(machine.host, None).of(frozenset({(b"8086",)})) == {}


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the names are of what was asked for."""
    assert parse_pci_ids(data.splitlines(keepends=True), IDS).keys() <= IDS
