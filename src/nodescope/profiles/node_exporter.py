"""Profile node_exporter: the names of prometheus/node_exporter for records."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row

_MOUNT: Final = (
    ("device", "device"),
    ("mountpoint", "mountpoint"),
    ("fstype", "fstype"),
    ("device_error", "device_error"),
)
_MOUNT_INFO: Final = (("device", "device"), ("major", "major"), ("minor", "minor"), ("mountpoint", "mountpoint"))

MOUNT: Final[tuple[Row, ...]] = (
    Row(
        "node_filesystem_avail_bytes",
        "gauge",
        "Filesystem space available to non-root users in bytes.",
        _MOUNT,
        "avail_bytes",
    ),
    Row(
        "node_filesystem_device_error",
        "gauge",
        "Whether an error occurred while getting statistics for the given device.",
        _MOUNT,
        "failed",
    ),
    Row("node_filesystem_files", "gauge", "Filesystem total file nodes.", _MOUNT, "files"),
    Row("node_filesystem_files_free", "gauge", "Filesystem total free file nodes.", _MOUNT, "files_free"),
    Row("node_filesystem_free_bytes", "gauge", "Filesystem free space in bytes.", _MOUNT, "free_bytes"),
    Row("node_filesystem_mount_info", "gauge", "Filesystem mount information.", _MOUNT_INFO, "mounted"),
    Row(
        "node_filesystem_purgeable_bytes",
        "gauge",
        "Filesystem space available including purgeable space (MacOS specific).",
        _MOUNT,
        "purgeable_bytes",
    ),
    Row("node_filesystem_readonly", "gauge", "Filesystem read-only status.", _MOUNT, "readonly"),
    Row("node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.", _MOUNT, "size_bytes"),
)
