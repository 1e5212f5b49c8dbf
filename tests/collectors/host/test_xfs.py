from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.xfs import parse_stats
from nodescope.collectors.host.xfs_counters import METRICS
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"""extent_alloc 4260849 125170297 4618726 131131897
abt 29491162 337391304 11257328 11133039
blk_map 381213360 115456141 10903633 69612322 7448401 507596777 0
bmbt 771328 6236258 602114 86646
dir 21253907 6921870 6969079 779205554
trans 126946406 38184616 6342392
ig 17754368 2019571 102 15734797 0 15672217 3962470
log 129491915 3992515264 458018 153771989 127040250
push_ail 171473415 0 6896837 3324292 8069877 65884 1289485 0 22535 7337
xstrat 4140059 0
rw 1595677950 1046884251
attr 194724197 0 7 0
icluster 20772185 2488203 13909520
vnodes 62578 15959666 0 0 15897088 15897088 15897088 0
buf 2090581631 1972536890 118044776 225145 9486625 0 0 2000152616 809762
qm 0 0 0 0 0 0 0 0
xpc 6908312903680 67735504884757 19760115252482
debug 0
"""
FILE = "sys/fs/xfs/{}/stats/stats"


def at(device: str) -> str:
    return FILE.format(device)


def test_counters(machine: Machine) -> None:
    """Each group's numbers are its metrics in order, but for rw, where the calls to write stand first."""
    machine.write(at("nvme0n1p2"), SAMPLE)
    machine.write("sys/fs/xfs/stats/stats", SAMPLE)
    found = series(machine.build("xfs").collect())
    assert len(found) == len(METRICS) == 39
    assert found['node_xfs_extent_allocation_extents_allocated_total{device="nvme0n1p2"}'] == 4260849
    assert found['node_xfs_extent_allocation_blocks_freed_total{device="nvme0n1p2"}'] == 131131897
    assert found['node_xfs_block_mapping_extent_list_compares_total{device="nvme0n1p2"}'] == 0
    assert found['node_xfs_inode_operation_attribute_changes_total{device="nvme0n1p2"}'] == 3962470
    assert found['node_xfs_write_calls_total{device="nvme0n1p2"}'] == 1595677950
    assert found['node_xfs_read_calls_total{device="nvme0n1p2"}'] == 1046884251
    assert found['node_xfs_vnode_remove_total{device="nvme0n1p2"}'] == 15897088


def test_older_kernel(machine: Machine) -> None:
    """Seven numbers of vnodes, as before the number of free ones was counted, are as good as eight."""
    machine.write(at("sda1"), b"vnodes 1 2 3 4 5 6 7\n")
    found = series(machine.build("xfs").collect())
    assert found['node_xfs_vnode_remove_total{device="sda1"}'] == 7
    assert len(found) == 7


@pytest.mark.parametrize("line", [b"rw 1", b"rw 1 2 3", b"rw 1 -2", b"rw 1 2_0", b"rw", b"abt 1 2 3 4"])
def test_one_broken_line(machine: Machine, line: bytes) -> None:
    """A line that is not as documented, or comes twice, costs its own counters and is counted."""
    machine.write(at("sda1"), b"abt 1 2 3 4\n" + line + b"\n")
    collector = machine.build("xfs")
    assert series(collector.collect()) == {
        'node_xfs_allocation_btree_lookups_total{device="sda1"}': 1,
        'node_xfs_allocation_btree_compares_total{device="sda1"}': 2,
        'node_xfs_allocation_btree_records_inserted_total{device="sda1"}': 3,
        'node_xfs_allocation_btree_records_deleted_total{device="sda1"}': 4,
    }
    assert collector.left_out == 1


def test_unused_lines(machine: Machine) -> None:
    """Lines of groups that no metric is made of are not looked at."""
    machine.write(at("sda1"), b"rw 1 2\nlog x\nfuture 1 2 3\n\n")
    collector = machine.build("xfs")
    assert len(series(collector.collect())) == 2
    assert collector.left_out == 0


def test_one_broken_filesystem(machine: Machine) -> None:
    """A file of nonsense costs its own filesystem, and is counted at each scrape."""
    machine.write(at("sda1"), SAMPLE)
    machine.write(at("sdb1"), b"\xff\xfe\n")
    collector = machine.build("xfs")
    for _ in range(2):
        assert {labels for family in collector.collect() for labels, _ in family.rows} == {("sda1",)}
        assert collector.left_out == 1


def test_malformed(machine: Machine) -> None:
    """With nothing but nonsense the scrape fails, naming a file."""
    machine.write(at("sda1"), b"")
    with pytest.raises(Malformed, match="sda1/stats/stats: expected lines"):
        machine.build("xfs").collect()


def test_absent(machine: Machine) -> None:
    """Without XFS in the kernel there is nothing; with XFS but no filesystem there are no families."""
    collector = machine.build("xfs")
    with pytest.raises(Absent):
        collector.collect()
    (machine.folder / "sys/fs/xfs/debug").mkdir(parents=True)
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has new numbers and new filesystems, and not those that are gone; else the same families."""
    machine.write(at("sda1"), b"rw 1 2\n")
    machine.write(at("sdb1"), b"rw 3 4\n")
    collector = machine.build("xfs")
    first = collector.collect()
    assert collector.collect() is first
    machine.write(at("sda1"), b"rw 4294967295 2\n")
    machine.remove("sys/fs/xfs/sdb1")
    machine.write(at("sdc1"), b"rw 5 6\n")
    assert series(collector.collect()) == {
        'node_xfs_write_calls_total{device="sda1"}': 4294967295,
        'node_xfs_write_calls_total{device="sdc1"}': 5,
        'node_xfs_read_calls_total{device="sda1"}': 2,
        'node_xfs_read_calls_total{device="sdc1"}': 6,
    }
    machine.remove(at("sdc1"))
    assert len(series(collector.collect())) == 2


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_stats(data, "stats"))
