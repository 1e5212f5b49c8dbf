from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors import build
from nodescope.configuration import load
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SAMPLE = {
    "full_scans": "323",
    "general_profit": "1044480",
    "merge_across_nodes": "1",
    "pages_shared": "1",
    "pages_sharing": "255",
    "pages_to_scan": "100",
    "pages_unshared": "0",
    "pages_volatile": "0",
    "run": "1",
    "sleep_millisecs": "20",
}
EXPECTED = {
    "node_ksmd_full_scans_total": 323,
    "node_ksmd_general_profit_bytes": 1044480,
    "node_ksmd_merge_across_nodes": 1,
    "node_ksmd_pages_shared": 1,
    "node_ksmd_pages_sharing": 255,
    "node_ksmd_pages_to_scan": 100,
    "node_ksmd_pages_unshared": 0,
    "node_ksmd_pages_volatile": 0,
    "node_ksmd_run": 1,
    "node_ksmd_sleep_seconds": 0.02,
}


def write(machine: Machine, **changes: str) -> None:
    for name, content in {**SAMPLE, **changes}.items():
        machine.write(f"sys/kernel/mm/ksm/{name}", f"{content}\n")


def test_all_files(machine: Machine) -> None:
    """Each file is a number; what is slept is in seconds."""
    write(machine, max_page_sharing="256", advisor_mode="[none] scan-time")
    assert series(machine.build("ksmd").collect()) == EXPECTED


def test_loss(machine: Machine) -> None:
    """Merging that costs more than it saves has a profit below zero."""
    write(machine, general_profit="-64")
    assert series(machine.build("ksmd").collect()) == {**EXPECTED, "node_ksmd_general_profit_bytes": -64}


@pytest.mark.parametrize("content", ["", "x", "-1", "1_000", "18446744073709551616"])
def test_one_file_broken(machine: Machine, content: str) -> None:
    """A file that is no number costs itself alone, and is counted at each scrape."""
    write(machine, pages_shared=content)
    collector = machine.build("ksmd")
    for _ in range(2):
        assert series(collector.collect()) == {
            name: number for name, number in EXPECTED.items() if name != "node_ksmd_pages_shared"
        }
        assert collector.left_out == 1


def test_older_kernel(machine: Machine) -> None:
    """A file that the kernel does not have is absent, and nothing was left out."""
    write(machine)
    machine.remove("sys/kernel/mm/ksm/general_profit")
    collector = machine.build("ksmd")
    assert len(series(collector.collect())) == 9
    assert collector.left_out == 0


def test_changes(machine: Machine) -> None:
    """A second scrape has the new number, and not what went."""
    write(machine)
    collector = machine.build("ksmd")
    collector.collect()
    write(machine, full_scans="324")
    machine.remove("sys/kernel/mm/ksm/run")
    found = series(collector.collect())
    assert found["node_ksmd_full_scans_total"] == 324
    assert "node_ksmd_run" not in found


def test_malformed(machine: Machine) -> None:
    """Where no file is a number, that is said of one of them."""
    machine.write("sys/kernel/mm/ksm/run", "x")
    with pytest.raises(Malformed, match="sys/kernel/mm/ksm/run: expected a number"):
        machine.build("ksmd").collect()


def test_absent(machine: Machine) -> None:
    """Without the folder there is nothing."""
    with pytest.raises(Absent):
        machine.build("ksmd").collect()


def test_permission_denied() -> None:
    """Files that may not be read are as if they were not there."""
    host = OneFile()
    host.data = PermissionError(13, "Permission denied")
    with pytest.raises(Absent):
        build("ksmd", host, load({}, {})).collect()


@given(mangled(b"1044480\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the files hold, the collector answers or refuses."""
    host = OneFile()
    host.data = data
    parses_or_refuses(lambda: build("ksmd", host, load({}, {})).collect())
