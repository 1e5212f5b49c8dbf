"""What is shown of an NFS mount: series, and the numbers of its statistics that they come from.

Source: /proc/PID/mountstats, fs/nfs/iostat.h (bytes and events), mountstats(8).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.metric import Metric, MetricType

MOUNT: Final = ("export", "protocol", "mountaddr")

# Times and ages wrap where a float64 no longer holds every integer.
FLOAT64_EXACT: Final = 2**53


class Shown(NamedTuple):
    """A number of a line, the first being 0, as a series. `milliseconds`: it is shown in seconds."""

    position: int
    metric: Metric
    wraps: bool = False
    milliseconds: bool = False

    def value(self, number: int) -> float:
        if self.milliseconds:
            return (number % FLOAT64_EXACT) / 1000.0
        return number % FLOAT64_EXACT if self.wraps else number


def _metric(name: str, help: str, *labels: str, type: MetricType = "counter") -> Metric:
    return Metric(f"node_mountstats_nfs_{name}", type, help, (*MOUNT, *labels))


MOUNTPOINT: Final = _metric("mountpoint_info", "Info metric for an NFS mountpoint.", "mountpoint", type="gauge")

AGE: Final[tuple[Shown, ...]] = (Shown(0, _metric("age_seconds_total", "The age of the NFS mount in seconds.")),)

BYTES: Final[tuple[Shown, ...]] = tuple(
    Shown(position, _metric(name, help))
    for position, (name, help) in enumerate(
        (
            ("read_bytes_total", "Number of bytes read using the read() syscall."),
            ("write_bytes_total", "Number of bytes written using the write() syscall."),
            ("direct_read_bytes_total", "Number of bytes read using the read() syscall in O_DIRECT mode."),
            ("direct_write_bytes_total", "Number of bytes written using the write() syscall in O_DIRECT mode."),
            ("total_read_bytes_total", "Number of bytes read from the NFS server, in total."),
            ("total_write_bytes_total", "Number of bytes written to the NFS server, in total."),
            ("read_pages_total", "Number of pages read directly via mmap()'d files."),
            ("write_pages_total", "Number of pages written directly via mmap()'d files."),
        )
    )
)

EVENTS: Final[tuple[Shown, ...]] = tuple(
    Shown(position, _metric(f"event_{name}_total", help))
    for position, name, help in (
        (0, "inode_revalidate", "Number of times cached inode attributes are re-validated from the server."),
        (1, "dnode_revalidate", "Number of times cached dentry nodes are re-validated from the server."),
        (2, "data_invalidate", "Number of times an inode cache is cleared."),
        (3, "attribute_invalidate", "Number of times cached inode attributes are invalidated."),
        (4, "vfs_open", "Number of times cached inode attributes are invalidated."),
        (5, "vfs_lookup", "Number of times a directory lookup has occurred."),
        (6, "vfs_access", "Number of times permissions have been checked."),
        (7, "vfs_update_page", "Number of updates (and potential writes) to pages."),
        (8, "vfs_read_page", "Number of pages read directly via mmap()'d files."),
        (9, "vfs_read_pages", "Number of times a group of pages have been read."),
        (10, "vfs_write_page", "Number of pages written directly via mmap()'d files."),
        (11, "vfs_write_pages", "Number of times a group of pages have been written."),
        (12, "vfs_getdents", "Number of times directory entries have been read with getdents()."),
        (13, "vfs_setattr", "Number of times directory entries have been read with getdents()."),
        (14, "vfs_flush", "Number of pending writes that have been forcefully flushed to the server."),
        (15, "vfs_fsync", "Number of times fsync() has been called on directories and files."),
        (16, "vfs_lock", "Number of times locking has been attempted on a file."),
        (17, "vfs_file_release", "Number of times files have been closed and released."),
        # 18 counts waits for congestion, which the kernel has given up.
        (19, "truncation", "Number of times files have been truncated."),
        (20, "write_extension", "Number of times a file has been grown due to writes beyond its existing end."),
        (21, "silly_rename", "Number of times a file was removed while still open by another process."),
        (22, "short_read", "Number of times the NFS server gave less data than expected while reading."),
        (23, "short_write", "Number of times the NFS server wrote less data than expected while writing."),
        (24, "jukebox_delay",
         "Number of times the NFS server indicated EJUKEBOX; retrieving data from offline storage."),
        (25, "pnfs_read", "Number of NFS v4.1+ pNFS reads."),
        (26, "pnfs_write", "Number of NFS v4.1+ pNFS writes."),
    )
)  # fmt: skip


def _transport(position: int, name: str, help: str, type: MetricType = "counter") -> Shown:
    return Shown(position, _metric(f"transport_{name}", help, "transport", type=type), name == "idle_time_seconds")


TRANSPORT: Final[tuple[Shown, ...]] = (
    _transport(
        1,
        "bind_total",
        "Number of times the client has had to establish a connection from scratch to the NFS server.",
    ),
    _transport(2, "connect_total", "Number of times the client has made a TCP connection to the NFS server."),
    _transport(
        4, "idle_time_seconds", "Duration since the NFS mount last saw any RPC traffic, in seconds.", type="gauge"
    ),
    _transport(5, "sends_total", "Number of RPC requests for this mount sent to the NFS server."),
    _transport(6, "receives_total", "Number of RPC responses for this mount received from the NFS server."),
    _transport(
        7,
        "bad_transaction_ids_total",
        "Number of times the NFS server sent a response with a transaction ID unknown to this client.",
    ),
    _transport(9, "backlog_queue_total", "Total number of items added to the RPC backlog queue."),
    _transport(
        10, "maximum_rpc_slots", "Maximum number of simultaneously active RPC requests ever used.", type="gauge"
    ),
    _transport(11, "sending_queue_total", "Total number of items added to the RPC transmission sending queue."),
    _transport(12, "pending_queue_total", "Total number of items added to the RPC transmission pending queue."),
)
"""Positions are those of a line of tcp in version 1.1."""


def _operation(position: int, name: str, help: str) -> Shown:
    metric = _metric(f"operations_{name}_total", help, "operation")
    return Shown(position, metric, milliseconds=name.endswith("_seconds"))


OPERATIONS: Final[tuple[Shown, ...]] = (
    _operation(0, "requests", "Number of requests performed for a given operation."),
    _operation(1, "transmissions", "Number of times an actual RPC request has been transmitted for a given operation."),
    _operation(2, "major_timeouts", "Number of times a request has had a major timeout for a given operation."),
    _operation(3, "sent_bytes", "Number of bytes sent for a given operation, including RPC headers and payload."),
    _operation(
        4, "received_bytes", "Number of bytes received for a given operation, including RPC headers and payload."
    ),
    _operation(
        5,
        "queue_time_seconds",
        "Duration all requests spent queued for transmission for a given operation before they were sent, in seconds.",
    ),
    _operation(
        6,
        "response_time_seconds",
        "Duration all requests took to get a reply back after a request for a given operation was transmitted,"
        " in seconds.",
    ),
    _operation(
        7,
        "request_time_seconds",
        "Duration all requests took from when a request was enqueued to when it was completely handled for a given"
        " operation, in seconds.",
    ),
)

EVENTS_COUNTED: Final = 27

LINES: Final[dict[bytes, tuple[int, tuple[Shown, ...]]]] = {
    b"age:": (1, AGE),
    b"bytes:": (len(BYTES), BYTES),
    b"events:": (EVENTS_COUNTED, EVENTS),
}
"""First word -> how many numbers the line has at least, and what is shown of it."""

METRICS: Final[tuple[Metric, ...]] = (
    MOUNTPOINT,
    *(shown.metric for line in (AGE, BYTES, EVENTS, TRANSPORT, OPERATIONS) for shown in line),
)

PLACES: Final[dict[Metric, int]] = {metric: place for place, metric in enumerate(METRICS)}
