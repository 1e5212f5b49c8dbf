"""I/O of SCSI tape drives."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.number_file import NumberFile, rows_now
from nodescope.host import Host
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.number import uint64_any_base
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_DRIVES: Final = 1024
LIST_SECONDS: Final = 10.0
SECONDS_IN_A_NANOSECOND: Final = 0.000000001
_DRIVE: Final = re.compile(r"st[0-9]+")
"""Every drive has further names, for the modes that it can be opened in: st0a, nst0."""


def seconds(raw: bytes) -> float | None:
    """Nanoseconds -> seconds; multiplied, as the reference does, which shows in the last digit."""
    nanoseconds = uint64_any_base(raw)
    return None if nanoseconds is None else nanoseconds * SECONDS_IN_A_NANOSECOND


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_tape_{name}", "counter" if name.endswith("_total") else "gauge", help, ("device",))


FILES: Final = (
    ("in_flight", _metric("io_now", "The number of I/Os currently outstanding to this device."), uint64_any_base),
    (
        "io_ns",
        _metric(
            "io_time_seconds_total",
            "The amount of time spent waiting for all I/O to complete (including read and write). This includes tape "
            "movement commands such as seeking between file or set marks and implicit tape movement such as when "
            "rewind on close tape devices are used.",
        ),
        seconds,
    ),
    (
        "other_cnt",
        _metric(
            "io_others_total",
            "The number of I/Os issued to the tape drive other than read or write commands. The time taken to complete "
            "these commands uses the following calculation "
            "io_time_seconds_total-read_time_seconds_total-write_time_seconds_total",
        ),
        uint64_any_base,
    ),
    (
        "read_byte_cnt",
        _metric("read_bytes_total", "The number of bytes read from the tape drive."),
        uint64_any_base,
    ),
    (
        "read_cnt",
        _metric("reads_completed_total", "The number of read requests issued to the tape drive."),
        uint64_any_base,
    ),
    (
        "read_ns",
        _metric("read_time_seconds_total", "The amount of time spent waiting for read requests to complete."),
        seconds,
    ),
    (
        "resid_cnt",
        _metric(
            "residual_total",
            "The number of times during a read or write we found the residual amount to be non-zero. This should mean "
            "that a program is issuing a read larger thean the block size on tape. For write not all data made it to "
            "tape.",
        ),
        uint64_any_base,
    ),
    (
        "write_byte_cnt",
        _metric("written_bytes_total", "The number of bytes written to the tape drive."),
        uint64_any_base,
    ),
    (
        "write_cnt",
        _metric("writes_completed_total", "The number of write requests issued to the tape drive."),
        uint64_any_base,
    ),
    (
        "write_ns",
        _metric("write_time_seconds_total", "The amount of time spent waiting for write requests to complete."),
        seconds,
    ),
)
"""File in stats, what it is, and how it is read."""


class TapestatsCollector:
    """What each tape drive has done since its driver was loaded.

    *Source*: /sys/class/scsi_tape/stN/stats, Documentation/scsi/st.rst. *Units*: requests, bytes, seconds. *Absent
    when*: the driver st is not loaded; a file that the kernel does not have. *Cost*: ten reads for each drive.
    """

    name: ClassVar[str] = "tapestats"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric for _, metric, _ in FILES)
    left_out: int = 0

    def __init__(self, host: Host, ignored: re.Pattern[str]) -> None:
        self._host = host
        self._folder = host.sys("class/scsi_tape")
        self._ignored = ignored
        self._reader = AttributeReader(host)
        self._listed: list[str] = []
        self._left_out = 0
        self._files: list[tuple[Metric, list[NumberFile]]] = []

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed != self._listed:
            self._learn(listed)
        self._reader.left_out = self._left_out
        rows = [(metric, rows_now(files, self._reader)) for metric, files in self._files]
        self.left_out = self._reader.left_out
        return [Family(metric, found) for metric, found in rows if found]

    def _learn(self, listed: list[str]) -> None:
        drives = [name for name in listed if _DRIVE.fullmatch(name) and not self._ignored.search(name)]
        self._left_out = max(0, len(drives) - MAX_DRIVES)
        self._files = [
            (metric, [NumberFile(f"{self._folder}/{name}/stats/{file}", (name,), read) for name in drives[:MAX_DRIVES]])
            for file, metric, read in FILES
        ]
        self._listed = listed


def build(host: Host, settings: Settings) -> TapestatsCollector:
    return TapestatsCollector(host, settings["collector.tapestats.ignored-devices"])
