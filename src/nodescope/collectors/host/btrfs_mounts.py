"""Where Btrfs filesystems are mounted, and what their ioctls say there."""

from __future__ import annotations

from typing import Final

from nodescope.collectors.host.btrfs_ioctl import Device, read_mounted
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.mountinfo import parse_mountinfo, without_root

MAX_TRIED: Final = 256


class BtrfsMounts:
    """Mounts of Btrfs as process 1 sees them, or this process where that is hidden.

    *Source*: /proc/1/mountinfo, proc_pid_mountinfo(5). *Cost*: one read; one open for each filesystem.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._last: tuple[bytes, list[tuple[str, str]]] = (b"", [])

    def devices(self, fsids: set[str]) -> dict[str, list[Device]]:
        """The devices of those filesystems that can be reached, by fsid without dashes."""
        known: dict[str, list[Device]] = {}
        done: set[str] = set()
        tried = 0
        for source, path in self._mounts() if fsids else ():
            if source in done:
                continue
            if fsids <= known.keys() or tried >= MAX_TRIED:
                break
            tried += 1
            try:
                read_mounted(path, known)
            except OSError:
                # It may be mounted elsewhere too, where it can be opened.
                continue
            done.add(source)
        return known

    def _mounts(self) -> list[tuple[str, str]]:
        """Device, and mount point as this process reaches it."""
        try:
            path, data = self._read()
            if data != self._last[0]:
                root = self._host.rootfs
                mounts = [mount for mount in parse_mountinfo(data, path) if mount.fstype == "btrfs"]
                reached = [(mount.device, self._host.root(without_root(mount.path, root))) for mount in mounts]
                self._last = (data, reached)
        except (Absent, Malformed, OSError):
            return []
        return self._last[1]

    def _read(self) -> tuple[str, bytes]:
        try:
            path = self._host.proc("1/mountinfo")
            return path, self._host.read(path)
        except (Absent, PermissionError):
            path = self._host.proc("self/mountinfo")
            return path, self._host.read(path)
