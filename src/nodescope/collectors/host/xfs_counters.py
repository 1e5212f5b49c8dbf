"""Lines of the statistics of an XFS filesystem, and the metrics that their numbers are.

Source: https://xfs.org/index.php/Runtime_Stats, which names each line and its numbers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.metric import Metric


class Line(NamedTuple):
    """`lengths`: how many numbers the line may have. `metrics`: (position of a number, the metric that it is)."""

    lengths: tuple[int, ...]
    metrics: tuple[tuple[int, Metric], ...]


def _line(prefix: str, lengths: tuple[int, ...], *numbers: tuple[int, str, str]) -> Line:
    return Line(
        lengths,
        tuple(
            (position, Metric(f"node_xfs_{prefix}{name}_total", "counter", help, ("device",)))
            for position, name, help in numbers
        ),
    )


LINES: Final = {
    b"extent_alloc": _line(
        "extent_allocation_",
        (4,),
        (0, "extents_allocated", "Number of extents allocated for a filesystem."),
        (1, "blocks_allocated", "Number of blocks allocated for a filesystem."),
        (2, "extents_freed", "Number of extents freed for a filesystem."),
        (3, "blocks_freed", "Number of blocks freed for a filesystem."),
    ),
    b"abt": _line(
        "allocation_btree_",
        (4,),
        (0, "lookups", "Number of allocation B-tree lookups for a filesystem."),
        (1, "compares", "Number of allocation B-tree compares for a filesystem."),
        (2, "records_inserted", "Number of allocation B-tree records inserted for a filesystem."),
        (3, "records_deleted", "Number of allocation B-tree records deleted for a filesystem."),
    ),
    b"blk_map": _line(
        "block_mapping_",
        (7,),
        (0, "reads", "Number of block map for read operations for a filesystem."),
        (1, "writes", "Number of block map for write operations for a filesystem."),
        (2, "unmaps", "Number of block unmaps (deletes) for a filesystem."),
        (3, "extent_list_insertions", "Number of extent list insertions for a filesystem."),
        (4, "extent_list_deletions", "Number of extent list deletions for a filesystem."),
        (5, "extent_list_lookups", "Number of extent list lookups for a filesystem."),
        (6, "extent_list_compares", "Number of extent list compares for a filesystem."),
    ),
    b"bmbt": _line(
        "block_map_btree_",
        (4,),
        (0, "lookups", "Number of block map B-tree lookups for a filesystem."),
        (1, "compares", "Number of block map B-tree compares for a filesystem."),
        (2, "records_inserted", "Number of block map B-tree records inserted for a filesystem."),
        (3, "records_deleted", "Number of block map B-tree records deleted for a filesystem."),
    ),
    b"dir": _line(
        "directory_operation_",
        (4,),
        (
            0,
            "lookup",
            "Number of file name directory lookups which miss the operating systems directory name lookup cache.",
        ),
        (1, "create", "Number of times a new directory entry was created for a filesystem."),
        (2, "remove", "Number of times an existing directory entry was created for a filesystem."),
        (3, "getdents", "Number of times the directory getdents operation was performed for a filesystem."),
    ),
    b"ig": _line(
        "inode_operation_",
        (7,),
        (0, "attempts", "Number of times the OS looked for an XFS inode in the inode cache."),
        (1, "found", "Number of times the OS looked for and found an XFS inode in the inode cache."),
        (
            2,
            "recycled",
            "Number of times the OS found an XFS inode in the cache, but could not use it as it was being recycled.",
        ),
        (3, "missed", "Number of times the OS looked for an XFS inode in the cache, but did not find it."),
        (
            4,
            "duplicates",
            "Number of times the OS tried to add a missing XFS inode to the inode cache, but found it had "
            "already been added by another process.",
        ),
        (
            5,
            "reclaims",
            "Number of times the OS reclaimed an XFS inode from the inode cache to free memory for another purpose.",
        ),
        (6, "attribute_changes", "Number of times the OS explicitly changed the attributes of an XFS inode."),
    ),
    b"rw": _line(
        "",
        (2,),
        (1, "read_calls", "Number of read(2) system calls made to files in a filesystem."),
        (0, "write_calls", "Number of write(2) system calls made to files in a filesystem."),
    ),
    b"vnodes": _line(
        "vnode_",
        (7, 8),
        (0, "active", "Number of vnodes not on free lists for a filesystem."),
        (1, "allocate", "Number of times vn_alloc called for a filesystem."),
        (2, "get", "Number of times vn_get called for a filesystem."),
        (3, "hold", "Number of times vn_hold called for a filesystem."),
        (4, "release", "Number of times vn_rele called for a filesystem."),
        (5, "reclaim", "Number of times vn_reclaim called for a filesystem."),
        (6, "remove", "Number of times vn_remove called for a filesystem."),
    ),
}
"""Name of a line -> what it says."""

METRICS: Final = tuple(metric for line in LINES.values() for _, metric in line.metrics)
