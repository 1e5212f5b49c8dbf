from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.buddyinfo import parse_buddyinfo
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"""\
Node 0, zone      DMA      1      0      3 \n\
Node 0, zone   Normal   4381   1093    185 \n\
Node 1, zone   Normal     10     20     30 \n\
"""


def of(node: int, zone: str, *blocks: int) -> dict[str, float]:
    return {
        f'node_buddyinfo_blocks{{node="{node}",zone="{zone}",size="{order}"}}': count
        for order, count in enumerate(blocks)
    }


WHOLE = {**of(0, "DMA", 1, 0, 3), **of(0, "Normal", 4381, 1093, 185), **of(1, "Normal", 10, 20, 30)}


def test_orders(machine: Machine) -> None:
    """Each zone of each node has a number for each order."""
    machine.write("proc/buddyinfo", SAMPLE)
    assert series(machine.build("buddyinfo").collect()) == WHOLE


@pytest.mark.parametrize(
    "line",
    [b"Node 1, zone DMA 1 2", b"Node 1, zone DMA 1 2 x", b"Node 1, zone DMA 1 2 -3", b"Node 1, zone", b"\xff\xfe",
     b"Node x, zone DMA 1 2 3", b"Node 0, zone DMA 7 8 9", b"Node 1, zone DMA 1 2 3 4", b"Zone 1, node DMA 1 2 3"],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_one_line_broken(machine: Machine, line: bytes, first: bool) -> None:
    """A line that is not as the others are costs itself alone, wherever it is, and is counted."""
    if first and b" 7 " in line:
        return
    machine.write("proc/buddyinfo", line + b"\n" + SAMPLE if first else SAMPLE + line)
    collector = machine.build("buddyinfo")
    assert series(collector.collect()) == WHOLE
    assert collector.left_out == 1


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the node that went."""
    machine.write("proc/buddyinfo", SAMPLE)
    collector = machine.build("buddyinfo")
    collector.collect()
    machine.write("proc/buddyinfo", b"Node 0, zone DMA 2 3 4\n")
    assert series(collector.collect()) == of(0, "DMA", 2, 3, 4)


@pytest.mark.parametrize("data", [b"", b"Node 0, zone DMA\n", b"\xff\xfe", b"1 2 3\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without a zone is refused, and the message names it."""
    machine.write("proc/buddyinfo", data)
    with pytest.raises(Malformed, match="proc/buddyinfo: expected lines such as 'Node 0, zone Normal"):
        machine.build("buddyinfo").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("buddyinfo").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_buddyinfo(data, "buddyinfo"))
