"""Records of the host: mounts, and what a node uses."""

from __future__ import annotations

import msgspec


class Mount(msgspec.Struct, frozen=True):
    """One mounted filesystem. Source: proc_pid_mountinfo(5) and statfs(2).

    `device_error` is "" or why statfs failed; the sizes are None then. `mounted` is 1 where statfs answered. Another
    device mounted over the first under the same name has its number and `mounted` alone: the rest is the first's.
    """

    device: str
    mountpoint: str
    fstype: str
    major: str
    minor: str
    device_error: str
    failed: int | None
    readonly: int | None
    mounted: int | None = None
    size_bytes: float | None = None
    free_bytes: float | None = None
    avail_bytes: float | None = None
    files: float | None = None
    files_free: float | None = None
    purgeable_bytes: float | None = None


class NodeUsage(msgspec.Struct, frozen=True):
    """What a node uses, as one number for each thing. Source: proc_stat(5), proc_meminfo(5), statfs(2) of the root,
    proc_pid_net(5), proc_loadavg(5).

    Percent are of the time since the sample before. `network_*` are what all network devices counted, and never go
    back. `errors`: how often a source could not be read since the start.
    """

    errors: int
    cpu_usage_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: float | None = None
    disk_total_bytes: float | None = None
    network_receive_bytes: int | None = None
    network_transmit_bytes: int | None = None
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None


class CpuUsage(msgspec.Struct, frozen=True):
    """How busy one CPU was since the sample before. Source: proc_stat(5)."""

    cpu: str
    usage_percent: float


class DiskUsage(msgspec.Struct, frozen=True):
    """What one block device did since the sample before. Source: Documentation/admin-guide/iostats.rst."""

    device: str
    read_bytes_per_second: float
    written_bytes_per_second: float
    reads_per_second: float
    writes_per_second: float
