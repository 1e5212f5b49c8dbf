"""Memory by node and zone adds up to that of the machine."""

from __future__ import annotations

import re
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate.machine import cpu_machine

FEW: Final = settings(max_examples=25)


@FEW
@given(seed=st.integers(-(2**64), 2**64), seconds=st.floats(0.0, 1e9))
def test_nodes_and_zones_add_up(seed: int, seconds: float) -> None:
    """Nodes have the machine's memory between them; free pages are the same by node, by zone and by block."""
    files = cpu_machine(seed).files(seconds)
    machine = dict(re.findall(r"(\S+): +(\d+)", files["proc/meminfo"].decode()))
    nodes = [
        dict(re.findall(r"Node \d+ (\S+): +(\d+)", files[f"sys/devices/system/node/node{node}/meminfo"].decode()))
        for node in range(2)
    ]
    for field in ("MemTotal", "MemFree", "AnonPages", "Slab", "Dirty"):
        assert sum(int(node[field]) for node in nodes) == int(machine[field])
    zones = re.findall(r"nr_free_pages (\d+)", files["proc/zoneinfo"].decode())
    blocks = [
        sum(int(number) << order for order, number in enumerate(line.split()[4:]))
        for line in files["proc/buddyinfo"].decode().splitlines()
    ]
    assert [int(zone) for zone in zones] == blocks
    assert min(blocks) > 0
    assert abs(sum(blocks) * 4 - int(machine["MemFree"])) < 8


@FEW
@given(seed=st.integers(-(2**64), 2**64), seconds=st.floats(0.0, 1e9))
def test_what_one_node_misses_the_other_gave(seed: int, seconds: float) -> None:
    """Pages that a node gave to the other's CPUs are those that the other did not have."""
    files = cpu_machine(seed).files(seconds)
    nodes = [
        dict(line.split() for line in files[f"sys/devices/system/node/node{node}/numastat"].decode().splitlines())
        for node in range(2)
    ]
    for one, other in (nodes, nodes[::-1]):
        assert one["numa_miss"] == other["numa_foreign"]
        assert int(one["numa_hit"]) >= 0
