from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.interrupts import parse_line, what_of
from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SAMPLE = b"""\
           CPU0       CPU2       \n\
  1:      17960        105  IR-IO-APIC-edge      i8042
 16:     328511     322879  IR-IO-APIC-fasteoi   ehci_hcd:usb1, mmc0
 28:          0          0 PCI-MSIX-0000:00:01.0   0-edge      virtio0-config
NMI:         47       5031   Non-maskable interrupts
ERR:          0
MIS:          0
"""
AARCH64 = b"""\
          CPU0       CPU1
 10: 3287008667 3310445093     GICv3  27 Level     arch_timer
IPI0:2768808080 2844211768       Rescheduling interrupts
Err:          0
"""


def of(cpu: int, type: str, info: str, devices: str = "") -> str:
    return f'node_interrupts_total{{cpu="{cpu}",type="{type}",info="{info}",devices="{devices}"}}'


def test_x86(machine: Machine) -> None:
    """CPUs are those that are online, and lines that count for the whole machine are not shown."""
    machine.write("proc/interrupts", SAMPLE)
    collector = machine.build("interrupts")
    assert series(collector.collect()) == {
        of(0, "1", "IR-IO-APIC-edge", "i8042"): 17960,
        of(2, "1", "IR-IO-APIC-edge", "i8042"): 105,
        of(0, "16", "IR-IO-APIC-fasteoi", "ehci_hcd:usb1, mmc0"): 328511,
        of(2, "16", "IR-IO-APIC-fasteoi", "ehci_hcd:usb1, mmc0"): 322879,
        of(0, "28", "PCI-MSIX-0000:00:01.0", "0-edge virtio0-config"): 0,
        of(2, "28", "PCI-MSIX-0000:00:01.0", "0-edge virtio0-config"): 0,
        of(0, "NMI", "Non-maskable interrupts"): 47,
        of(2, "NMI", "Non-maskable interrupts"): 5031,
    }
    assert collector.left_out == 0


def test_aarch64(machine: Machine) -> None:
    """A number may follow the colon without a blank."""
    machine.write("proc/interrupts", AARCH64)
    assert series(machine.build("interrupts").collect()) == {
        of(0, "10", "GICv3", "27 Level arch_timer"): 3287008667,
        of(1, "10", "GICv3", "27 Level arch_timer"): 3310445093,
        of(0, "IPI0", "Rescheduling interrupts"): 2768808080,
        of(1, "IPI0", "Rescheduling interrupts"): 2844211768,
    }


def test_one_cpu(machine: Machine) -> None:
    """With one CPU a line of the whole machine looks like its own, but has no description."""
    machine.write("proc/interrupts", b"   CPU0\n  0:  18  IO-APIC  2-edge  timer\nERR:  7\nMIS:  8\n")
    assert series(machine.build("interrupts").collect()) == {of(0, "0", "IO-APIC", "2-edge timer"): 18}


@pytest.mark.parametrize(
    ("settings", "types"),
    [
        ({"name-include": "^(NMI|1);"}, {"NMI", "1"}),
        ({"name-include": "mmc0"}, {"16"}),
        ({"name-exclude": "^NMI;Non-maskable interrupts;$|IO-APIC"}, {"28"}),
        ({"name-include": "IO-APIC", "name-exclude": "i8042"}, {"16"}),
        ({"include-zeros": False}, {"1", "16", "NMI"}),
        ({"name-include": "none"}, set()),
    ],
)
def test_filters(machine: Machine, settings: dict[str, object], types: set[str]) -> None:
    """The expressions are searched in type, info and devices with semicolons between; zeros can be left out."""
    machine.write("proc/interrupts", SAMPLE)
    collector = machine.build("interrupts", settings)
    assert {labels[1] for family in collector.collect() for labels, _ in family.rows} == types
    assert collector.left_out == 0


def test_zeros_by_cpu(machine: Machine) -> None:
    """An interrupt that came to one CPU is left out for the others alone."""
    machine.write("proc/interrupts", b" CPU0 CPU1\nNMI: 0 5 Non-maskable interrupts\n")
    collector = machine.build("interrupts", {"include-zeros": False})
    assert series(collector.collect()) == {of(1, "NMI", "Non-maskable interrupts"): 5}


@pytest.mark.parametrize(
    "line",
    [b" 17: 1", b" 17: 1 x IO-APIC eth0", b" 17: -1 2 IO-APIC eth0", b"no colon", b": 1 2 nothing", b" 17", b"\xff",
     b" 17: 1 18446744073709551616 IO-APIC eth0"],
)  # fmt: skip
def test_one_line_broken(machine: Machine, line: bytes) -> None:
    """A line that is not understood costs itself alone, and is counted at each scrape."""
    machine.write("proc/interrupts", SAMPLE + line + b"\n")
    collector = machine.build("interrupts")
    for _ in range(2):
        assert len(series(collector.collect())) == 8
        assert collector.left_out == 1


def test_duplicate_lines(machine: Machine) -> None:
    """Of lines with the same labels the first counts."""
    machine.write("proc/interrupts", SAMPLE + b"NMI: 1 2   Non-maskable interrupts\n")
    collector = machine.build("interrupts")
    for _ in range(2):
        found = series(collector.collect())
        assert found[of(0, "NMI", "Non-maskable interrupts")] == 47
        assert (len(found), collector.left_out) == (8, 1)


def test_not_utf8(machine: Machine) -> None:
    """Bytes of a device's name that are no text are shown as one replacement character."""
    machine.write("proc/interrupts", b" CPU0\n 9: 1 IO-APIC a\xff\xfeb\n")
    assert series(machine.build("interrupts").collect()) == {of(0, "9", "IO-APIC", "a\ufffdb"): 1}


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, and neither the line nor the CPU that went."""
    machine.write("proc/interrupts", SAMPLE)
    collector = machine.build("interrupts")
    collector.collect()
    machine.write(
        "proc/interrupts", SAMPLE.replace(b"5031", b"5032").replace(b"322879", b"400000").replace(b"i8042", b"kbd")
    )
    found = series(collector.collect())
    assert found[of(2, "NMI", "Non-maskable interrupts")] == 5032
    assert found[of(2, "16", "IR-IO-APIC-fasteoi", "ehci_hcd:usb1, mmc0")] == 400000
    assert found[of(0, "1", "IR-IO-APIC-edge", "kbd")] == 17960
    assert len(found) == 8
    machine.write("proc/interrupts", b" CPU2\nNMI: 5033 Non-maskable interrupts\n")
    assert series(collector.collect()) == {of(2, "NMI", "Non-maskable interrupts"): 5033}


@pytest.mark.parametrize("data", [b"", b"\n", b"NMI: 1 2 x\n", b"CPU0 CPU0\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file that does not begin with the CPUs is refused, and the message names it."""
    machine.write("proc/interrupts", data)
    with pytest.raises(Malformed, match="proc/interrupts: expected a line of CPUs"):
        machine.build("interrupts").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("interrupts").collect()


@given(mangled(SAMPLE))
def test_any_file(data: bytes) -> None:
    """Whatever the file holds, the collector answers or refuses, and gives no series twice."""
    from nodescope.collectors import build
    from nodescope.configuration import load

    host: Host = OneFile()
    assert isinstance(host, OneFile)
    host.data = data
    found: list[Family] = []
    parses_or_refuses(lambda: found.extend(build("interrupts", host, load({}, {})).collect()))
    labels = [row[0] for family in found for row in family.rows]
    assert len(labels) == len(set(labels))


@given(mangled(SAMPLE.split(b"\n")[2]))
def test_any_line(line: bytes) -> None:
    """Whatever a line holds, it is read, passed over or refused."""

    def read() -> None:
        parsed = parse_line(line, 2, "interrupts")
        if parsed is not None:
            assert len(parsed.words) == 2
            what_of(parsed.name, parsed.description)

    parses_or_refuses(read)
