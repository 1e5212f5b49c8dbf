"""A server with MI300X and their network cards, as what it is simulated from says it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate.amd_machine import Mi300xPart
from nodescope.simulate.machine import cpu_machine, cpus_of
from nodescope.simulate.rdma_board import STYLES, RdmaOptions
from nodescope.simulate.rdma_tree import RdmaPart
from nodescope.simulate.tree import Tree
from tests.simulate.measured import built, differing, shown

START: Final = 86_400.0
SENSORS: Final = ("hwmon", "infiniband")


@pytest.mark.parametrize("compute_partition", ["SPX", "CPX"])
def test_scrape_shows_what_is_true(tmp_path: Path, compute_partition: str) -> None:
    """On a whole server, the collectors of sensors and of RDMA show exactly the truths, and no part has two's files."""
    part = Mi300xPart(3, cpus_of(3), compute_partition)
    server = cpu_machine(3)
    assert server.files(START).keys() & part.files(START).keys() == set()
    tree = Tree(str(tmp_path))
    tree.update(server.files(START) | part.files(START))
    made = built(tree.roots, SENSORS)
    found = shown(tree.roots, (family for collector in made.values() for family in collector.collect()))
    rows = [*server.truths(START), *part.truths(START)]
    truths = {(name, frozenset(labels.items())): value for name, labels, value in rows}
    known = {key: value for key, value in truths.items() if key[0].startswith(("node_hwmon_", "node_infiniband_"))}
    assert differing(known, found) == {}
    assert {name for name, collector in made.items() if collector.left_out} == set()


@pytest.mark.parametrize("style", STYLES)
def test_every_make_of_network_card(tmp_path: Path, style: str) -> None:
    """What the collector shows of each make is what is true of it."""
    part = RdmaPart(RdmaOptions(hcas=2, ports=2, style=style, down=(1,), netdevs=False))
    tree = Tree(str(tmp_path))
    tree.update(part.files(START))
    found = shown(tree.roots, built(tree.roots, ["infiniband"])["infiniband"].collect())
    truths = {(name, frozenset(labels.items())): value for name, labels, value in part.truths(START)}
    assert differing(truths, found) == {}


@settings(max_examples=5)
@given(seed=st.integers(-(2**64), 2**64), seconds=st.floats(0.0, 1e9), later=st.floats(0.0, 1e6))
def test_any_seed_at_any_time(seed: int, seconds: float, later: float) -> None:
    """The same seed gives the same bytes at the same time; files stay, and no counter goes back."""
    one, other = (Mi300xPart(seed, cpus_of(seed), "QPX") for _ in range(2))
    assert one.files(seconds) == other.files(seconds)
    assert one.files(seconds).keys() == one.files(seconds + later).keys()
    before, after = list(one.truths(seconds)), list(one.truths(seconds + later))
    assert [row[:2] for row in before] == [row[:2] for row in after]
    counters = zip(before, after, strict=True)
    assert [row for row, next_ in counters if row[0].endswith("_total") and next_[2] < row[2]] == []
    energies = [
        [value for name, _, value in one.gpu_truths(at) if "energy" in name] for at in (seconds, seconds + later)
    ]
    assert all(was <= now for was, now in zip(*energies, strict=True))
