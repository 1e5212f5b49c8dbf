"""What the XFS filesystems of a simulated machine have done.

Source: https://xfs.org/index.php/Runtime_Stats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from nodescope.simulate.disk import SECTOR_BYTES, Disks, devices
from nodescope.simulate.load import Load, count
from nodescope.simulate.part import Row

_FOLDER: Final = "sys/fs/xfs"
_BITS: Final = 2**32
"""The kernel counts in 32 bits, but for bytes."""

# Name of a line, and its numbers: counts for each thousand busy seconds of the disk.
_LINES: Final[tuple[tuple[str, tuple[int, ...]], ...]] = (
    ("extent_alloc", (31_000, 890_000, 22_000, 610_000)),
    ("abt", (0, 0, 0, 0)),
    ("blk_map", (910_000, 540_000, 24_000, 33_000, 21_000, 1_470_000, 0)),
    ("bmbt", (0, 0, 0, 0)),
    ("dir", (48_000, 9_000, 7_000, 11_000)),
    ("trans", (2_000, 96_000, 190_000)),
    ("ig", (61_000, 39_000, 20, 22_000, 3, 17_000, 13_000)),
    ("log", (5_200, 91_000, 30, 6_100, 4_300)),
    ("push_ail", (112_000, 0, 34_000, 3_600, 0, 410, 90, 900, 0, 60)),
    ("xstrat", (29_000, 0)),
    ("rw", (4_700_000, 9_800_000)),
    ("attr", (21_000, 300, 40, 12)),
    ("icluster", (3_100, 2_900, 8_800)),
    ("vnodes", (0, 0, 0, 0, 19_000, 19_000, 19_000, 0)),
    ("buf", (390_000, 5_100, 380_000, 140, 30, 4_900, 0, 7_700, 3_800)),
    ("abtb2", (41_000, 320_000, 18_000, 17_000, 0, 0, 60, 40, 8, 6, 9, 7, 5, 4, 21_000)),
    ("abtc2", (82_000, 610_000, 36_000, 35_000, 0, 0, 110, 70, 12, 9, 11, 8, 6, 5, 42_000)),
    ("bmbt2", (3_000, 19_000, 800, 500, 0, 0, 9, 7, 1, 0, 2, 1, 1, 0, 700)),
    ("ibt2", (71_000, 480_000, 310, 200, 0, 0, 12, 9, 0, 0, 3, 2, 1, 0, 90)),
    ("fibt2", (55_000, 360_000, 290, 210, 0, 0, 11, 8, 0, 0, 2, 2, 1, 0, 80)),
    ("rmapbt", (0,) * 15),
    ("refcntbt", (0,) * 15),
    ("qm", (0,) * 8),
)
_ACTIVE_VNODES: Final = 1_840

# The numbers that are shown, by line, in the order of its numbers; rw has writes in front.
_SHOWN: Final[dict[str, tuple[str, ...]]] = {
    "extent_alloc": tuple(
        f"extent_allocation_{what}"
        for what in ("extents_allocated", "blocks_allocated", "extents_freed", "blocks_freed")
    ),
    "abt": tuple(f"allocation_btree_{what}" for what in ("lookups", "compares", "records_inserted", "records_deleted")),
    "blk_map": tuple(
        f"block_mapping_{what}"
        for what in (
            "reads",
            "writes",
            "unmaps",
            "extent_list_insertions",
            "extent_list_deletions",
            "extent_list_lookups",
            "extent_list_compares",
        )
    ),
    "bmbt": tuple(f"block_map_btree_{what}" for what in ("lookups", "compares", "records_inserted", "records_deleted")),
    "dir": tuple(f"directory_operation_{what}" for what in ("lookup", "create", "remove", "getdents")),
    "ig": tuple(
        f"inode_operation_{what}"
        for what in ("attempts", "found", "recycled", "missed", "duplicates", "reclaims", "attribute_changes")
    ),
    "rw": ("write_calls", "read_calls"),
    "vnodes": tuple(f"vnode_{what}" for what in ("active", "allocate", "get", "hold", "release", "reclaim", "remove")),
}


class XfsPart:
    """/sys/fs/xfs: the statistics of each filesystem, and of all together."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._places = [
            (index, device.name)
            for index, disk in enumerate(disks.disks)
            for device in devices(disk)
            if device.filesystem is not None and device.filesystem.fstype == "xfs"
        ]

    def files(self, seconds: float) -> dict[str, bytes]:
        fields = self._disks.fields(seconds)
        all_bytes = [0, 0]
        totals: dict[str, list[int]] = {}
        files: dict[str, bytes] = {}
        for index, device in self._places:
            lines = _counted(self._disks.loads[index], seconds)
            read, written = (fields[index][column] * SECTOR_BYTES for column in (2, 6))
            files[f"{_FOLDER}/{device}/stats/stats"] = _stats(lines, read, written)
            all_bytes = [all_bytes[0] + read, all_bytes[1] + written]
            for name, numbers in lines.items():
                before = totals.get(name, [0] * len(numbers))
                totals[name] = [(one + more) % _BITS for one, more in zip(before, numbers, strict=True)]
        return files | {f"{_FOLDER}/stats/stats": _stats(totals, *all_bytes)}

    def truths(self, seconds: float) -> Iterable[Row]:
        for index, device in self._places:
            lines = _counted(self._disks.loads[index], seconds)
            for name, shown in _SHOWN.items():
                for what, number in zip(shown, lines[name], strict=False):
                    yield f"node_xfs_{what}_total", {"device": device}, float(number)


def _counted(load: Load, seconds: float) -> dict[str, list[int]]:
    integral = load.integral(seconds)
    lines = {name: [count(integral, rate) // 1000 % _BITS for rate in rates] for name, rates in _LINES}
    lines["vnodes"][0] = _ACTIVE_VNODES
    return lines


def _stats(lines: Mapping[str, list[int]], read: int, written: int) -> bytes:
    texts = [f"{name} {' '.join(map(str, numbers))}\n" for name, numbers in lines.items()]
    return "".join([*texts, f"xpc {written} {written} {read}\n", "defer_relog 0\n", "debug 0\n"]).encode()
