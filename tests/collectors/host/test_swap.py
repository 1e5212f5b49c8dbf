from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.swap import parse_swaps
from nodescope.host import Absent, Malformed
from nodescope.kernel.signed_number import int64
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

HEADING = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
PARTITION = b"/dev/nvme0n1p3                          partition\t8388604\t\t76\t\t-2\n"
FILE = b"/swap\\040file\\040(deleted)                 file\t\t1048572\t\t0\t\t10\n"
SAMPLE = HEADING + PARTITION + FILE


def test_size_use_and_priority(machine: Machine) -> None:
    """Sizes are in bytes, a priority may be negative, and a name keeps the kernel's escapes."""
    machine.write("proc/swaps", SAMPLE)
    assert series(machine.build("swap").collect()) == {
        'node_swap_size_bytes{device="/dev/nvme0n1p3",swap_type="partition"}': 8388604 * 1024,
        'node_swap_size_bytes{device="/swap\\040file\\040(deleted)",swap_type="file"}': 1048572 * 1024,
        'node_swap_used_bytes{device="/dev/nvme0n1p3",swap_type="partition"}': 76 * 1024,
        'node_swap_used_bytes{device="/swap\\040file\\040(deleted)",swap_type="file"}': 0,
        'node_swap_priority{device="/dev/nvme0n1p3",swap_type="partition"}': -2,
        'node_swap_priority{device="/swap\\040file\\040(deleted)",swap_type="file"}': 10,
    }


def test_no_swap(machine: Machine) -> None:
    """With the heading alone there are no families, and that is no failure."""
    machine.write("proc/swaps", HEADING)
    assert machine.build("swap").collect() == []


@pytest.mark.parametrize(
    "line", [b"/x partition 1", b"/x partition 1 -2 3", b"/x partition 1 2 +3", b"/x partition 1_0 2 3", PARTITION]
)
def test_one_broken_line(machine: Machine, line: bytes) -> None:
    """A line that is not as documented, or that repeats an area, costs itself and is counted."""
    machine.write("proc/swaps", HEADING + PARTITION + line + b"\n")
    collector = machine.build("swap")
    found = series(collector.collect())
    assert found['node_swap_used_bytes{device="/dev/nvme0n1p3",swap_type="partition"}'] == 76 * 1024
    assert len(found) == 3
    assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", PARTITION, HEADING + b"nonsense\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Without the heading, or without any line that is as documented, the file is refused by name."""
    machine.write("proc/swaps", data)
    with pytest.raises(Malformed, match="proc/swaps: expected a heading"):
        machine.build("swap").collect()


def test_absent(machine: Machine) -> None:
    """A kernel that cannot swap has no such file."""
    with pytest.raises(Absent):
        machine.build("swap").collect()


def test_a_change(machine: Machine) -> None:
    """The next scrape has new numbers, and not the areas that are gone."""
    machine.write("proc/swaps", SAMPLE)
    collector = machine.build("swap")
    first = collector.collect()
    assert collector.collect() is first
    machine.write("proc/swaps", HEADING + PARTITION.replace(b"76", b"4096"))
    assert series(collector.collect()) == {
        'node_swap_size_bytes{device="/dev/nvme0n1p3",swap_type="partition"}': 8388604 * 1024,
        'node_swap_used_bytes{device="/dev/nvme0n1p3",swap_type="partition"}': 4096 * 1024,
        'node_swap_priority{device="/dev/nvme0n1p3",swap_type="partition"}': -2,
    }


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"0", 0),
        (b"-1", -1),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", None),
        (b"-9223372036854775809", None),
        (b"", None),
        (b"-", None),
        (b"--1", None),
        (b"+1", None),
        (b"1_0", None),
        (b" 1", None),
        (b"-" + b"9" * 5000, None),
    ],
)
def test_signed_numbers(raw: bytes, number: int | None) -> None:
    """Digits, with a minus where negative, in 64 bits: nothing else is a number."""
    assert int64(raw) == number


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_swaps(data, "swaps"))
