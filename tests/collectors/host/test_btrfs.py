from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.btrfs_filesystem import COMMITS, allocation_ratio, parse_numbers
from nodescope.collectors.host.btrfs_ioctl import Device, FilesystemInfo, parse_device, parse_filesystem
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

A = "0abb23a9-579b-43e6-ad30-227ef47fcb9d"
B = "7f07c59f-6136-449c-ab87-e1cf2328731b"
COMMIT_STATS = b"commits 258051\nlast_commit_ms 1000\nmax_commit_ms 51462\ntotal_commit_ms 47836090\n"


def filesystem(
    machine: Machine, uuid: str = A, layout: str = "raid1", devices: tuple[str, ...] = ("sda", "sdb")
) -> None:
    folder = f"sys/fs/btrfs/{uuid}"
    machine.write(f"{folder}/label", "scratch\n")
    machine.write(f"{folder}/metadata_uuid", f"{uuid}\n")
    machine.write(f"{folder}/commit_stats", COMMIT_STATS)
    machine.write(f"{folder}/allocation/global_rsv_size", "16777216\n")
    for attribute, value in (("bytes_reserved", 4096), ("total_bytes", 9), ("disk_used", 9), ("flags", 1)):
        machine.write(f"{folder}/allocation/data/{attribute}", f"{value}\n")
    machine.write(f"{folder}/allocation/data/{layout}/used_bytes", "808189952\n")
    machine.write(f"{folder}/allocation/data/{layout}/total_bytes", "2147483648\n")
    for device in devices:
        machine.write(f"{folder}/devices/{device}/size", "20971520\n")


def of(uuid: str = A, ratio: float | None = 2, layout: str = "raid1") -> dict[str, float]:
    mode = f'{{uuid="{uuid}",block_group_type="data",mode="{layout}"}}'
    return {
        f'node_btrfs_info{{uuid="{uuid}",label="scratch"}}': 1,
        f'node_btrfs_global_rsv_size_bytes{{uuid="{uuid}"}}': 16777216,
        f'node_btrfs_commits_total{{uuid="{uuid}"}}': 258051,
        f'node_btrfs_last_commit_seconds{{uuid="{uuid}"}}': 1,
        f'node_btrfs_max_commit_seconds{{uuid="{uuid}"}}': 51.462,
        f'node_btrfs_commit_seconds_total{{uuid="{uuid}"}}': 47836.09,
        f'node_btrfs_reserved_bytes{{uuid="{uuid}",block_group_type="data"}}': 4096,
        f"node_btrfs_used_bytes{mode}": 808189952,
        f"node_btrfs_size_bytes{mode}": 2147483648,
        **({} if ratio is None else {f"node_btrfs_allocation_ratio{mode}": ratio}),
    }


def size(device: str, uuid: str = A) -> dict[str, float]:
    return {f'node_btrfs_device_size_bytes{{uuid="{uuid}",device="{device}"}}': 20971520 * 512}


def test_filesystem(machine: Machine) -> None:
    """Space by type and layout, commits in seconds, sizes of devices; what is no filesystem is not looked at."""
    filesystem(machine)
    (machine.folder / "sys/fs/btrfs/features").mkdir()
    collector = machine.build("btrfs")
    assert series(collector.collect()) == {**of(), **size("sda"), **size("sdb")}
    assert collector.left_out == 0


def test_mixed_block_groups(machine: Machine) -> None:
    """A filesystem of mixed block groups has no data and no metadata, but both in one."""
    filesystem(machine)
    allocation = machine.folder / f"sys/fs/btrfs/{A}/allocation"
    (allocation / "data").rename(allocation / "mixed")
    found = series(machine.build("btrfs").collect())
    assert found == {
        name.replace('"data"', '"mixed"'): number for name, number in {**of(), **size("sda"), **size("sdb")}.items()
    }


def test_before_commit_stats(machine: Machine) -> None:
    """A kernel before 6.0 does not count commits: all four are 0, as documented elsewhere."""
    filesystem(machine)
    machine.remove(f"sys/fs/btrfs/{A}/commit_stats")
    found = series(machine.build("btrfs").collect())
    assert [number for name, number in found.items() if "commit" in name] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("layout", "devices", "ratio"),
    [
        ("single", 1, 1),
        ("dup", 1, 2),
        ("raid0", 4, 1),
        ("raid10", 4, 2),
        ("raid1c3", 3, 3),
        ("raid1c4", 4, 4),
        ("raid5", 4, 4 / 3),
        ("raid6", 4, 2),
        ("raid5", 1, None),
        ("raid6", 0, None),
        ("raid7", 4, None),
    ],
)
def test_allocation_ratio(layout: str, devices: int, ratio: float | None) -> None:
    """Copies or parity say how many bytes a byte takes; where devices are missing, or it is new, nobody knows."""
    assert allocation_ratio(layout, devices) == ratio


def test_one_broken_filesystem(machine: Machine) -> None:
    """An odd attribute costs its own series, a folder for an attribute its filesystem; both are counted."""
    filesystem(machine, A)
    filesystem(machine, B)
    machine.write(f"sys/fs/btrfs/{A}/allocation/global_rsv_size", b"\xff\n")
    machine.write(f"sys/fs/btrfs/{A}/devices/sda/size", b"-1\n")
    machine.write(f"sys/fs/btrfs/{A}/commit_stats", b"commits x\nlast_commit_ms 1000\nodd\nfuture 1\n")
    machine.write(f"sys/fs/btrfs/{A}/allocation/data/raid1/used_bytes", b"")
    (machine.folder / "sys/fs/btrfs/c-c/allocation/global_rsv_size").mkdir(parents=True)
    collector = machine.build("btrfs")
    found = series(collector.collect())
    expected = {**of(B), **size("sda", B), **size("sdb", B), **of(A), **size("sdb", A)}
    gone = ("global_rsv_size", "commits_total", "max_commit", "commit_seconds_total", "used_bytes")
    kept = {name: number for name, number in expected.items() if A not in name or not any(g in name for g in gone)}
    assert {name: number for name, number in found.items() if "c-c" not in name} == kept
    assert collector.left_out == 6


def test_the_same_uuid_twice(machine: Machine) -> None:
    """Of two filesystems with the same UUID for metadata the first is shown, and the other is counted."""
    filesystem(machine, A)
    filesystem(machine, B)
    machine.write(f"sys/fs/btrfs/{B}/metadata_uuid", A)
    collector = machine.build("btrfs")
    assert series(collector.collect()) == {**of(), **size("sda"), **size("sdb")}
    assert collector.left_out == 1


def test_errors_of_the_only_device(machine: Machine) -> None:
    """Where no ioctl can be asked, the errors in sysfs are those of the filesystem's only device."""
    filesystem(machine, devices=("sda",))
    stats = "write_errs 1\nread_errs 2\nflush_errs x\ncorruption_errs 4\ngeneration_errs 5\n"
    machine.write(f"sys/fs/btrfs/{A}/devinfo/1/error_stats", stats)
    collector = machine.build("btrfs")
    errors = {name: number for name, number in series(collector.collect()).items() if "errors" in name}
    assert errors == {
        f'node_btrfs_device_errors_total{{uuid="{A}",device="sda",type="{kind}"}}': number
        for kind, number in (("write", 1), ("read", 2), ("corruption", 4), ("generation", 5))
    }
    assert collector.left_out == 1
    machine.write(f"sys/fs/btrfs/{A}/devinfo/1/error_stats", "invalid\n")
    assert not any("errors" in name for name in series(collector.collect()))
    machine.write(f"sys/fs/btrfs/{A}/devinfo/1/error_stats", stats)
    machine.write(f"sys/fs/btrfs/{A}/devices/sdb/size", "1")
    assert not any("errors" in name for name in series(collector.collect()))


def test_a_mount_that_is_no_btrfs(machine: Machine) -> None:
    """Where the mount table says Btrfs and the directory is none, sysfs is what there is."""
    filesystem(machine)
    table = "29 1 0:26 / / rw - btrfs /dev/sda rw\n30 1 0:27 / /gone rw - btrfs /dev/sdb rw\n\xff\n"
    machine.write("proc/1/mountinfo", table)
    collector = machine.build("btrfs")
    for _ in range(2):
        assert series(collector.collect()) == {**of(), **size("sda"), **size("sdb")}


def test_absent(machine: Machine) -> None:
    """Without Btrfs in the kernel there is nothing; with Btrfs but no filesystem there are no families."""
    collector = machine.build("btrfs")
    with pytest.raises(Absent):
        collector.collect()
    (machine.folder / "sys/fs/btrfs/features").mkdir(parents=True)
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has new numbers, layouts and devices, and not the filesystem that is gone."""
    filesystem(machine, A)
    filesystem(machine, B)
    collector = machine.build("btrfs")
    assert len(series(collector.collect())) == 24
    machine.remove(f"sys/fs/btrfs/{B}")
    machine.remove(f"sys/fs/btrfs/{A}")
    filesystem(machine, A, layout="raid5", devices=("sda", "sdb", "sdc"))
    assert series(collector.collect()) == {**of(A, 1.5, "raid5"), **size("sda"), **size("sdb"), **size("sdc")}


def test_structures_of_the_ioctls() -> None:
    """Fields stand where btrfs.h has them; the device's name is the last part of its path."""
    fsid = bytes(range(16))
    info = struct.pack("=QQ16s", 7, 2, fsid).ljust(1024, b"\0")
    assert parse_filesystem(info) == FilesystemInfo(fsid.hex(), 2, 7)
    device = struct.pack("=Q16sQQ", 1, fsid, 300, 1000).ljust(3072, b"\0") + b"/dev/mapper/a".ljust(1024, b"\0")
    stats = struct.pack("=QQQ5Q", 1, 5, 0, 10, 11, 12, 13, 14).ljust(1032, b"\0")
    uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert parse_device(device, stats) == Device(b"a", uuid, 1000, 300, (10, 11, 12, 13, 14))
    assert parse_device(bytes(4096), stats)[:2] == (b"", "<zero>")


@given(mangled(COMMIT_STATS))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers."""
    parses_or_refuses(lambda: parse_numbers(data, COMMITS))


@given(st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64))
def test_any_structures(info: bytes, path: bytes, stats: bytes) -> None:
    """Whatever the kernel fills in, a device is read from it."""
    info = info.ljust(3072, b"\0") + path.ljust(1024, b"\0")
    assert len(parse_device(info, stats.ljust(1032, b"\0")).errors) == 5
    assert parse_filesystem(info).devices >= 0
