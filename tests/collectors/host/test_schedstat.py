from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.schedstat import parse_schedstat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

VERSION_15 = b"""\
version 15
timestamp 15819019232
cpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 2045936778163039 343796328169361 4767485306
domain0 00000000,00000003 212499247 210112015 1861015 1860405436 536440 369895 32599 210079416 25368550 24241256
cpu1 518377256 0 4155211005 2778589869 10466382 2867629021 1904686152592476 364107263788241 5145567945
domain0 00000000,00000003 217653037 215526982 1577949 1580427380 557469 393576 28538 215498444 28721913 27662819
"""
VERSION_17 = b"""\
version 17
timestamp 4295071011
cpu0 0 0 18 9 10 10 2000000000 3000000000 4
domain0 SMT 00000003 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
domain1 PKG 000000ff 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
cpu11 0 0 18 9 10 10 5000000000 6000000000 7
domain0 SMT 00000003 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
"""


def of(cpu: str, running: float, waiting: float, timeslices: float) -> dict[str, float]:
    return {
        f'node_schedstat_running_seconds_total{{cpu="{cpu}"}}': running,
        f'node_schedstat_waiting_seconds_total{{cpu="{cpu}"}}': waiting,
        f'node_schedstat_timeslices_total{{cpu="{cpu}"}}': timeslices,
    }


def test_version_15(machine: Machine) -> None:
    """The last three numbers of a CPU are nanoseconds run, nanoseconds waited, and timeslices."""
    machine.write("proc/schedstat", VERSION_15)
    assert series(machine.build("schedstat").collect()) == {
        **of("0", 2045936778163039 / 1e9, 343796328169361 / 1e9, 4767485306),
        **of("1", 1904686152592476 / 1e9, 364107263788241 / 1e9, 5145567945),
    }


@pytest.mark.parametrize("version", [b"14", b"15", b"16", b"17", b"18"])
def test_versions(machine: Machine, version: bytes) -> None:
    """Lines of CPUs are the same in every version since 14, and lines of domains are passed over."""
    machine.write("proc/schedstat", VERSION_17.replace(b"version 17", b"version " + version))
    assert series(machine.build("schedstat").collect()) == {**of("0", 2, 3, 4), **of("11", 5, 6, 7)}


def test_no_line_feed_at_the_end(machine: Machine) -> None:
    """The last line counts without a line feed, and the first without a version before it."""
    machine.write("proc/schedstat", b"cpu0 0 0 0 0 0 0 1000000000 0 1\ncpu1 0 0 0 0 0 0 2000000000 0 2")
    assert series(machine.build("schedstat").collect()) == {**of("0", 1, 0, 1), **of("1", 2, 0, 2)}


@pytest.mark.parametrize(
    "line",
    [
        b"cpu1 0 0 0 0 0 0 1 2",
        b"cpu1 0 0 0 0 0 0 1 2 x",
        b"cpu1 0 0 0 0 0 0 1 2 -3",
        b"cpu1 0 0 0 0 0 0 1 2 18446744073709551616",
        b"cpu1 x 0 0 0 0 0 1 2 3",
        b"cpu1 0 0 0 0 0 0 1 2 " + b"9" * 5000,
        b"cpuX 0 0 0 0 0 0 1 2 3",
        b"cpu0 0 0 0 0 0 0 1 2 3",
        b"cpu",
    ],
)
def test_one_line_broken(machine: Machine, line: bytes) -> None:
    """A line that is not understood, or is of a CPU that was there, costs itself alone and is counted."""
    machine.write("proc/schedstat", VERSION_17 + line + b"\n")
    collector = machine.build("schedstat")
    assert series(collector.collect()) == {**of("0", 2, 3, 4), **of("11", 5, 6, 7)}
    assert collector.left_out == 1
    machine.write("proc/schedstat", VERSION_17)
    collector.collect()
    assert collector.left_out == 0


@pytest.mark.parametrize("data", [b"", b"version 17\ntimestamp 1\n", b"version 17\ncpu0 1 2 3\n", b"\xff\xfe"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without a line of a CPU is refused, and the message names it."""
    machine.write("proc/schedstat", data)
    with pytest.raises(Malformed, match="proc/schedstat: expected lines cpuN"):
        machine.build("schedstat").collect()


def test_too_old(machine: Machine) -> None:
    """Before version 14 other numbers stood in those places, so there is no telling."""
    machine.write("proc/schedstat", b"version 12\ncpu0 1 2 3 4 5 6 7 8 9 10 11 12\n")
    with pytest.raises(Malformed, match="expected version 14 or later, got b'version 12'"):
        machine.build("schedstat").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("schedstat").collect()


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the CPU that went."""
    machine.write("proc/schedstat", VERSION_17)
    collector = machine.build("schedstat")
    collector.collect()
    machine.write("proc/schedstat", b"version 17\ncpu11 0 0 0 0 0 0 6000000000 7000000000 8\n")
    assert series(collector.collect()) == of("11", 6, 7, 8)


@given(mangled(VERSION_15))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_schedstat(data, "schedstat"))
