"""Filesystem space and inodes."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.host.device_filter import from_settings
from nodescope.collectors.host.mount_table import Listed, MountTable
from nodescope.collectors.host.mounts import MountLimits, MountSampler, ask, mount_record
from nodescope.host import Host
from nodescope.kernel.mount_prober import Answer
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
        self._asked: tuple[list[Listed], list[Answer], tuple[Mount, ...]] = ([], [], ())
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        local, others = self._table.listed()
        self.left_out = self._table.left_out
        answers = [ask(mount.path) for mount, _ in local]
        sampled = self._sampled(alone=not local) if others else ()
        asked = (local, answers, sampled)
        if asked != self._asked:
            made = (mount_record(mount, answer, first) for (mount, first), answer in zip(local, answers, strict=True))
            self._families = self.view.render([record for record in made if record is not None] + list(sampled))
            self._asked = asked
        return self._families

    def _sampled(self, alone: bool) -> tuple[Mount, ...]:
        try:
            return self.loop.fresh().records
        except NoSnapshot:
            if alone:
                raise
            return ()  # the local filesystems do not wait for those that may hang


def build(host: Host, settings: Settings) -> FilesystemCollector:
    prefix = "collector.filesystem."
    mountpoints = from_settings(settings, f"{prefix}mount-points-include", f"{prefix}mount-points-exclude")
    fstypes = from_settings(settings, f"{prefix}fs-types-include", f"{prefix}fs-types-exclude")
    limits = MountLimits(settings[f"{prefix}mount-timeout"], settings[f"{prefix}interval"])
    table = MountTable(host, mountpoints, fstypes, settings[f"{prefix}max-mounts"])
    return FilesystemCollector(table, SamplerLoop(MountSampler(table, limits)), View(MOUNT))
