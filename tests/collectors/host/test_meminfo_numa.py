from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.meminfo_numa import parse_node_meminfo, parse_numastat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

MEMINFO = b"""\

Node 0 MemTotal:       134217728 kB
Node 0 Active(anon):     707915 kB
Node 0 AnonHugePages:     90112 kB
Node 0 HugePages_Total:     4
"""
NUMASTAT = b"numa_hit 46476221\nnuma_miss 0\ninterleave_hit 57146\n"
NODE = "sys/devices/system/node/node{}"


def of(node: int, **numbers: int) -> dict[str, float]:
    return {f'node_memory_numa_{name}{{node="{node}"}}': number for name, number in numbers.items()}


def of_sample(node: int) -> dict[str, float]:
    return of(
        node, MemTotal=134217728 * 1024, Active_anon=707915 * 1024, AnonHugePages=90112 * 1024, HugePages_Total=4,
        numa_hit_total=46476221, numa_miss_total=0, interleave_hit_total=57146,
    )  # fmt: skip


def write(machine: Machine, node: int, meminfo: bytes = MEMINFO, numastat: bytes = NUMASTAT) -> None:
    machine.write(f"{NODE.format(node)}/meminfo", meminfo.replace(b"Node 0", b"Node %d" % node))
    machine.write(f"{NODE.format(node)}/numastat", numastat)


def test_two_nodes(machine: Machine) -> None:
    """Sizes are in bytes, huge pages are counted, and what else is in the folder is passed over."""
    write(machine, 0)
    write(machine, 10)
    machine.write("sys/devices/system/node/online", "0,10\n")
    machine.write("sys/devices/system/node/nodes/meminfo", MEMINFO)
    collector = machine.build("meminfo_numa")
    assert series(collector.collect()) == {**of_sample(0), **of_sample(10)}
    assert collector.left_out == 0
    types = {family.metric.name: family.metric.type for family in collector.collect()}
    assert (types["node_memory_numa_MemTotal"], types["node_memory_numa_numa_hit_total"]) == ("gauge", "counter")


@pytest.mark.parametrize(
    "line",
    [b"Node 0 Dirty: x kB", b"Node 0 Dirty: -1 kB", b"Node 0 Dirty: 1 MB", b"Node 0 Dirty:", b"Node x Dirty: 1 kB",
     b"Dirty: 1 kB", b"Node 0 Dirty: 1 kB 2", b"\xff", b"Node 0 Dirty: 1_0 kB", b"Node 0 MemTotal: 1 kB"],
)  # fmt: skip
def test_one_line_of_meminfo_broken(machine: Machine, line: bytes) -> None:
    """A line that is not understood, or was there before, costs itself alone and is counted at each scrape."""
    write(machine, 0, MEMINFO + line + b"\n")
    write(machine, 1)
    collector = machine.build("meminfo_numa")
    for _ in range(2):
        assert series(collector.collect()) == {**of_sample(0), **of_sample(1)}
        assert collector.left_out == 1


@pytest.mark.parametrize("line", [b"local_node", b"local_node x", b"local_node 1 2", b"local_node -1", b"numa_hit 1"])
def test_one_line_of_numastat_broken(machine: Machine, line: bytes) -> None:
    """So it is with the other file."""
    write(machine, 0, numastat=NUMASTAT + line)
    collector = machine.build("meminfo_numa")
    assert series(collector.collect()) == of_sample(0)
    assert collector.left_out == 1


def test_one_file_missing(machine: Machine) -> None:
    """A node without one of the files has what the other says."""
    write(machine, 0)
    write(machine, 1)
    machine.remove("sys/devices/system/node/node0/numastat")
    machine.remove("sys/devices/system/node/node1/meminfo")
    found = series(machine.build("meminfo_numa").collect())
    assert len(found) == 4 + 3
    assert {**of_sample(0), **of_sample(1)}.items() >= found.items()


def test_file_of_another_node(machine: Machine) -> None:
    """A node is what its lines say; of two that say the same the first counts."""
    write(machine, 0)
    write(machine, 1)
    machine.write("sys/devices/system/node/node1/meminfo", MEMINFO.replace(b"134217728", b"1"))
    collector = machine.build("meminfo_numa")
    found = series(collector.collect())
    assert found['node_memory_numa_MemTotal{node="0"}'] == 134217728 * 1024
    assert 'node_memory_numa_MemTotal{node="1"}' not in found
    assert collector.left_out == 4


def test_odd_name(machine: Machine) -> None:
    """A field of a kernel to come has a name that a metric can have."""
    write(machine, 0, b"Node 0 Some-Thing(new): 2 kB\n", b"")
    assert series(machine.build("meminfo_numa").collect()) == of(0, Some_Thing_new=2048)


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the node that went."""
    write(machine, 0)
    write(machine, 1)
    collector = machine.build("meminfo_numa")
    collector.collect()
    write(machine, 0, MEMINFO.replace(b"134217728", b"134217729"), NUMASTAT.replace(b"57146", b"57147"))
    machine.remove("sys/devices/system/node/node1")
    assert series(collector.collect()) == {
        **of_sample(0),
        **of(0, MemTotal=134217729 * 1024, interleave_hit_total=57147),
    }


@pytest.mark.parametrize("data", [b"x", b"Node 0\n", b"\xff\xfe"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Nodes of which nothing is understood are refused, and the message names where they are."""
    write(machine, 0, data, b"")
    with pytest.raises(Malformed, match="sys/devices/system/node: expected lines such as"):
        machine.build("meminfo_numa").collect()


def test_absent(machine: Machine) -> None:
    """Without nodes there is nothing."""
    collector = machine.build("meminfo_numa")
    with pytest.raises(Absent):
        collector.collect()
    machine.write("sys/devices/system/node/online", "0\n")
    with pytest.raises(Absent):
        collector.collect()


@given(mangled(MEMINFO))
def test_any_meminfo(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_node_meminfo(data))


@given(mangled(NUMASTAT))
def test_any_numastat(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_numastat(data, "0"))
