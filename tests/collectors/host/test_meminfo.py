from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.meminfo import MeminfoCollector, parse_meminfo
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SAMPLE = (
    b"MemTotal:        3742148 kB\nMemFree:          225472 kB\nActive(anon):    2020004 kB\n"
    b"Committed_AS:    7835436 kB\nKReclaimable:      44772 kB\nHugePages_Total:       4\nHugepagesize:       2048 kB\n"
    b"DirectMap4k:      185660 kB\n"
)


def test_known_fields_in_bytes(machine: Machine) -> None:
    """kB become bytes, huge pages stay pages, and a field that node_exporter does not show is not shown."""
    machine.write("proc/meminfo", SAMPLE)
    families = list(machine.build("meminfo").collect())
    assert series(families) == {
        "node_memory_MemTotal_bytes": 3831959552, "node_memory_MemFree_bytes": 230883328,
        "node_memory_Active_anon_bytes": 2068484096, "node_memory_Committed_AS_bytes": 8023486464,
        "node_memory_HugePages_Total": 4, "node_memory_Hugepagesize_bytes": 2097152,
        "node_memory_DirectMap4k_bytes": 190115840,
    }  # fmt: skip
    assert families[2].metric.help == "Memory information field Active_anon_bytes."


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"MemTotal: 0x10 kB", 16384), (b"MemTotal: 010 kB", 8192), (b"MemTotal: 7", 7), (b"MemTotal: 0 kB", 0),
        (b"MemTotal: 18446744073709551615", 2**64 - 1), (b"MemTotal: 18014398509481984 kB", 0),
        (b"MemTotal: 18446744073709551615 kB", 2**64 - 1024), (b"HugePages_Total: 3 kB", 3),
    ],
)  # fmt: skip
def test_numbers(line: bytes, value: int) -> None:
    """The base stands in front of a number, a unit is optional, and kilobytes are counted in 64 bits."""
    assert [number for _, number in parse_meminfo(line, "meminfo")] == [value]


@pytest.mark.parametrize("rest", [b"", b" x kB", b" 1 MB", b" 1 kB more", b" -1"])
def test_an_odd_line_costs_itself_alone(machine: Machine, rest: bytes) -> None:
    """A line that is not understood is left out, the others stay."""
    machine.write("proc/meminfo", b"MemTotal:" + rest + b"\nMemFree: 1 kB\n")
    assert series(machine.build("meminfo").collect()) == {"node_memory_MemFree_bytes": 1024}


@pytest.mark.parametrize("data", [b"", b"nothing\n", b"Unknown: 1 kB\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without one known field is refused."""
    machine.write("proc/meminfo", data)
    with pytest.raises(Malformed, match="proc/meminfo: expected lines"):
        machine.build("meminfo").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("meminfo").collect()


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Numbers, units and fields that change between two scrapes are seen, in whichever order they come."""
    collector = machine.build("meminfo")
    for data, expected in (
        ("MemTotal: 1 kB\nMemFree: 2 kB\n", {"node_memory_MemTotal_bytes": 1024, "node_memory_MemFree_bytes": 2048}),
        ("MemTotal: 3 kB\nMemFree: 4 kB\n", {"node_memory_MemTotal_bytes": 3072, "node_memory_MemFree_bytes": 4096}),
        ("MemTotal: 010 kB\nMemFree: 4\n", {"node_memory_MemTotal_bytes": 8192, "node_memory_MemFree_bytes": 4}),
        ("MemFree: 5 kB\nMemTotal: 6 kB\n", {"node_memory_MemFree_bytes": 5120, "node_memory_MemTotal_bytes": 6144}),
        ("MemFree: x kB\nMemTotal: 6 kB\n", {"node_memory_MemTotal_bytes": 6144}),
    ):
        machine.write("proc/meminfo", data)
        assert series(collector.collect()) == expected


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"DirectMap4k:  5 kB\nDirectMap2M:  6 kB\n", b"DirectMap2M:  5 kB\nDirectMap4k:  6 kB\n"),
        (b"DirectMap4k:  5 kB\nMemFree:  6 kB\n", b"DirectMap9k:  5 kB\nMemFree:  6 kB\n"),
        (b"MemTotal:  15 kB\nMemFree:  6 kB\n", b"MemTotal:  07 kB\nMemFree:  0 kB\n"),
        (b"MemTotal:  15 kB\nA1b2:  3 kB\nMemFree:  6 kB\n", b"MemTotal:  25 kB\nA1b2:  4 kB\nMemFree:  0 kB\n"),
        (b"MemTotal:  15 kB\nMemFree:  9 kB\n", b"MemTotal:  15 kB\nMemFree: 10 kB\n"),
    ],
)
def test_what_differs_in_digits_alone_is_seen(was: bytes, now: bytes) -> None:
    """A digit in a name, a zero in front, a longer number: read by place or not, the file is what it says."""
    host = OneFile()
    collector = MeminfoCollector(host)
    for data in (was, was, now, now):
        host.data = data
        _same(collector, data)


@given(st.lists(mangled(SAMPLE), min_size=1, max_size=3))
def test_any_bytes(files: list[bytes]) -> None:
    """However the file changes, what was remembered of it gives what reading line by line gives."""
    host = OneFile()
    collector = MeminfoCollector(host)
    for data in [SAMPLE, SAMPLE, *files]:
        host.data = data
        parses_or_refuses(partial(_same, collector, data))


def _same(collector: MeminfoCollector, data: bytes) -> None:
    expected = {metric.name: value for metric, value in parse_meminfo(data, "meminfo")}
    assert series(collector.collect()) == expected


def test_an_odd_line_is_counted(machine: Machine) -> None:
    """A known field without a number is left out and counted; an unknown field is not."""
    machine.write("proc/meminfo", "MemTotal: 5 kB\nMemFree: x kB\nNew: 7 pages\n")
    collector = machine.build("meminfo")
    assert series(collector.collect()) == {"node_memory_MemTotal_bytes": 5120}
    assert collector.left_out == 1
