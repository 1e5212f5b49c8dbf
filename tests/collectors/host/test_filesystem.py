from __future__ import annotations

import errno
import os

import pytest

from nodescope.collectors.host.mounts import error_words
from nodescope.host import Absent, Malformed
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, series

SIZES = ("size_bytes", "free_bytes", "avail_bytes", "files", "files_free", "purgeable_bytes")


def row(family: str, mountpoint: str, device: str = "/dev/sda", fstype: str = "ext4", error: str = "") -> str:
    labels = f'device="{device}",mountpoint="{mountpoint}",fstype="{fstype}",device_error="{error}"'
    return f"node_filesystem_{family}{{{labels}}}"


def line(
    mountpoint: str, device: str = "/dev/sda", fstype: str = "ext4", number: str = "8:1", options: str = "rw"
) -> str:
    return f"29 1 {number} / {mountpoint} {options} shared:1 - {fstype} {device} rw\n"


def collected(machine: Machine, settings: dict[str, str] | None = None) -> dict[str, float]:
    collector = machine.build("filesystem", settings)
    try:
        return series(collector.collect())
    finally:
        collector.loop.stop()  # type: ignore[attr-defined]


@pytest.mark.parametrize("fstype", ["ext4", "nfs4"])
def test_what_statfs_says(machine: Machine, fstype: str) -> None:
    """Sizes are blocks times the block size of statfs(2); a mount that answers has no error, whatever its type."""
    machine.write("proc/1/mountinfo", line("/data", fstype=fstype, number="259:7", options="ro"))
    (machine.folder / "root/data").mkdir()
    found = collected(machine)
    size = os.statvfs(machine.folder / "root/data")
    assert found[row("size_bytes", "/data", fstype=fstype)] == float(size.f_blocks) * float(size.f_bsize)
    assert found[row("files", "/data", fstype=fstype)] == size.f_files
    assert found[row("device_error", "/data", fstype=fstype)] == 0
    assert found[row("readonly", "/data", fstype=fstype)] == 1
    assert found[row("purgeable_bytes", "/data", fstype=fstype)] == 0
    assert found['node_filesystem_mount_info{device="/dev/sda",major="259",minor="7",mountpoint="/data"}'] == 1
    assert len(found) == 9


@pytest.mark.parametrize("fstype", ["ext4", "nfs4"])
def test_a_failed_mount_has_its_error_and_no_sizes(machine: Machine, fstype: str) -> None:
    """Why statfs failed is a label, of the error and the read-only state alone; the others keep their rows."""
    machine.write("proc/1/mountinfo", line("/gone", fstype=fstype) + line("/file/x", fstype=fstype) + line("/"))
    machine.write("root/file", "")
    found = collected(machine)
    gone, not_a_folder = "no such file or directory", "not a directory"
    expected = {
        row("device_error", "/gone", fstype=fstype, error=gone): 1,
        row("readonly", "/gone", fstype=fstype, error=gone): 0,
        row("device_error", "/file/x", fstype=fstype, error=not_a_folder): 1,
        row("readonly", "/file/x", fstype=fstype, error=not_a_folder): 0,
    }  # fmt: skip
    assert {name: value for name, value in found.items() if 'mountpoint="/"' not in name} == expected
    assert len(found) == len(expected) + 9


def test_default_filters(machine: Machine) -> None:
    """Kernel filesystems and container mounts are left out, others stay."""
    mounts = (
        line("/sys", "sysfs", "sysfs") + line("/dev/shm", "tmpfs", "tmpfs") + line("/run", "tmpfs", "tmpfs")
        + line("/var/lib/docker/overlay2/x") + line("/data", "overlay", "overlay") + line("/") + line("/procession")
    )  # fmt: skip
    machine.write("proc/1/mountinfo", mounts)
    shown = {name.split('mountpoint="')[1].split('"')[0] for name in collected(machine)}
    assert shown == {"/run", "/", "/procession"}


def test_chosen_filters(machine: Machine) -> None:
    """Includes take the place of the default excludes; include and exclude together are refused."""
    machine.write("proc/1/mountinfo", line("/sys", "sysfs", "sysfs") + line("/") + line("/run", "tmpfs", "tmpfs"))
    shown = list(collected(machine, {"mount-points-include": "^/sys$", "fs-types-include": "sysfs"}))
    assert shown
    assert all("/sys" in name for name in shown)
    for kind in ("mount-points", "fs-types"):
        with pytest.raises(SettingsError, match="cannot be used together"):
            machine.build("filesystem", {f"{kind}-include": "a", f"{kind}-exclude": "b"})


@pytest.mark.parametrize("fstype", ["tmpfs", "fuse.x"])
def test_the_same_labels_are_shown_once(machine: Machine, fstype: str) -> None:
    """A device mounted twice at one place is one; another device of the same name there adds its number alone."""
    mounts = line("/", "tmpfs", fstype, "0:5") * 2 + line("/", "tmpfs", fstype, "0:6", "ro")
    machine.write("proc/1/mountinfo", mounts)
    found = collected(machine)
    assert [name for name in found if "mount_info" in name] == [
        f'node_filesystem_mount_info{{device="tmpfs",major="0",minor="{minor}",mountpoint="/"}}' for minor in (5, 6)
    ]
    assert len(found) == 10
    assert found[row("readonly", "/", "tmpfs", fstype)] == 0


def test_the_hosts_root_is_taken_off(machine: Machine) -> None:
    """Where the host's root is mounted in a folder, labels say what the host says."""
    root = machine.host.rootfs
    machine.write("proc/1/mountinfo", line(root) + line(f"{root}/boot"))
    (machine.folder / "root/boot").mkdir()
    found = collected(machine)
    assert found[row("device_error", "/")] == found[row("device_error", "/boot")] == 0


def test_self_where_process_1_is_hidden(machine: Machine) -> None:
    """Without /proc/1/mountinfo the mounts are those that this process sees; without both there is nothing."""
    collector = machine.build("filesystem")
    with pytest.raises(Absent):
        collector.collect()
    collector.loop.stop()  # type: ignore[attr-defined]
    machine.write("proc/self/mountinfo", line("/"))
    assert row("device_error", "/") in collected(machine)


def test_each_scrape_sees_the_mounts_of_its_moment(machine: Machine) -> None:
    """A mount that comes or goes is seen at the next scrape."""
    collector = machine.build("filesystem")
    for mounts, expected in (("/", 9), ("/ /a", 11), ("/a", 2), ("/", 9)):
        machine.write("proc/1/mountinfo", "".join(map(line, mounts.split())))
        assert len(series(collector.collect())) == expected
    collector.loop.stop()  # type: ignore[attr-defined]


def test_odd_lines_are_counted(machine: Machine) -> None:
    """A line of the mount table that is not understood is left out and counted."""
    machine.write("proc/1/mountinfo", line("/") + "29 1 259:2 / odd\n")
    collector = machine.build("filesystem")
    assert len(series(collector.collect())) == 9
    assert collector.left_out == 1


def test_malformed(machine: Machine) -> None:
    """A table without one line that is understood is refused."""
    machine.write("proc/1/mountinfo", "what?\n")
    with pytest.raises(Malformed, match="1/mountinfo: expected lines"):
        collected(machine)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "no such file or directory"), (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output error"), (errno.ESTALE, "stale NFS file handle"),
        (errno.ENOTCONN, "transport endpoint is not connected"), (errno.EREMOTEIO, "remote I/O error"),
        (errno.EINVAL, "invalid argument"), (errno.EPERM, "operation not permitted"),
    ],
)  # fmt: skip
def test_error_words(number: int, words: str) -> None:
    """Errors begin in lower case, as dashboards and alerts know them."""
    assert error_words(number) == words
