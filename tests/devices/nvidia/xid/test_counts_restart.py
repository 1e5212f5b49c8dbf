"""Counters of XIDs across restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.kmsg import KernelLog, parse
from tests.devices.nvidia.xid.xid_node import BOOT, NOW, A, B, Node


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


def test_unknown_address_across_a_restart(node: Node) -> None:
    """What is known by its address alone is there after a restart too."""
    node.kmsg(79)
    node.restart()
    assert node.totals() == {}
    node.counts.identities((A,))
    assert node.totals() == {("GPU-a", 79): 1}


def test_restart_in_the_same_boot(known: Node) -> None:
    """Read again from the start, the kernel log adds only what was written since; events stay joined."""
    before = [known.kmsg(31), known.kmsg(79)]
    known.nvml(31)
    known.nvml(13)
    known.restart()
    known.counts.identities((A, B))
    for record in before:
        known.counts.kernel_record(record, NOW)
    known.kmsg(13, 1)
    known.kmsg(31, 2)
    known.clock.now += 600
    known.kmsg(79, 3)
    assert known.totals() == {("GPU-a", 13): 1, ("GPU-a", 31): 2, ("GPU-a", 79): 2}


def test_a_reset_is_known_after_a_restart(known: Node) -> None:
    """When a GPU with XIDs was reset is kept with them, at most as of now; of others nothing is."""
    known.kmsg(79)
    known.counts.was_reset("GPU-a", NOW - 5.0)
    known.counts.was_reset("GPU-a", NOW - 9.0)
    known.counts.was_reset("GPU-b", NOW)
    known.restart()
    assert [record.gpu_reset_seconds for record in known.counts.records((A, B))] == [NOW - 5.0]
    known.clock.now -= 3600.0
    known.restart()
    assert [record.gpu_reset_seconds for record in known.counts.records((A,))] == [NOW - 3600.0]
    known.counts.identities((A, B))
    known.nvml(31, uuid="GPU-b")
    assert [record.gpu_reset_seconds for record in known.counts.records((B,))] == [None]


def test_restart_in_another_boot(known: Node) -> None:
    """After a reboot sequences begin anew, and counts go on."""
    record = known.kmsg(31, -100)
    known.restart(boot="another")
    known.counts.identities((A,))
    known.counts.kernel_record(record, NOW)
    assert known.totals() == {("GPU-a", 31): 2}


def test_the_last_xid_is_one_of_this_boot(known: Node) -> None:
    """What was seen before a reboot is counted, and is not the last; after a restart in one boot the last still is."""

    def last() -> dict[int, int]:
        return {record.xid: record.last for record in known.counts.records((A,))}

    known.kmsg(79)
    known.restart()
    assert last() == {79: 1}
    for _ in range(2):
        known.restart(boot="another")
        assert last() == {79: 0}
    known.counts.identities((A,))
    known.nvml(31, -100)
    assert last() == {31: 1, 79: 0}
    known.restart(boot="another")
    assert last() == {31: 1, 79: 0}


def test_restart_without_boot_id(known: Node) -> None:
    """Where the kernel does not name the boot, an XID may count twice, but none is passed over."""
    known.restart(boot="")
    known.counts.identities((A,))
    record = known.kmsg(31, -100)
    known.restart(boot="")
    known.counts.identities((A,))
    known.counts.kernel_record(record, NOW)
    assert known.totals() == {("GPU-a", 31): 2}


def test_killed(known: Node, tmp_path: Path) -> None:
    """After a kill the counts are those of the file, which the first XID reaches at once."""
    known.nvml(31)
    path = tmp_path / "gpu_xids.json"
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    known.start()
    assert known.totals() == {("GPU-a", 31): 1}


def test_state_that_cannot_be_used(tmp_path: Path) -> None:
    """Counting starts at zero where the saved counts are broken, and says why."""
    (tmp_path / "gpu_xids.json").write_text("broken")
    node = Node(str(tmp_path / "gpu_xids.json"))
    # With the first XID a good file is written, at any moment from then on.
    assert "cannot be used" in node.counts.problem
    node.nvml(31)
    assert node.totals() == {("GPU-a", 31): 1}
    node.counts.close()
    assert (tmp_path / "gpu_xids.json.bad").read_text() == "broken"
    assert node.counts.problem == ""


def test_without_state() -> None:
    """Without a file nothing runs beside, and counts are of this run."""
    before = threading.active_count()
    node = Node(None)
    node.nvml(31)
    assert threading.active_count() == before
    node.restart()
    assert node.totals() == {}
    assert node.counts.problem == ""


def test_from_the_kernel_log(known: Node, tmp_path: Path) -> None:
    """Followed from a log the same records count once, before and after a restart of both."""
    path = tmp_path / "kmsg"
    lines = [f"3,{n},{n},-;NVRM: Xid (PCI:0000:18:00): {n}, Ch 8\n" for n in (31, 79, 94)]
    for written in (lines[:2], lines[2:]):
        with path.open("a") as file:
            file.writelines(written)
        log = KernelLog(str(path), known.counts.kernel_record, since="start", words=(b"NVRM",))
        end = time.monotonic() + 10
        while ("GPU-a", parse(written[-1].encode()).sequence) not in known.totals():
            assert time.monotonic() < end
            time.sleep(0.01)
        log.close()
        known.restart()
        known.counts.identities((A, B))
    assert known.totals() == {("GPU-a", 31): 1, ("GPU-a", 79): 1, ("GPU-a", 94): 1}


ONE: Final = st.tuples(
    st.sampled_from(["nvml", "kmsg", "kmsg_implied"]),
    st.sampled_from([31, 79, 999]),
    st.floats(-400, 10),
    st.sampled_from(["GPU-a", "GPU-b", None]),
    st.sampled_from(["0000:18:00.0", "0000:9b:00.0", "10000:01:00.0", "x", None]),
)


@given(st.lists(ONE | st.sampled_from(["restart", "reboot", "inventory", "read"]), max_size=40))
def test_counts_only_grow(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    """Whatever is told and whenever it is restarted, no count ever falls, and the events tell of every one."""
    node = Node(str(tmp_path_factory.mktemp("xids") / "state.json"))
    before: dict[tuple[str, int], int] = {}
    for step in steps:
        if step == "inventory":
            node.counts.identities((A, B))
        elif isinstance(step, tuple):
            source, xid, at, uuid, place = step
            node.counts.seen(xid, NOW + at, source, uuid=uuid, pci_address=place)
        elif step != "read":
            node.restart(BOOT if step == "restart" else step)
        after = node.totals()
        assert all(after[key] >= count for key, count in before.items())
        before = after
    told = sum(isinstance(step, tuple) for step in steps)
    assert sum(before.values()) + node.counts.dropped <= told
    node.counts.close()
    assert sum(int(attributes["count"]) for _, _, attributes in node.events) >= sum(before.values())
