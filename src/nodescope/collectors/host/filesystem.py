"""Filesystem space and inodes."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.host.device_filter import from_settings
from nodescope.collectors.host.mount_table import Listed, MountTable
from nodescope.collectors.host.mounts import MountLimits, MountSampler, ask, mount_record
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles import View
from nodescope.profiles.node_exporter import MOUNT
from nodescope.records.host import Mount
from nodescope.sampling import NoSnapshot, SamplerLoop, SnapshotCollector
from nodescope.settings import Settings


class FilesystemCollector(SnapshotCollector):
    """Size, free space, inodes, read-only state and errors of mounted filesystems.

    *Source*: /proc/1/mountinfo and statfs(2). *Units*: bytes, inodes. *Absent when*: there is no mountinfo; sizes where
    the mount failed or is stuck. *Cost*: one statfs for each local filesystem; the others come from the newest
    snapshot of `MountSampler`, for which a scrape waits a quarter of a second at most.
    """

    name: ClassVar[str] = "filesystem"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(row.metric for row in MOUNT)
    left_out: int = 0

    def __init__(self, table: MountTable, loop: SamplerLoop, view: View) -> None:
        super().__init__(loop, view)
        self._table = table
        self._last: tuple[list[Mount], list[Family]] = ([], [])

    def collect(self) -> list[Family]:
        local, others = self._table.listed()
        self.left_out = self._table.left_out
        records = _local(local)
        if others:
            records += self._sampled(alone=not records)
        if records != self._last[0]:
            self._last = (records, self.view.render(records))
        return self._last[1]

    def _sampled(self, alone: bool) -> tuple[Mount, ...]:
        try:
            return self.loop.fresh().records
        except NoSnapshot:
            if alone:
                raise
            return ()  # the local filesystems do not wait for those that may hang


def _local(mounts: list[Listed]) -> list[Mount]:
    made = (mount_record(mount, ask(mount.path), first) for mount, first in mounts)
    return [record for record in made if record is not None]


def build(host: Host, settings: Settings) -> FilesystemCollector:
    prefix = "collector.filesystem."
    mountpoints = from_settings(settings, f"{prefix}mount-points-include", f"{prefix}mount-points-exclude")
    fstypes = from_settings(settings, f"{prefix}fs-types-include", f"{prefix}fs-types-exclude")
    limits = MountLimits(settings[f"{prefix}mount-timeout"], settings[f"{prefix}interval"])
    table = MountTable(host, mountpoints, fstypes, settings[f"{prefix}max-mounts"])
    return FilesystemCollector(table, SamplerLoop(MountSampler(table, limits)), View(MOUNT))
