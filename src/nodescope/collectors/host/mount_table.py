"""Which filesystems are mounted, and which of them can keep statfs(2) waiting."""

from __future__ import annotations

import threading
from typing import Final

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.odd_lines import odd_lines
from nodescope.host import Absent, Host
from nodescope.kernel.mountinfo import MAX_MOUNTS, MountPoint, parse_mountinfo, without_root

# Their statfs reads counters in memory: it asks no server, no user process and no pool of devices.
LOCAL: Final = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "f2fs", "vfat", "exfat", "tmpfs", "ramfs", "devtmpfs", "squashfs"}
)

# The way through these to another mount does not wait: they hold no data, or wait in their own statfs alone.
_PASSABLE: Final = LOCAL | {
    "binfmt_misc", "bpf", "btrfs", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "fusectl", "hugetlbfs",
    "mqueue", "nsfs", "overlay", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs", "zfs",
}  # fmt: skip

Listed = tuple[MountPoint, bool]
"""A mount, and whether it is the first with its labels: another with the same labels adds its device number alone."""


class MountTable:
    """The mounts that the filters keep, as process 1 sees them, or this process where that is hidden.

    *Source*: /proc/1/mountinfo, proc_pid_mountinfo(5). *Absent when*: there is no mountinfo. *Cost*: one poll(2); one
    read when the kernel says that the table has changed.
    """

    def __init__(
        self, host: Host, mountpoints: DeviceFilter, fstypes: DeviceFilter, most_mounts: int = MAX_MOUNTS
    ) -> None:
        self._host = host
        self._mountpoints = mountpoints
        self._fstypes = fstypes
        self._most_mounts = most_mounts
        self._lock = threading.Lock()
        self._current = ""
        self._read_last = ("", b"")
        self._tables: tuple[list[Listed], list[Listed]] = ([], [])
        self.left_out = 0

    def local(self) -> list[Listed]:
        """Mounts whose statfs answers at once."""
        return self.listed()[0]

    def others(self) -> list[Listed]:
        """Mounts whose statfs may hang: what a server, a user process or a pool stands behind, and all below those."""
        return self.listed()[1]

    def listed(self) -> tuple[list[Listed], list[Listed]]:
        """`local` and `others`, of one moment."""
        # The kernel tells of a change once: scrapes and the sampler's thread share what it said.
        with self._lock:
            if not self._current or not self._host.unchanged(self._current):
                self._current = ""
                path, data = self._read()
                if (path, data) != self._read_last:
                    mounts = parse_mountinfo(data, path)
                    self.left_out = odd_lines(data, len(mounts))
                    self._tables = self._sorted(mounts)
                    self._read_last = (path, data)
                self._current = path
            return self._tables

    def _sorted(self, mountinfo: list[MountPoint]) -> tuple[list[Listed], list[Listed]]:
        mounts = [self._below_root(mount) for mount in mountinfo]
        slow = {mount.path.rstrip("/") or "/" for mount in mounts if mount.fstype not in _PASSABLE}
        local: list[Listed] = []
        others: list[Listed] = []
        seen: set[tuple[str, ...]] = set()
        shown: set[tuple[str, ...]] = set()
        for mount in mounts:
            if mount[:5] in seen or not self._keeps(mount):
                continue
            if len(seen) >= self._most_mounts:
                self.left_out += 1
                continue
            seen.add(mount[:5])
            at_once = mount.fstype in LOCAL and not _is_below(mount.path, slow)
            (local if at_once else others).append((mount, mount[:3] not in shown))
            shown.add(mount[:3])
        return local, others

    def _keeps(self, mount: MountPoint) -> bool:
        return self._mountpoints.keeps(mount.mountpoint) and self._fstypes.keeps(mount.fstype)

    def _read(self) -> tuple[str, bytes]:
        try:
            path = self._host.proc("1/mountinfo")
            return path, self._host.read(path)
        except (Absent, PermissionError):
            path = self._host.proc("self/mountinfo")
            return path, self._host.read(path)

    def _below_root(self, mount: MountPoint) -> MountPoint:
        root = self._host.rootfs
        path = self._host.root(without_root(mount.path, root))
        return mount._replace(mountpoint=without_root(mount.mountpoint, root), path=path)


def _is_below(path: str, folders: set[str]) -> bool:
    """Whether the way to `path` leads through one of `folders`."""
    if not folders:
        return False
    end = len(path)
    while end > 0:
        if path[:end] in folders:
            return True
        end = path.rfind("/", 0, end)
    return "/" in folders
