"""Counts of XIDs while the machine's clock is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.devices.nvidia.xid.tally import WINDOW_S
from nodescope.health.xids import xid_findings
from tests.devices.nvidia.xid.xid_node import NOW, UPTIME_S, A, B, Node

YEAR_S: Final = 365 * 86_400.0
FATAL: Final = "NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x00000000)"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(str(tmp_path / "gpu_xids.json"))
    node.counts.identities((A, B))
    yield node
    node.counts.close()


def shown(node: Node) -> dict[int, tuple[int, int, int]]:
    """XID -> (count, in the window, last)."""
    return {one.xid: (one.count, one.window_count, one.last) for one in node.counts.records((A,))}


def states(node: Node) -> set[str]:
    now = node.clock.now
    return {finding.state for finding in xid_findings(node.counts.records((A,)), "GPU-a", now, 0.0)}


@pytest.mark.parametrize("restarted", [False, True])
def test_set_back_by_a_year(node: Node, restarted: bool) -> None:
    """XIDs of before the clock was set back age from then on, be it that the agent was restarted meanwhile."""
    node.kmsg(31)
    node.kmsg(149, said=FATAL)
    if restarted:
        node.counts.close()
    node.clock.now -= YEAR_S
    if restarted:
        node.restart()
        node.counts.identities((A, B))
    assert shown(node) == {31: (1, 1, 0), 149: (1, 1, 1)}
    assert states(node) == {"warning", "critical"}
    node.clock.now += WINDOW_S + 1
    assert shown(node) == {31: (1, 0, 0), 149: (1, 0, 1)}
    node.clock.now += 86_400
    assert states(node) == set()


def test_the_last_after_the_clock_was_set_back(node: Node) -> None:
    """An XID that comes after the clock was set back is the last, whatever the time of those before."""
    node.nvml(31)
    node.clock.now -= YEAR_S
    node.counts.seen(79, node.clock.now, "nvml", uuid="GPU-a")
    assert shown(node) == {31: (1, 1, 0), 79: (1, 1, 1)}


def test_set_forward(node: Node) -> None:
    """A clock that is set forward changes no count."""
    node.nvml(31)
    node.clock.now += YEAR_S
    assert shown(node) == {31: (1, 0, 1)}


def test_set_right_on_a_node_that_learns_the_time_late(node: Node) -> None:
    """XIDs of this boot are as old as before once a clock that was behind is set right, and age from then on."""
    node.kmsg(31)
    node.kmsg(149, said=FATAL)
    assert states(node) == {"warning", "critical"}
    node.clock.set_by(YEAR_S)
    assert shown(node) == {31: (1, 1, 0), 149: (1, 1, 1)}
    assert states(node) == {"warning", "critical"}
    assert {record.last_seen_seconds for record in node.counts.records((A,))} == {NOW + YEAR_S}
    node.clock.now += WINDOW_S + 1
    assert shown(node) == {31: (1, 0, 0), 149: (1, 0, 1)}
    node.clock.now += 86_400
    assert states(node) == set()


def test_a_reset_stays_behind_what_it_ended(node: Node) -> None:
    """A clock that is set forward takes the time of a GPU's reset with it: XIDs of before stay ended."""
    node.kmsg(31)
    node.counts.was_reset(A.uuid, NOW)
    node.clock.set_by(YEAR_S)
    assert [record.gpu_reset_seconds for record in node.counts.records((A,))] == [NOW + YEAR_S]


def test_what_a_reset_ended_is_before_it_also_by_a_clock_that_is_set_back(node: Node) -> None:
    """XIDs of before a reset stay before it, and those of after it behind it, where the clock is set back, and after
    a restart."""
    node.kmsg(31)
    node.clock.now += 100.0
    node.counts.was_reset(A.uuid, node.clock.now)
    node.clock.now += 100.0
    node.kmsg(79, 200.0)
    node.clock.now += 10.0
    node.clock.set_by(-600.0)
    for _ in range(2):
        seen = {record.xid: record.last_seen_seconds for record in node.counts.records((A,))}
        reset = {record.gpu_reset_seconds for record in node.counts.records((A,))}
        assert (seen, reset) == ({31: NOW - 600.0, 79: NOW - 400.0}, {NOW - 500.0})
        node.restart()
        node.counts.identities((A, B))


def test_what_an_earlier_boot_had_stays_where_it_was(node: Node) -> None:
    """XIDs of before a reboot are not made of this one by a clock that is set forward."""
    before = -2 * UPTIME_S
    node.kmsg(31, before)
    node.restart(boot="another")
    node.counts.identities((A, B))
    node.clock.set_by(YEAR_S)
    assert [record.last_seen_seconds for record in node.counts.records((A,))] == [NOW + before]


def test_a_reset_of_an_earlier_boot_ends_nothing_of_this_one(node: Node) -> None:
    """After a reboot with a clock that is behind, an XID from before the agent's start is of after any reset."""
    node.kmsg(31)
    node.counts.was_reset(A.uuid, NOW)
    node.clock.now -= YEAR_S
    node.restart(boot="another")
    node.counts.identities((A, B))
    node.kmsg(79, -YEAR_S - 60.0)
    assert {record.xid: record.gpu_reset_seconds for record in node.counts.records((A,))} == {31: None, 79: None}


def test_what_an_earlier_boot_had_is_before_this_one(node: Node) -> None:
    """After the reboot that an XID asked for it is history, while the clock is behind and once it is set right."""
    node.kmsg(79)
    node.clock.now -= YEAR_S
    node.restart(boot="another")
    node.counts.identities((A, B))
    for _ in range(2):
        now = node.clock.now
        assert xid_findings(node.counts.records((A,)), "GPU-a", now, now - node.clock.since_boot()) == []
        node.clock.set_by(YEAR_S)
