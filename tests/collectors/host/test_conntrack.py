from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.conntrack import parse_statistics
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

OLDER = (
    b"entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  "
)
NEWER = (
    b"entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  "
)
EXPECT = b"expect_new expect_create expect_delete search_restart\n"


def line(*numbers: int) -> bytes:
    return b"%08x  %s\n" % (numbers[0], b" ".join(b"%08x" % number for number in numbers[1:]))


SAMPLE = NEWER + EXPECT + line(*range(100, 117)) + line(*range(16, 33))
SUMS = {"found": 120, "invalid": 124, "ignore": 126, "insert": 132, "insert_failed": 134, "drop": 136,
        "early_drop": 138, "search_restart": 148}  # fmt: skip
COUNT, MAX = "proc/sys/net/netfilter/nf_conntrack_count", "proc/sys/net/netfilter/nf_conntrack_max"
STATISTICS = "proc/net/stat/nf_conntrack"


def of(found: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("node_nf_conntrack_"): number for name, number in found.items()}


def stat(**sums: int) -> dict[str, float]:
    return {f"stat_{name}": number for name, number in sums.items()}


@pytest.fixture
def loaded(machine: Machine) -> Machine:
    """A machine with the module."""
    machine.write(COUNT, b"123\n")
    machine.write(MAX, b"65536\n")
    machine.write(STATISTICS, SAMPLE)
    return machine


@pytest.mark.parametrize("heading", [OLDER, NEWER])
def test_sums_over_cpus(loaded: Machine, heading: bytes) -> None:
    """Entries, their limit, and the statistics of all CPUs together, whatever a kernel calls the other columns."""
    loaded.write(STATISTICS, SAMPLE.replace(NEWER, heading))
    collector = loaded.build("conntrack")
    assert of(series(collector.collect())) == {"entries": 123, "entries_limit": 65536, **stat(**SUMS)}
    assert collector.left_out == 0


def test_columns_by_name(loaded: Machine) -> None:
    """A column stands where the heading says, and is no family where the heading lacks it."""
    loaded.write(STATISTICS, b"entries drop found\n" + line(1, 2, 3) + line(1, 20, 30))
    assert of(series(loaded.build("conntrack").collect())) == {
        "entries": 123, "entries_limit": 65536, **stat(drop=22, found=33),
    }  # fmt: skip


def test_sums_wrap(loaded: Machine) -> None:
    """A sum beyond 64 bits goes on at 0."""
    loaded.write(STATISTICS, b"entries found\n" + line(1, 2**64 - 1) + line(1, 3))
    assert of(series(loaded.build("conntrack").collect()))["stat_found"] == 2


@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        (line(*range(12)), {"search_restart"}),
        (line(*range(17)).replace(b"0000000a", b"0000000x"), {"drop"}),
        (line(*range(17)).replace(b"00000002", b"10000000000000000"), {"found"}),
        (line(*range(17)).replace(b"00000002", b"0x000002"), {"found"}),
        (line(*range(17)).replace(b"00000003", b"new"), set()),
        (b"what\n", set(SUMS)),
    ],
)
def test_a_broken_line(loaded: Machine, broken: bytes, lost: set[str]) -> None:
    """A sum of which one CPU's part cannot be read is unknown; the line is counted, the other sums stay."""
    loaded.write(STATISTICS, SAMPLE + broken)
    collector = loaded.build("conntrack")
    for _ in range(2):
        names = of(series(collector.collect())).keys()
        assert names == {"entries", "entries_limit", *stat(**dict.fromkeys(SUMS.keys() - lost, 0))}
        assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"-1\n", b"", b"1 2\n", b"0x10\n", b"18446744073709551616\n"])
def test_a_broken_number(loaded: Machine, data: bytes) -> None:
    """A file that is not one number costs itself alone."""
    loaded.write(COUNT, data)
    collector = loaded.build("conntrack")
    assert of(series(collector.collect())) == {"entries_limit": 65536, **stat(**SUMS)}
    assert collector.left_out == 1


@pytest.mark.parametrize(("refused", "kept"), [(COUNT, 9), (MAX, 9), (STATISTICS, 2)])
def test_a_refused_file(loaded: Machine, refused: str, kept: int) -> None:
    """A file that the kernel refuses costs what it holds, and is counted."""
    loaded.remove(refused)
    (loaded.folder / refused).mkdir()
    collector = loaded.build("conntrack")
    assert len(series(collector.collect())) == kept
    assert collector.left_out == 1


def test_without_statistics(loaded: Machine) -> None:
    """A kernel that does not show the statistics, or shows them without lines, still has its entries."""
    loaded.write(STATISTICS, NEWER + EXPECT)
    collector = loaded.build("conntrack")
    assert of(series(collector.collect())) == {"entries": 123, "entries_limit": 65536}
    assert collector.left_out == 1
    loaded.remove(STATISTICS)
    assert of(series(collector.collect())) == {"entries": 123, "entries_limit": 65536}
    assert collector.left_out == 0


def test_malformed(machine: Machine) -> None:
    """Where nothing can be read, that is refused, and the message names the file."""
    machine.write(COUNT, b"many\n")
    with pytest.raises(Malformed, match="nf_conntrack_count: expected one number"):
        machine.build("conntrack").collect()


def test_absent(machine: Machine) -> None:
    """Without the module there is nothing."""
    with pytest.raises(Absent):
        machine.build("conntrack").collect()


def test_what_changes(loaded: Machine) -> None:
    """Each scrape has the numbers of its moment; when the module is gone, so is everything."""
    collector = loaded.build("conntrack")
    collector.collect()
    loaded.write(COUNT, b"124\n")
    loaded.write(STATISTICS, SAMPLE + line(*[1] * 17))
    found = of(series(collector.collect()))
    assert (found["entries"], found["stat_found"]) == (124, 121)
    for path in (COUNT, MAX, STATISTICS):
        loaded.remove(path)
    with pytest.raises(Absent):
        collector.collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_statistics(data, "nf_conntrack"))
