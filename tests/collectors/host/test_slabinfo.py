from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors import build
from nodescope.collectors.host.slabinfo import parse_line
from nodescope.configuration import load
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

HEADING = (
    b"slabinfo - version: 2.1\n"
    b"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> "
    b"<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)
TCP = b"tw_sock_TCP          704    864    256   32    2 : tunables    0    0    0 : slabdata     27     27      0\n"
DMA = b"dmaengine-unmap-128   1206   1320   1088   30    8 : tunables    0    0    0 : slabdata     44     44      0\n"
SAMPLE = HEADING + TCP + DMA


def of(slab: str, *numbers: int) -> dict[str, float]:
    names = ("active_objects", "objects", "object_size_bytes", "objects_per_slab", "pages_per_slab")
    return {f'node_slabinfo_{name}{{slab="{slab}"}}': number for name, number in zip(names, numbers, strict=True)}


OF_TCP = of("tw_sock_TCP", 704, 864, 256, 32, 2)
OF_DMA = of("dmaengine-unmap-128", 1206, 1320, 1088, 30, 8)


def test_version_21(machine: Machine) -> None:
    """Each slab has the five numbers in front of the tunables."""
    machine.write("proc/slabinfo", SAMPLE)
    collector = machine.build("slabinfo")
    assert series(collector.collect()) == {**OF_TCP, **OF_DMA}
    assert collector.left_out == 0


def test_blank_in_a_name(machine: Machine) -> None:
    """A module may have a blank in the name of its cache, and bytes that are no text."""
    machine.write("proc/slabinfo", HEADING + TCP.replace(b"tw_sock_TCP", b"my \xff cache"))
    assert series(machine.build("slabinfo").collect()) == of("my \ufffd cache", 704, 864, 256, 32, 2)


def test_statistics(machine: Machine) -> None:
    """What a debugging kernel has behind the slab's data is passed over."""
    statistics = b" : globalstat   1 2 3 4 5 6 7 8 9 : cpustat 1 2 3 4\n"
    machine.write("proc/slabinfo", b"slabinfo - version: 2.1 (statistics)\n" + TCP[:-1] + statistics)
    assert series(machine.build("slabinfo").collect()) == OF_TCP


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"slabs-include": "^tw"}, OF_TCP),
        ({"slabs-exclude": "unmap"}, OF_TCP),
        ({"slabs-include": "m", "slabs-exclude": "^tw"}, OF_DMA),
        ({"slabs-include": "^none$"}, {}),
        ({"slabs-include": ""}, {**OF_TCP, **OF_DMA}),
    ],
)
def test_filters(machine: Machine, settings: dict[str, object], expected: dict[str, float]) -> None:
    """A slab is shown that the one expression finds and the other does not."""
    machine.write("proc/slabinfo", SAMPLE)
    collector = machine.build("slabinfo", settings)
    for _ in range(2):
        assert series(collector.collect()) == expected
        assert collector.left_out == 0


@pytest.mark.parametrize(
    "line",
    [
        b"x 1 2 3 4 : tunables 0 0 0 : slabdata 1 2 3",
        b"x 1 2 3 4 y : tunables 0 0 0 : slabdata 1 2 3",
        b"x 1 2 3 4 -5 : tunables 0 0 0 : slabdata 1 2 3",
        b"x 1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2",
        b"x 1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2 y",
        b"x 1 2 3 4 5 : tunables 0 0 0",
        b"x 1 2 3 4 5",
        b"1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2 3",
        b"tw_sock_TCP 9 9 9 9 9 : tunables 0 0 0 : slabdata 1 2 3",
        b"\xff",
    ],
)
def test_one_line_broken(machine: Machine, line: bytes) -> None:
    """A line that is not understood, or whose slab was there, costs itself alone and is counted at each scrape."""
    machine.write("proc/slabinfo", SAMPLE + line + b"\n")
    collector = machine.build("slabinfo")
    for _ in range(2):
        assert series(collector.collect()) == {**OF_TCP, **OF_DMA}
        assert collector.left_out == 1


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the slab that went."""
    machine.write("proc/slabinfo", SAMPLE)
    collector = machine.build("slabinfo")
    collector.collect()
    machine.write("proc/slabinfo", HEADING + TCP.replace(b"704", b"705"))
    assert series(collector.collect()) == of("tw_sock_TCP", 705, 864, 256, 32, 2)


@pytest.mark.parametrize("data", [b"", HEADING, HEADING + b"x 1 2\n", b"\xff\xfe"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without a slab is refused, and the message names it."""
    machine.write("proc/slabinfo", data)
    with pytest.raises(Malformed, match="proc/slabinfo: expected lines of a name, five numbers"):
        machine.build("slabinfo").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("slabinfo").collect()


def test_permission_denied() -> None:
    """One who is not root is told that the file may not be read."""
    host = OneFile()
    host.data = PermissionError(13, "Permission denied", "/proc/slabinfo")
    with pytest.raises(PermissionError, match="/proc/slabinfo"):
        build("slabinfo", host, load({}, {})).collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the collector answers or refuses."""
    host = OneFile()
    host.data = data
    parses_or_refuses(lambda: build("slabinfo", host, load({}, {})).collect())


@given(mangled(TCP))
def test_any_line(line: bytes) -> None:
    """Whatever a line holds, it is a slab with five numbers or none."""
    slab = parse_line(line)
    assert slab is None or (slab.name and len(slab.numbers) == 5)
