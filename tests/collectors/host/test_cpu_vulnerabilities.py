from __future__ import annotations

import os

import pytest
from hypothesis import given

from nodescope.collectors.host.cpu_vulnerabilities import MAX_VULNERABILITIES, STATES, parse_vulnerability
from nodescope.host import Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

FOLDER = "sys/devices/system/cpu/vulnerabilities"
SPECTRE = b"Mitigation: Retpolines; STIBP: disabled; RSB filling; BHI: Not affected\n"


def row(codename: str, state: str, mitigation: str = "") -> str:
    labels = f'codename="{codename}",state="{state}",mitigation="{mitigation}"'
    return f"node_cpu_vulnerabilities_info{{{labels}}}"


def test_what_kernels_say(machine: Machine) -> None:
    """Each file is one row of 1, with the state in lower case and what follows it as the mitigation."""
    machine.write(f"{FOLDER}/l1tf", "Not affected\n")
    machine.write(f"{FOLDER}/mds", "Vulnerable\n")
    machine.write(f"{FOLDER}/spec_rstack_overflow", "Vulnerable: Safe RET, no microcode\n")
    machine.write(f"{FOLDER}/spectre_v2", SPECTRE)
    assert series(machine.build("cpu_vulnerabilities").collect()) == {
        row("l1tf", "not affected"): 1,
        row("mds", "vulnerable"): 1,
        row("spec_rstack_overflow", "vulnerable", "Safe RET, no microcode"): 1,
        row("spectre_v2", "mitigation", "Retpolines; STIBP: disabled; RSB filling; BHI: Not affected"): 1,
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Not affected; really", ("not affected", "")), (b"VULNERABLE", ("vulnerable", "")),
        (b"Unknown: Dependent on hypervisor status", ("unknown", "Dependent on hypervisor status")),
        (b"Unknown (XEN PV detected, hypervisor mitigation required)\n",
         ("unknown", "(XEN PV detected, hypervisor mitigation required)")),
        (b"Mitigation:  two \t blanks\n", ("mitigation", "two blanks")),
        (b"KVM: Mitigation: VMX  disabled\n", ("unknown", "KVM: Mitigation: VMX  disabled")),
        (b"Processor vulnerable\n", ("unknown", "Processor vulnerable")), (b"\n", ("unknown", "")),
        (b"Mitigation: \xff\xfe x\n", ("mitigation", "\ufffd x")),
    ],
)  # fmt: skip
def test_states(data: bytes, expected: tuple[str, str]) -> None:
    """A text that begins with none of the states is an unknown one, and is shown whole."""
    assert parse_vulnerability(data, "x") == expected


def test_an_odd_file_costs_itself_alone(machine: Machine) -> None:
    """What is no file or longer than a page is left out and counted, and the others stay."""
    machine.write(f"{FOLDER}/folder/file", "")
    machine.write(f"{FOLDER}/long", b"Vulnerable" * 1000)
    machine.write(f"{FOLDER}/mds", "Vulnerable\n")
    collector = machine.build("cpu_vulnerabilities")
    for _ in range(2):
        assert list(series(collector.collect())) == [row("mds", "vulnerable")]
        assert collector.left_out == 2
    machine.remove(f"{FOLDER}/folder")
    machine.remove(f"{FOLDER}/long")
    collector.collect()
    assert collector.left_out == 0


def test_changes(machine: Machine) -> None:
    """A changed text, a new file and one that is gone are seen; without a change the very rows are given again."""
    machine.write(f"{FOLDER}/mds", "Vulnerable\n")
    machine.write(f"{FOLDER}/l1tf", "Not affected\n")
    collector = machine.build("cpu_vulnerabilities")
    assert collector.collect() is collector.collect()
    machine.write(f"{FOLDER}/mds", "Mitigation: Clear CPU buffers\n")
    machine.write(f"{FOLDER}/tsa", "Not affected\n")
    machine.remove(f"{FOLDER}/l1tf")
    assert list(series(collector.collect())) == [
        row("mds", "mitigation", "Clear CPU buffers"), row("tsa", "not affected"),
    ]  # fmt: skip


def test_names_that_are_not_utf8(machine: Machine) -> None:
    """A run of bytes that are no text is one replacement character."""
    (machine.folder / FOLDER).mkdir(parents=True)
    with open(os.fsencode(machine.folder / FOLDER) + b"/m\xff\xfe", "w") as file:
        file.write("Vulnerable")
    assert list(series(machine.build("cpu_vulnerabilities").collect())) == [row("m\ufffd", "vulnerable")]


def test_absent(machine: Machine) -> None:
    """A kernel without the folder has no rows, and that is no failure."""
    assert machine.build("cpu_vulnerabilities").collect() == []


def test_bound(machine: Machine) -> None:
    """More files than there can be vulnerabilities are left out and counted."""
    for number in range(MAX_VULNERABILITIES + 3):
        machine.write(f"{FOLDER}/v{number:03}", "Not affected\n")
    collector = machine.build("cpu_vulnerabilities")
    assert len(series(collector.collect())) == MAX_VULNERABILITIES
    assert collector.left_out == 3


@given(mangled(SPECTRE))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, the state is one of four, or it is refused."""

    def check() -> None:
        state, mitigation = parse_vulnerability(data, "x")
        assert state in STATES
        assert isinstance(mitigation, str)

    parses_or_refuses(check)


def test_a_long_text_is_refused() -> None:
    """More than a page is no attribute of sysfs."""
    with pytest.raises(Malformed, match="x: expected at most 4096 bytes"):
        parse_vulnerability(b"a" * 5000, "x")
