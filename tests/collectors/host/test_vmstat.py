from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.vmstat import VmstatCollector, parse_vmstat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SAMPLE = b"nr_free_pages 977769\npgpgin 7344136\npswpin 1476\npgfault 2320168809\noom_kill 0\nallocstall 12\n"


def test_default_fields(machine: Machine) -> None:
    """Only the fields of the default pattern, untyped, in the file's order."""
    machine.write("proc/vmstat", SAMPLE)
    families = list(machine.build("vmstat").collect())
    assert series(families) == {
        "node_vmstat_pgpgin": 7344136, "node_vmstat_pswpin": 1476, "node_vmstat_pgfault": 2320168809,
        "node_vmstat_oom_kill": 0,
    }  # fmt: skip
    assert {family.metric.type for family in families} == {"untyped"}
    assert families[0].metric.help == "/proc/vmstat information field pgpgin."


def test_chosen_fields(machine: Machine) -> None:
    """The setting is a pattern that is searched for; empty keeps every field."""
    machine.write("proc/vmstat", SAMPLE)
    assert list(series(machine.build("vmstat", {"fields": "^nr_"}).collect())) == ["node_vmstat_nr_free_pages"]
    assert len(series(machine.build("vmstat", {"fields": ""}).collect())) == 6


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Numbers and fields that change between two scrapes are seen, in whichever order they come."""
    collector = machine.build("vmstat")
    for data, expected in (
        (b"pgpgin 1\noom_kill 2\n", {"node_vmstat_pgpgin": 1, "node_vmstat_oom_kill": 2}),
        (b"pgpgin 3\noom_kill 4\n", {"node_vmstat_pgpgin": 3, "node_vmstat_oom_kill": 4}),
        (b"oom_kill 5\npgpgin 6\n", {"node_vmstat_oom_kill": 5, "node_vmstat_pgpgin": 6}),
        (b"oom_kill 5\npswpin 7\npgpgin\n", {"node_vmstat_oom_kill": 5, "node_vmstat_pswpin": 7}),
        (b"oom_kill 8\npgpgin\n", {"node_vmstat_oom_kill": 8}),
        (b"oom_kill 8\npgpgin x\npswpin 9\n", {"node_vmstat_oom_kill": 8, "node_vmstat_pswpin": 9}),
    ):
        machine.write("proc/vmstat", data)
        assert series(collector.collect()) == expected


@pytest.mark.parametrize("data", [b"", b"pgpgin\n", b"pgpgin x\n", b"\xff 1\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without one good line is refused."""
    machine.write("proc/vmstat", data)
    with pytest.raises(Malformed, match="proc/vmstat: expected lines"):
        machine.build("vmstat").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("vmstat").collect()


def test_a_running_kernels_numbers_are_read_by_place() -> None:
    """Numbers that grow by digits are read where their names stand, the first line too; other names are seen."""
    host = OneFile()
    collector = VmstatCollector(host, re.compile("^(pg|oom)"))
    fewer = SAMPLE.partition(b"\n")[2]
    for data in (SAMPLE, SAMPLE.replace(b"in 7", b"in 98"), fewer, fewer.replace(b"in 7", b"in 17")):
        host.data = data
        expected = {name.decode(): value for name, value in parse_vmstat(data, "vmstat").items()}
        assert series(collector.collect()) == {
            f"node_vmstat_{name}": value for name, value in expected.items() if name.startswith(("pg", "oom"))
        }


@given(st.lists(mangled(SAMPLE), min_size=2, max_size=3))
def test_any_bytes(files: list[bytes]) -> None:
    """However the file changes, the remembered layout gives what reading line by line gives."""
    host = OneFile()
    collector = VmstatCollector(host, None)
    for data in [SAMPLE, *files]:
        host.data = data
        parses_or_refuses(collector.collect)
        parses_or_refuses(partial(_same, collector, data))


def _same(collector: VmstatCollector, data: bytes) -> None:
    expected = {f"node_vmstat_{field.decode()}": value for field, value in parse_vmstat(data, "vmstat").items()}
    assert series(collector.collect()) == expected


def test_an_odd_line_is_counted(machine: Machine) -> None:
    """A line that is no name and number is left out and counted, shown or not; the next good file counts nothing."""
    machine.write("proc/vmstat", "pgpgin 5\noom_kill x\n\n")
    collector = machine.build("vmstat")
    assert series(collector.collect()) == {"node_vmstat_pgpgin": 5}
    assert collector.left_out == 1
    machine.write("proc/vmstat", "pgpgin 5\noom_kill 1\n")
    collector.collect()
    assert collector.left_out == 0
    machine.write("proc/vmstat", "pgpgin 6\noom_kill 1\nnr_dirty 7\n")
    collector.collect()
    machine.write("proc/vmstat", "pgpgin 6\noom_kill 1\nnr_dirty y\n")
    assert series(collector.collect()) == {"node_vmstat_pgpgin": 6, "node_vmstat_oom_kill": 1}
    assert collector.left_out == 1
