"""XIDs of NVLink 5, of which only the kernel's line says how bad they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.nvidia.xid.held import HELD_S, MAX_HELD
from tests.devices.nvidia.xid.xid_node import NOW, A, B, Node

FATAL = "NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x00000000)"
NONFATAL = "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008)"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(str(tmp_path / "gpu_xids.json"))
    yield node
    node.counts.close()


def fatal_seen(node: Node) -> dict[tuple[str, int], float | None]:
    return {(one.identity.uuid, one.xid): one.fatal_seen_seconds for one in node.counts.records((A, B))}


@pytest.mark.parametrize("order", ["nvml first", "kmsg first"])
def test_a_fatal_line(node: Node, order: str) -> None:
    """What the kernel's line calls fatal is known to be, though the library told of it first; its time stays."""
    node.counts.identities((A, B))
    if order == "nvml first":
        node.nvml(149, -2.0)
    node.kmsg(149, -2.0, said=FATAL)
    if order == "kmsg first":
        node.nvml(149, -2.0)
    node.kmsg(149, said=NONFATAL)
    node.kmsg(145, said=NONFATAL)
    node.kmsg(79, said="Fatal")
    assert node.totals() == {("GPU-a", 79): 1, ("GPU-a", 145): 1, ("GPU-a", 149): 2}
    assert fatal_seen(node) == {("GPU-a", 79): None, ("GPU-a", 145): None, ("GPU-a", 149): NOW - 2.0}


def test_before_the_gpu_is_known(node: Node) -> None:
    """One that was fatal at an address is that of the GPU which turns out to be there, counted already or not."""
    node.kmsg(149, said=FATAL)
    node.kmsg(150, place="0000:9b:00", said="MSE_WATCHDOG Fatal XC0 i0 Link 00")
    node.nvml(149)
    node.counts.identities((A, B))
    assert node.totals() == {("GPU-a", 149): 1, ("GPU-b", 150): 1}
    assert fatal_seen(node) == {("GPU-a", 149): NOW, ("GPU-b", 150): NOW}


def test_over_a_restart(node: Node) -> None:
    """That one was fatal is kept."""
    node.counts.identities((A, B))
    node.kmsg(149, said=FATAL)
    node.restart()
    assert fatal_seen(node) == {("GPU-a", 149): NOW}


def told(node: Node) -> list[tuple[str, str, str, str]]:
    return [(subject, about["xid"], about["severity"], about["count"]) for _, subject, about in node.events]


def test_the_event_waits_for_the_line(node: Node) -> None:
    """An event of the library's is published once, as bad as the kernel's line that follows says."""
    node.counts.identities((A, B))
    node.nvml(149, -1.0)
    node.nvml(79)
    assert told(node) == [("GPU-a", "79", "critical", "1")]
    node.kmsg(149, -0.5, said=FATAL)
    node.clock.now += 2 * HELD_S
    node.counts.records((A, B))
    assert told(node)[1:] == [("GPU-a", "149", "critical", "1")]


def test_an_event_without_a_line(node: Node) -> None:
    """Where no line follows the event comes with the next records after a while, at the end, or for want of room."""
    node.counts.identities((A, B))
    node.nvml(145, -1.0)
    node.counts.records((A, B))
    assert told(node) == []
    node.clock.now += HELD_S
    node.counts.records((A, B))
    assert told(node) == [("GPU-a", "145", "subcode", "1")]
    node.nvml(146)
    node.restart()
    assert told(node)[1:] == [("GPU-a", "146", "subcode", "1")]
    for _ in range(MAX_HELD + 1):
        node.nvml(147)
    assert told(node)[2:] == [("GPU-a", "147", "subcode", "1")]
    node.counts.close()
    assert sum(int(count) for _, xid, _, count in told(node) if xid == "147") == MAX_HELD + 1
