"""ZFS: caches, pools and datasets."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.kstat import NamedReader, body
from nodescope.collectors.host.zfs_fields import FIELDS, IO_FIELDS, OBJSET_FIELDS
from nodescope.collectors.host.zfs_metric import DATASET, POOL, STATE, metric_of
from nodescope.collectors.host.zfs_pool import Pool, Pools
from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MAX_POOLS: Final = 1024
LIST_SECONDS: Final = 10.0

FILES: Final = {
    "abdstats": "abd",
    "arcstats": "arc",
    "dbufstats": "dbuf",
    "dmu_tx": "dmu_tx",
    "dnodestats": "dnode",
    "fm": "fm",
    "vdev_cache_stats": "vdev_cache",
    "vdev_mirror_stats": "vdev_mirror",
    "xuio_stats": "xuio",
    "zfetchstats": "zfetch",
    "zil": "zil",
}
"""File -> what its metrics are called after node_zfs_."""

METRICS: Final = (
    *(metric_of(FILES[file], file, field) for file, fields in FIELDS.items() for field in fields.split()),
    *(metric_of(POOL, "io", field, ("zpool",)) for field in IO_FIELDS.split()),
    *(metric_of(DATASET, "objset", field, ("zpool", "dataset")) for field in OBJSET_FIELDS.split()),
    STATE,
)


class _Statistics:
    """One file of ZFS as a whole, and its families as they were when a number last changed."""

    def __init__(self, host: Host, file: str) -> None:
        self.file = file
        self.path = host.proc(f"spl/kstat/zfs/{file}")
        self.left_out = 0
        self._reader = NamedReader()
        self._body = b""
        self._metrics: dict[bytes, Metric] = {}
        self._twice = 0
        self._families: dict[bytes, Family] = {}
        self._shown: list[Family] = []

    def families(self, host: Host) -> list[Family]:
        data = host.read(self.path, built_in=True)
        if body(data) == self._body and self._body:
            return self._shown
        self._body = b""
        numbers, left_out = self._reader.read(data, self.path)
        if list(numbers) != list(self._metrics) or self._twice:
            self._name(numbers)
        before = self._families
        self._families = {
            field: before[field]
            if field in before and before[field].rows[0][1] == numbers[field]
            else single(metric, numbers[field])
            for field, metric in self._metrics.items()
        }
        self.left_out = left_out + self._twice
        self._body, self._shown = body(data), list(self._families.values())
        return self._shown

    def _name(self, numbers: dict[bytes, int]) -> None:
        """Of fields that are called the same as a metric, the first is it."""
        self._metrics = {}
        names: set[str] = set()
        for field in numbers:
            metric = metric_of(FILES[self.file], self.file, field.decode("utf-8", "replace"))
            if metric.name not in names:
                self._metrics[field] = metric
                names.add(metric.name)
        self._twice = len(numbers) - len(self._metrics)
        self._families = {}


class ZfsCollector:
    """Statistics of ZFS as a whole, of each pool and of each dataset; every field that the files have.

    *Source*: /proc/spl/kstat/zfs: arcstats, abdstats, dbufstats, dmu_tx, dnodestats, fm, vdev_cache_stats,
    vdev_mirror_stats, xuio_stats, zfetchstats, zil; POOL/io, POOL/state, POOL/objset-*; OpenZFS. *Units*: as ZFS
    counts: bytes, events, nanoseconds. *Absent when*: ZFS is not loaded. A file that ZFS does not have or that goes
    with its pool or dataset costs its own series; so does a line that is not as documented. *Cost*: one read for each
    file, one open for each file of a pool.
    """

    name: ClassVar[str] = "zfs"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.proc("spl/kstat/zfs")
        self._statistics = [_Statistics(host, file) for file in FILES]
        self._listed: list[str] = []
        self._pools: list[Pool] = []
        self._objsets = NamedReader()

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed != self._listed:
            self._listed, self._pools = listed, self._pools_of(listed)
        self.left_out = max(0, len(self._pools) - MAX_POOLS)
        families: list[Family] = []
        odd: Malformed | OSError | None = None
        for statistics in self._statistics:
            try:
                families += statistics.families(self._host)
                self.left_out += statistics.left_out
            except Absent:
                continue
            except (Malformed, OSError) as error:
                self.left_out += 1
                odd = error.with_traceback(None)
        pools = Pools(self._host, self._objsets)
        families += pools.families(self._pools[:MAX_POOLS])
        self.left_out += pools.left_out
        odd = odd or pools.odd
        if odd is not None and not families:
            raise odd
        return families

    def _pools_of(self, listed: list[str]) -> list[Pool]:
        known = {pool.folder: pool for pool in self._pools}
        folders = [(name, f"{self._folder}/{name}") for name in listed if name not in FILES]
        return [known.get(folder) or Pool(name, folder) for name, folder in folders if self._is_folder(folder)]

    def _is_folder(self, path: str) -> bool:
        try:
            self._host.list(path, keep_s=LIST_SECONDS)
        except (Absent, OSError):
            return False
        return True


def build(host: Host, settings: Settings) -> ZfsCollector:
    return ZfsCollector(host)
