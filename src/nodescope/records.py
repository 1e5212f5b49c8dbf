"""The records: what a thing is or reads right now. Units last in the name; unknown is None, never 0."""

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
