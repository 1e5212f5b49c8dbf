from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.softnet import parse_softnet
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

NAMES = ("processed_total", "dropped_total", "times_squeezed_total", "cpu_collision_total", "received_rps_total",
         "flow_limit_count_total", "backlog_len")  # fmt: skip


def line(width: int, cpu: int = 0, seed: int = 0) -> bytes:
    """Columns 1, 2, 3 and so on, more by `seed`; the thirteenth is the CPU."""
    numbers = [cpu if column == 12 else column + 1 + seed for column in range(width)]
    return b" ".join(b"%08x" % number for number in numbers) + b"\n"


SAMPLE = line(15, 0) + line(15, 3, seed=0xFF0)


def of(found: dict[str, float], cpu: int) -> list[float]:
    return [found[f'node_softnet_{name}{{cpu="{cpu}"}}'] for name in NAMES]


@pytest.mark.parametrize(
    ("width", "cpu", "expected"),
    [
        (9, 1, [1, 2, 3, 9, 0, 0, 0]),
        (10, 1, [1, 2, 3, 9, 10, 0, 0]),
        (11, 1, [1, 2, 3, 9, 10, 11, 0]),
        (12, 1, [1, 2, 3, 9, 10, 11, 0]),
        (13, 7, [1, 2, 3, 9, 10, 11, 12]),
        (15, 7, [1, 2, 3, 9, 10, 11, 12]),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("gap", [b" ", b"  "])
def test_kernels(machine: Machine, width: int, cpu: int, expected: list[float], end: bytes, gap: bytes) -> None:
    """Every kernel has its columns, what it lacks is 0; before Linux 5.14 the CPU is the number of its line."""
    data = (line(width, 5, seed=5) + line(width, 7)).removesuffix(b"\n") + end
    machine.write("proc/net/softnet_stat", data.replace(b" ", gap))
    collector = machine.build("softnet")
    assert of(series(collector.collect()), cpu) == expected
    assert collector.left_out == 0


@pytest.mark.parametrize(
    "broken",
    [line(8), b"\n", line(15, 9).replace(b"00000002", b"0000000x"), line(15, 9).replace(b"00000002", b"100000000"),
     line(15, 9).replace(b"00000002", b"0x000002"), line(15, 9).replace(b"00000002", b"00_00002"), line(15, 3)],
)  # fmt: skip
def test_a_broken_line(machine: Machine, broken: bytes) -> None:
    """A line that is not as documented, or whose CPU had one before, is left out and counted; its siblings stay."""
    machine.write("proc/net/softnet_stat", line(15, 0) + line(15, 3, seed=1) + broken + line(15, 4))
    collector = machine.build("softnet")
    found = series(collector.collect())
    assert len(found) == 3 * len(NAMES)
    assert of(found, 3) == [2, 3, 4, 10, 11, 12, 13]
    assert of(found, 4) == [1, 2, 3, 9, 10, 11, 12]
    assert collector.left_out == 1


def test_the_largest_number(machine: Machine) -> None:
    """Counters of 32 bits are read to their end."""
    machine.write("proc/net/softnet_stat", line(15).replace(b"00000001", b"ffffffff"))
    assert of(series(machine.build("softnet").collect()), 0)[0] == 2**32 - 1


@pytest.mark.parametrize("data", [b"", b"\n", line(8), b"\xff\xfe " * 9])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without one line that can be read is refused, and the message names it."""
    machine.write("proc/net/softnet_stat", data)
    with pytest.raises(Malformed, match="proc/net/softnet_stat: expected a line of at least 9"):
        machine.build("softnet").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("softnet").collect()


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the numbers of its moment; a CPU that went offline is gone; what stays equal stays itself."""
    machine.write("proc/net/softnet_stat", SAMPLE)
    collector = machine.build("softnet")
    first = list(collector.collect())
    machine.write("proc/net/softnet_stat", SAMPLE.replace(b"00000001", b"00000009"))
    second = list(collector.collect())
    assert of(series(second), 0) == [9, 2, 3, 9, 10, 11, 12]
    assert [a is b for a, b in zip(first, second, strict=True)] == [False, *[True] * 6]
    machine.write("proc/net/softnet_stat", line(15, 3))
    third = series(collector.collect())
    assert of(third, 3) == [1, 2, 3, 9, 10, 11, 12]
    assert not any('cpu="0"' in name for name in third)


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_softnet(data, "softnet_stat"))


@given(mangled(SAMPLE))
def test_the_fast_way_is_the_careful_way(data: bytes) -> None:
    """Lines as the kernel prints them say the same when they are read with care, as blanks at an end make sure."""
    for read in (data, SAMPLE):
        careful = b"".join(part + b" \n" for part in read.removesuffix(b"\n").split(b"\n"))
        try:
            expected = parse_softnet(careful, "softnet_stat")
        except Malformed:
            continue
        (cpus, columns), left_out = parse_softnet(read, "softnet_stat")
        assert ((cpus, [list(column) for column in columns]), left_out) == (
            (expected[0][0], [list(column) for column in expected[0][1]]),
            expected[1],
        )
