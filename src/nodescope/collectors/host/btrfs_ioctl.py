"""Devices of a mounted Btrfs filesystem, as its ioctls tell. Source: include/uapi/linux/btrfs.h, btrfs-ioctl(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final, NamedTuple

MAX_DEVICE_ID: Final = 4096
ZERO_UUID: Final = "<zero>"
ERROR_TYPES: Final = ("write", "read", "flush", "corruption", "generation")
"""In the order of enum btrfs_dev_stat_values."""

_FS_INFO: Final = 0x8400_941F
_DEV_INFO: Final = 0xD000_941E
_GET_DEV_STATS: Final = 0xC408_9434
_FS_INFO_BYTES: Final = 1024
_DEV_INFO_BYTES: Final = 4096
_DEV_STATS_BYTES: Final = 1032

_FS: Final = struct.Struct("=QQ16s")
_DEVICE: Final = struct.Struct("=Q16sQQ")
_STATS: Final = struct.Struct("=QQQ5Q")
_PATH_AT: Final = 3072


class Device(NamedTuple):
    """`name`: the last part of its path, empty where the device is missing. `errors`: as `ERROR_TYPES`."""

    name: bytes
    uuid: str
    total_bytes: int
    used_bytes: int
    errors: tuple[int, ...]


class FilesystemInfo(NamedTuple):
    fsid: str
    devices: int
    highest_id: int


def parse_filesystem(data: bytes) -> FilesystemInfo:
    """struct btrfs_ioctl_fs_info_args."""
    highest_id, devices, fsid = _FS.unpack_from(data)
    return FilesystemInfo(fsid.hex(), devices, highest_id)


def parse_device(info: bytes, stats: bytes) -> Device:
    """struct btrfs_ioctl_dev_info_args and struct btrfs_ioctl_get_dev_stats."""
    _, uuid, used, total = _DEVICE.unpack_from(info)
    path = info[_PATH_AT:].split(b"\0", 1)[0]
    return Device(path.rpartition(b"/")[2], _dashed(uuid), total, used, _STATS.unpack_from(stats)[3:])


def _dashed(uuid: bytes) -> str:
    digits = uuid.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts) if any(uuid) else ZERO_UUID


def filesystem(fd: int) -> FilesystemInfo:
    """What an open directory is in. Raises `OSError`, ENOTTY where that is no Btrfs."""
    data = bytearray(_FS_INFO_BYTES)
    fcntl.ioctl(fd, _FS_INFO, data)
    return parse_filesystem(bytes(data))


def devices(fd: int, info: FilesystemInfo) -> list[Device]:
    """All devices. Identifiers have gaps, where the kernel answers ENODEV. Raises `OSError`."""
    found: list[Device] = []
    for device_id in range(min(info.highest_id, MAX_DEVICE_ID) + 1):
        if len(found) >= info.devices:
            break
        try:
            found.append(_device(fd, device_id))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
    return found


def _device(fd: int, device_id: int) -> Device:
    info = bytearray(_DEV_INFO_BYTES)
    struct.pack_into("=Q", info, 0, device_id)
    fcntl.ioctl(fd, _DEV_INFO, info)
    stats = bytearray(_DEV_STATS_BYTES)
    # Flags 0: the counters are read, not reset.
    struct.pack_into("=QQQ", stats, 0, device_id, len(ERROR_TYPES), 0)
    fcntl.ioctl(fd, _GET_DEV_STATS, stats)
    return parse_device(bytes(info), bytes(stats))


def read_mounted(path: str, known: dict[str, list[Device]]) -> None:
    """Adds the devices of the filesystem mounted at `path` to `known`, by its fsid without dashes. Raises `OSError`.

    The directory is closed again at once: an open one would keep the filesystem from being unmounted.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        info = filesystem(fd)
        if info.fsid not in known:
            known[info.fsid] = devices(fd, info)
    finally:
        os.close(fd)
