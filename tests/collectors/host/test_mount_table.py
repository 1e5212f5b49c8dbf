from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.mount_table import Listed, MountTable
from tests.collectors.host.machine import Machine
from tests.collectors.host.mount_namespace import in_a_namespace, mount, unmount
from tests.collectors.host.test_filesystem import line


def table_of(machine: Machine) -> MountTable:
    everything = DeviceFilter(None, None)
    return MountTable(machine.host, everything, everything)


def mountpoints(listed: list[Listed]) -> list[str]:
    return [found.mountpoint for found, _ in listed]


@pytest.mark.parametrize("fstype", ["nfs4", "cifs", "fuse.sshfs", "ceph", "lustre", "btrfs", "zfs", "unheard-of"])
def test_what_may_hang_is_not_asked_at_scrape(machine: Machine, fstype: str) -> None:
    """Only filesystems that are known to answer from memory are local; whatever is not known may hang."""
    machine.write("proc/1/mountinfo", line("/") + line("/run", "tmpfs", "tmpfs") + line("/data", "x", fstype))
    table = table_of(machine)
    assert mountpoints(table.local()) == ["/", "/run"]
    assert mountpoints(table.others()) == ["/data"]


def test_the_way_there_may_hang_too(machine: Machine) -> None:
    """A local filesystem below one that may hang is as slow as that, and one beside it is not."""
    slow = line("/nfs", "x", "nfs4") + line("/nfs/deep/local")
    machine.write("proc/1/mountinfo", line("/") + slow + line("/nfsless") + line("/proc", "p", "proc"))
    table = table_of(machine)
    assert mountpoints(table.local()) == ["/", "/nfsless"]
    assert mountpoints(table.others()) == ["/nfs", "/nfs/deep/local", "/proc"]


def test_a_root_that_may_hang(machine: Machine) -> None:
    """On a machine whose root is on the network, everything may hang."""
    machine.write("proc/1/mountinfo", line("/", "x", "nfs4") + line("/local"))
    assert mountpoints(table_of(machine).local()) == []


def test_odd_lines_are_counted(machine: Machine) -> None:
    """Lines that are not understood are counted as long as the table has them; mounts that a filter drops are not."""
    machine.write("proc/1/mountinfo", line("/") + "1 2 odd\n" + line("/run", "tmpfs", "tmpfs") + "x\n")
    table = MountTable(machine.host, DeviceFilter(None, re.compile("^/run")), DeviceFilter(None, None))
    for _ in range(2):
        assert mountpoints(table.local()) == ["/"]
        assert table.left_out == 2
    machine.write("proc/1/mountinfo", line("/"))
    table.local()
    assert table.left_out == 0


def test_the_kernel_tells_of_changes(machine: Machine) -> None:
    """A real mount table is read again when the kernel says that it changed, for every thread that asks."""
    (machine.folder / "proc/self").mkdir()
    (machine.folder / "proc/self/mountinfo").symlink_to("/proc/thread-self/mountinfo")
    folder = machine.folder / "mounted"
    folder.mkdir()
    table = table_of(machine)

    def is_mounted() -> bool:
        return str(folder) in mountpoints(table.local())

    def watch() -> None:
        with ThreadPoolExecutor(1) as other:
            assert not is_mounted()
            for _ in range(2):
                mount("tmpfs", folder, "tmpfs")
                assert other.submit(is_mounted).result()
                assert is_mounted()
                unmount(folder)
                assert not is_mounted()
                assert not other.submit(is_mounted).result()

    in_a_namespace(watch)


def test_more_mounts_than_the_limit_are_counted(machine: Machine) -> None:
    """Of many mounts the first are shown, and the rest is counted."""
    lines = [f"{number} 1 8:{number} / /data{number} rw - ext4 /dev/sd{number} rw\n" for number in range(5)]
    machine.write("proc/1/mountinfo", "".join(lines))
    everything = DeviceFilter(None, None)
    table = MountTable(machine.host, everything, everything, 3)
    assert [mount.mountpoint for mount, _ in table.local()] == ["/data0", "/data1", "/data2"]
    assert table.left_out == 2
