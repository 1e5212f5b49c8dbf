from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.devices.nvidia.xid.counts import XidCounts
from nodescope.devices.nvidia.xid.tally import MAX_GPUS
from nodescope.events.bus import Bus
from nodescope.kernel.kmsg import KmsgRecord
from nodescope.records.gpu import GpuIdentity
from tests.devices.nvidia.xid.xid_node import NOW, A, B, Node

STORM: Final = 10_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(str(tmp_path / "gpu_xids.json"))
    yield node
    node.counts.close()


@pytest.fixture
def known(node: Node) -> Node:
    """A node that has its inventory."""
    node.counts.identities((A, B))
    return node


@pytest.mark.parametrize("order", ["nvml first", "kmsg first"])
def test_one_error_of_two_sources(known: Node, order: str) -> None:
    """An error that both sources tell of counts once in either order; one more of either is another."""
    tell: list[Callable[[int, float], object]] = [known.nvml, known.kmsg]
    for one in tell if order == "nvml first" else tell[::-1]:
        one(31, -4.0)
    assert known.totals() == {("GPU-a", 31): 1}
    known.kmsg(31, 0)
    known.kmsg(31, 0, place="0000:9b:00")
    known.nvml(13, 0)
    assert known.totals() == {("GPU-a", 13): 1, ("GPU-a", 31): 2, ("GPU-b", 31): 1}


@pytest.mark.parametrize("turn", range(6))
def test_fallen_off_the_bus(known: Node, turn: int) -> None:
    """An event, an XID line and a line without a number tell of one GPU that is gone, in any order; alone each does."""
    tell: list[Callable[[], object]] = [
        lambda: known.nvml(79),
        lambda: known.kmsg(79, said="GPU has fallen off the bus."),
        lambda: known.line("NVRM: GPU 0000:18:00.0: GPU has fallen off the bus."),
    ]
    first = tell.pop(turn % 3)
    first()
    assert known.totals() == {("GPU-a", 79): 1}
    for one in tell if turn < 3 else tell[::-1]:
        one()
    assert known.totals() == {("GPU-a", 79): 1}
    first()
    assert known.totals() == {("GPU-a", 79): 2}


def test_storm_of_two_threads(known: Node) -> None:
    """Ten thousand errors that two threads tell of at the same time count ten thousand, in counts and in events."""
    known.clock.now = NOW + 2

    def storm(tell: Callable[[int, float], object]) -> None:
        for number in range(STORM):
            tell(31, number / STORM)

    threads = [threading.Thread(target=storm, args=(tell,)) for tell in (known.nvml, known.kmsg)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (record,) = known.counts.records((A,))
    assert (record.count, record.window_count) == (STORM, STORM)
    known.counts.close()
    assert sum(int(attributes["count"]) for _, _, attributes in known.events) == STORM
    assert len(known.events) == 11


def test_event(known: Node) -> None:
    """The event has what the catalogue and the kernel's line say; what is unknown is left out."""
    known.kmsg(94, -1.5, place="0000:18:00 GPU-I:03 GPU-CI:00", said="Contained: SM (0x1)")
    known.nvml(999, uuid="GPU-b")
    assert known.events == [
        (
            "gpu.xid",
            "GPU-a",
            {
                "vendor": "nvidia",
                "pci_address": "0000:18:00.0",
                "xid": "94",
                "name": "ROBUST_CHANNEL_CONTAINED_ERROR",
                "class": "memory",
                "severity": "error",
                "action": "restart_app",
                "source": "kmsg",
                "time_seconds": f"{NOW - 1.5:.3f}",
                "detail": "Contained: SM (0x1)",
                "gpu_instance_id": "3",
                "compute_instance_id": "0",
                "pid": "7",
                "process": "python3",
                "count": "1",
            },
        ),
        (
            "gpu.xid",
            "GPU-b",
            {
                "vendor": "nvidia",
                "xid": "999",
                "class": "unknown",
                "severity": "unknown",
                "action": "unknown",
                "source": "nvml",
                "time_seconds": f"{NOW:.3f}",
                "count": "1",
            },
        ),
    ]


def test_on_the_bus() -> None:
    """The bus takes the events whole, with no attribute cut."""
    bus = Bus(8)
    counts = XidCounts(None, bus.publish, lambda: NOW)
    said = "NVRM: Xid (PCI:0000:18:00 GPU-I:1 GPU-CI:2): 149, pid=7, name=a, NETIR Fatal " + "x" * 500
    counts.kernel_record(KmsgRecord(0, 1, 0, said), NOW)
    (event,) = bus.since(0, 8).events
    assert (event.kind, event.subject, len(event.attributes)) == ("gpu.xid", "0000:18:00.0", 15)
    assert event.attributes["severity"] == "critical"
    assert len(event.attributes["detail"]) == 200


def test_held_back_events_come_with_the_next_reading(known: Node) -> None:
    """What a storm held back is published when the counts are read a second later."""
    for _ in range(25):
        known.nvml(31)
    assert len(known.events) == 10
    known.clock.now += 1
    known.counts.records(())
    assert known.events[-1][2]["count"] == "15"


def test_unknown_address(node: Node) -> None:
    """What is known by its address alone is kept, and joined with the driver's events once the inventory comes."""
    for _ in range(3):
        node.kmsg(31)
    node.kmsg(79)
    assert [event[1] for event in node.events] == ["0000:18:00.0"] * 4
    for _ in range(2):
        node.nvml(31, -1)
    assert node.totals() == {("GPU-a", 31): 2}
    node.counts.identities((A, B))
    assert node.totals() == {("GPU-a", 31): 3, ("GPU-a", 79): 1}
    node.nvml(31)
    assert node.totals()["GPU-a", 31] == 3
    node.nvml(31)
    assert node.totals()["GPU-a", 31] == 4


def test_address_by_the_kernel(node: Node) -> None:
    """The kernel's own line says which GPU is where; the inventory overrules it."""
    node.line("NVRM: GPU at PCI:0000:18:00: GPU-b")
    node.kmsg(31)
    assert node.totals() == {("GPU-b", 31): 1}
    node.counts.identities((A,))
    node.line("NVRM: GPU at PCI:0000:18:00: GPU-b")
    node.kmsg(31)
    assert node.totals() == {("GPU-a", 31): 1, ("GPU-b", 31): 1}


def test_a_gpu_that_left_the_inventory(known: Node) -> None:
    """A GPU that fell off the bus and is no longer listed keeps its address, until another is there."""
    known.counts.identities((B,))
    known.kmsg(79)
    assert known.totals() == {("GPU-a", 79): 1}
    known.counts.identities((GpuIdentity(vendor="nvidia", uuid="GPU-b", pci_address="0000:18:00.0"),))
    known.kmsg(79)
    assert known.totals() == {("GPU-a", 79): 1, ("GPU-b", 79): 1}


def test_what_has_no_room(node: Node) -> None:
    """XIDs of no device, of names and numbers that are none, and of too many GPUs are counted as dropped."""
    node.counts.seen(31, NOW, "nvml")
    node.counts.seen(31, NOW, "kmsg", pci_address="nowhere")
    node.nvml(31, uuid="G" * 1000)
    node.nvml(-1)
    assert node.counts.dropped == 4
    for number in range(MAX_GPUS + 5):
        node.nvml(31, uuid=f"GPU-{number}")
    assert node.counts.dropped == 4 + 5
    assert len(node.events) == MAX_GPUS


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, NOW + 3600])
def test_times_that_are_none(known: Node, seconds: float) -> None:
    """An XID whose time is none, or in the future, is one of now."""
    known.counts.seen(31, seconds, "nvml", uuid="GPU-a")
    (record,) = known.counts.records((A,))
    assert (record.count, record.last_seen_seconds, record.window_count) == (1, NOW, 1)


def test_captured_log(known: Node, shared: Path) -> None:
    """Of a captured kernel log there are five XIDs of the GPU."""
    text = (shared / "captures/nvidia/gpud_kmsg/dmesg-with-xid-119.log").read_text()
    for line in text.splitlines():
        known.line(line.partition("] ")[2])
    assert known.totals() == {("GPU-b", 119): 5}
