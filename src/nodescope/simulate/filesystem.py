"""The mounts of a simulated machine.

Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.simulate.disk import MAJOR, Disk, Disks, devices
from nodescope.simulate.part import Row

_FIRST_MOUNT: Final = 25
_KERNEL_FSTYPES: Final = frozenset({"proc", "sysfs", "devtmpfs", "cgroup2"})


class Mount(NamedTuple):
    """A line of mountinfo. `device_number` is "259:2", with major 0 where no disk holds the filesystem."""

    device_number: str
    mountpoint: str
    fstype: str
    source: str
    options: str


class FilesystemPart:
    """/proc/1/mountinfo, and the mount points themselves.

    A mount point is a directory of the tree: its sizes are those of the real filesystem that the tree lies on, so no
    size is among the truths.
    """

    def __init__(self, disks: Disks, others: Sequence[Mount]) -> None:
        on_disks = [mount for disk in disks.disks for mount in _mounts(disk)]
        self._mounts = [*sorted(on_disks, key=lambda mount: mount.mountpoint), *others]
        lines = [_mountinfo(number, mount) for number, mount in enumerate(self._mounts)]
        self._fixed = {"proc/1/mountinfo": "".join(lines).encode()}
        for mount in self._mounts:
            if mount.mountpoint != "/":
                self._fixed[f"{mount.mountpoint.lstrip('/')}/"] = b""

    def files(self, seconds: float) -> dict[str, bytes]:
        return self._fixed

    def truths(self, seconds: float) -> Iterable[Row]:
        for mount in self._mounts:
            if mount.fstype in _KERNEL_FSTYPES:
                continue
            where = {"device": mount.source, "mountpoint": mount.mountpoint}
            labels = {**where, "fstype": mount.fstype, "device_error": ""}
            yield "node_filesystem_device_error", labels, 0.0
            yield "node_filesystem_readonly", labels, 1.0 if _flag(mount) == "ro" else 0.0
            major, minor = mount.device_number.split(":")
            yield "node_filesystem_mount_info", {**where, "major": major, "minor": minor}, 1.0


def _mounts(disk: Disk) -> list[Mount]:
    return [
        Mount(f"{MAJOR}:{device.minor}", fs.mountpoint, fs.fstype, f"/dev/{device.name}", fs.options)
        for device in devices(disk)
        if (fs := device.filesystem) is not None
    ]


def _mountinfo(number: int, mount: Mount) -> str:
    parent = 1 if mount.mountpoint == "/" else _FIRST_MOUNT
    return (
        f"{_FIRST_MOUNT + number} {parent} {mount.device_number} / {mount.mountpoint} {mount.options}"
        f" shared:{number + 1} - {mount.fstype} {mount.source} {_flag(mount)}\n"
    )


def _flag(mount: Mount) -> str:
    """ "rw" or "ro", the first of the options."""
    return mount.options.split(",", 1)[0]
