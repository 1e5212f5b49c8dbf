"""What the files of a cgroup say, v2 and v1, as the fields of `ContainerUse` and rows of `ContainerIo`.

Sources: Documentation/admin-guide/cgroup-v2.rst; Documentation/admin-guide/cgroup-v1/{memory,cpuacct,blkio-controller,
pids}.rst; Documentation/scheduler/{sched-bwc,sched-design-CFS}.rst; Documentation/accounting/psi.rst. A parser gives
only what the file tells, and raises `Malformed` where it is not of its documented form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.number import uint64

MICROSECONDS: Final = 1_000_000
NANOSECONDS: Final = 1_000_000_000
MAX_IO_DEVICES: Final = 256
NO_LIMIT_BYTES: Final = 1 << 62
"""v1 prints the greatest number of whole pages for "no limit"."""
LEAST_SHARES: Final = 2
MOST_SHARES: Final = 262_144
LEAST_WEIGHT: Final = 1
MOST_WEIGHT: Final = 10_000

Figures = dict[str, int | float]
Scale = tuple[str, int]
_DEVICE: Final = re.compile(rb"[0-9]{1,10}:[0-9]{1,10}")
_NO_DISK: Final = b"(unknown)"
"""The kernel's name of what has no number: a path of a multipath NVMe disk, ZFS' own layer, a device that is gone."""


class Io(NamedTuple):
    """Bytes and requests of one device; None where not told."""

    read_bytes: int | None = None
    written_bytes: int | None = None
    reads: int | None = None
    writes: int | None = None


def parse_flat(data: bytes, source: str) -> dict[bytes, bytes]:
    """A flat keyed file: lines of a key, a blank and a value."""
    words = data.split()
    if len(words) != 2 * data.count(b"\n"):
        raise Malformed(source, data, "lines of a key and a number")
    return dict(zip(words[::2], words[1::2], strict=True))


def _number(raw: bytes, source: str) -> int:
    value = uint64(raw)
    if value is None:
        raise Malformed(source, raw, "a number from 0 to 2^64-1")
    return value


def _chosen(fields: dict[bytes, Scale]) -> Callable[[bytes, str], Figures]:
    """A parser of a flat keyed file that takes `fields`: key -> field and what to divide by."""

    def parse(data: bytes, source: str) -> Figures:
        found = parse_flat(data, source)
        figures: Figures = {}
        for key, (field, divisor) in fields.items():
            if key in found:
                value = _number(found[key], source)
                figures[field] = value if divisor == 1 else value / divisor
        return figures

    return parse


def _single(field: str, divisor: int = 1) -> Callable[[bytes, str], Figures]:
    """A parser of a file that holds one number, or "max" for none."""

    def parse(data: bytes, source: str) -> Figures:
        raw = data.strip()
        if raw == b"max":
            return {}
        value = _number(raw, source)
        return {field: value if divisor == 1 else value / divisor}

    return parse


def _limit_v1(field: str) -> Callable[[bytes, str], Figures]:
    """A parser of a limit in bytes of v1."""

    def parse(data: bytes, source: str) -> Figures:
        value = _number(data.strip(), source)
        return {} if value >= NO_LIMIT_BYTES else {field: value}

    return parse


def parse_weight(data: bytes, source: str) -> Figures:
    """cpu.weight of v2, 1 to 10,000, on the scale of v1's cpu.shares, 2 to 262,144: runtimes go the other way.

    0 is no weight: what has cpu.idle set gets what is left.
    """
    weight = _number(data.strip(), source)
    if weight == 0:
        return {}
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise Malformed(source, data, f"a weight from {LEAST_WEIGHT} to {MOST_WEIGHT}")
    shares = (weight - LEAST_WEIGHT) * (MOST_SHARES - LEAST_SHARES) // (MOST_WEIGHT - LEAST_WEIGHT)
    return {"cpu_shares": LEAST_SHARES + shares}


def _pressure(resource: str) -> Callable[[bytes, str], Figures]:
    """A parser of a *.pressure file: how long some task was stalled, and, but for CPUs before Linux 5.13, all were."""

    def parse(data: bytes, source: str) -> Figures:
        some, _, full = data.partition(b"\n")
        before, mark, total = some.partition(b" total=")
        if not mark or not before.startswith(b"some "):
            raise Malformed(source, data, 'a line of "some" with total=')
        figures: Figures = {f"{resource}_stalled_seconds": _number(total.strip(), source) / MICROSECONDS}
        before, mark, total = full.partition(b" total=")
        if mark and before.startswith(b"full "):
            figures[f"{resource}_full_stalled_seconds"] = _number(total.strip(), source) / MICROSECONDS
        return figures

    return parse


def parse_cpu_max(data: bytes, source: str) -> Figures:
    """cpu.max: quota, or "max", and period in microseconds, which it has without a quota too."""
    words = data.split()
    if len(words) != 2:
        raise Malformed(source, data, "quota and period")
    period = _number(words[1], source)
    if period == 0:
        return {}
    figures: Figures = {"cpu_period_microseconds": period}
    if words[0] != b"max":
        figures["cpu_limit_cores"] = _number(words[0], source) / period
    return figures


def cores_v1(quota: bytes, period: bytes, source: str) -> Figures:
    """cpu.cfs_quota_us (-1 for none) and cpu.cfs_period_us."""
    length = _number(period.strip(), source)
    if length == 0:
        return {}
    figures: Figures = {"cpu_period_microseconds": length}
    if quota.strip() != b"-1":
        figures["cpu_limit_cores"] = _number(quota.strip(), source) / length
    return figures


def parse_io_stat(data: bytes, source: str) -> dict[str, Io]:
    """io.stat of v2: device -> its figures. A device without any, or without a number, is left out.

    Before Linux 5.14 a device without figures has no end of line: the name nearest to the figures is theirs.
    """
    found: dict[str, Io] = {}
    for line in data.split(b"\n"):
        words = line.split()
        if not words:
            continue
        names = [word for word in words if word == _NO_DISK or _DEVICE.fullmatch(word)]
        if not names:
            raise Malformed(source, line, "lines of MAJOR:MINOR and KEY=NUMBER")
        values = dict(word.split(b"=", 1) for word in words if b"=" in word)
        keys = (b"rbytes", b"wbytes", b"rios", b"wios")
        io = Io(*(uint64(values[key]) if key in values else None for key in keys))
        if io != Io() and names[-1] != _NO_DISK and len(found) < MAX_IO_DEVICES:
            found[names[-1].decode()] = io
    return found


def parse_throttle(data: bytes, source: str) -> dict[str, tuple[int, int]]:
    """blkio.throttle.io_service_bytes or io_serviced of v1: device -> read and written."""
    found: dict[str, list[int]] = {}
    for line in data.split(b"\n"):
        words = line.split()
        if not words or words[0] in (b"Total", _NO_DISK):
            continue
        if len(words) != 3 or not _DEVICE.fullmatch(words[0]):
            raise Malformed(source, line, "lines of MAJOR:MINOR, operation and number")
        if words[1] in (b"Read", b"Write") and (words[0].decode() in found or len(found) < MAX_IO_DEVICES):
            found.setdefault(words[0].decode(), [0, 0])[words[1] == b"Write"] = _number(words[2], source)
    return {device: (read, written) for device, (read, written) in found.items()}


def working_set(figures: Figures) -> None:
    """Puts the memory in use less inactive file pages into `figures`."""
    inactive = figures.get("memory_inactive_file_bytes")
    used = figures.get("memory_used_bytes")
    if used is not None and inactive is not None:
        # The two are not counted at one moment: there can be more of the latter.
        figures["memory_working_set_bytes"] = max(0, used - inactive)


class File(NamedTuple):
    """A file of a cgroup. `controller`: whose it is, "" for those that v2 always has. `seldom`: it hardly changes."""

    name: str
    controller: str
    parse: Callable[[bytes, str], Figures]
    seldom: bool = False


V2_FILES: Final = (
    File("cpu.stat", "", _chosen({
        b"usage_usec": ("cpu_seconds", MICROSECONDS), b"user_usec": ("cpu_user_seconds", MICROSECONDS),
        b"system_usec": ("cpu_system_seconds", MICROSECONDS), b"nr_periods": ("cpu_periods", 1),
        b"nr_throttled": ("cpu_throttled_periods", 1), b"throttled_usec": ("cpu_throttled_seconds", MICROSECONDS),
        b"nr_bursts": ("cpu_burst_periods", 1), b"burst_usec": ("cpu_burst_seconds", MICROSECONDS),
    })),
    File("memory.current", "memory", _single("memory_used_bytes")),
    File("memory.stat", "memory", _chosen({
        b"anon": ("memory_rss_bytes", 1), b"file": ("memory_cache_bytes", 1),
        b"kernel": ("memory_kernel_bytes", 1), b"file_mapped": ("memory_mapped_file_bytes", 1),
        b"file_dirty": ("memory_dirty_file_bytes", 1), b"file_writeback": ("memory_writeback_bytes", 1),
        b"active_file": ("memory_active_file_bytes", 1), b"inactive_file": ("memory_inactive_file_bytes", 1),
        b"pgfault": ("page_faults", 1), b"pgmajfault": ("major_page_faults", 1),
        b"pgscan": ("pages_scanned", 1), b"pgsteal": ("pages_reclaimed", 1),
        b"workingset_refault_file": ("file_refaults", 1), b"workingset_refault_anon": ("anonymous_refaults", 1),
    })),
    File("memory.events", "memory", _chosen({
        b"high": ("memory_high_events", 1), b"max": ("memory_failures", 1),
        b"oom": ("oom_events", 1), b"oom_kill": ("oom_kills", 1),
    })),
    File("memory.swap.current", "memory", _single("memory_swap_bytes")),
    File("memory.peak", "memory", _single("memory_max_used_bytes")),
    File("pids.current", "pids", _single("pids")),
    File("cpu.pressure", "", _pressure("cpu")),
    File("memory.pressure", "", _pressure("memory")),
    File("io.pressure", "", _pressure("io")),
    File("cpu.max", "cpu", parse_cpu_max, seldom=True),
    File("cpu.weight", "cpu", parse_weight, seldom=True),
    File("memory.max", "memory", _single("memory_limit_bytes"), seldom=True),
    File("memory.swap.max", "memory", _single("memory_swap_limit_bytes"), seldom=True),
    File("memory.low", "memory", _single("memory_reservation_bytes"), seldom=True),
    File("pids.max", "pids", _single("pids_limit"), seldom=True),
)  # fmt: skip
_TICKS: Final = os.sysconf("SC_CLK_TCK")
V1_FILES: Final = (
    File("cpuacct.usage", "cpuacct", _single("cpu_seconds", NANOSECONDS)),
    File("cpuacct.stat", "cpuacct", _chosen({
        b"user": ("cpu_user_seconds", _TICKS), b"system": ("cpu_system_seconds", _TICKS),
    })),
    File("cpu.stat", "cpu", _chosen({
        b"nr_periods": ("cpu_periods", 1), b"nr_throttled": ("cpu_throttled_periods", 1),
        b"throttled_time": ("cpu_throttled_seconds", NANOSECONDS),
        b"nr_bursts": ("cpu_burst_periods", 1), b"burst_time": ("cpu_burst_seconds", NANOSECONDS),
    })),
    File("memory.usage_in_bytes", "memory", _single("memory_used_bytes")),
    File("memory.stat", "memory", _chosen({
        b"total_rss": ("memory_rss_bytes", 1), b"total_cache": ("memory_cache_bytes", 1),
        b"total_mapped_file": ("memory_mapped_file_bytes", 1), b"total_swap": ("memory_swap_bytes", 1),
        b"total_dirty": ("memory_dirty_file_bytes", 1), b"total_writeback": ("memory_writeback_bytes", 1),
        b"total_active_file": ("memory_active_file_bytes", 1),
        b"total_inactive_file": ("memory_inactive_file_bytes", 1),
        b"total_pgfault": ("page_faults", 1), b"total_pgmajfault": ("major_page_faults", 1),
        b"pgfault": ("own_page_faults", 1), b"pgmajfault": ("own_major_page_faults", 1),
        b"total_workingset_refault_file": ("file_refaults", 1),
        b"total_workingset_refault_anon": ("anonymous_refaults", 1),
    })),
    File("memory.kmem.usage_in_bytes", "memory", _single("memory_kernel_bytes")),
    File("memory.max_usage_in_bytes", "memory", _single("memory_max_used_bytes")),
    File("memory.failcnt", "memory", _single("memory_failures")),
    File("memory.oom_control", "memory", _chosen({b"oom_kill": ("oom_kills", 1)})),
    File("pids.current", "pids", _single("pids")),
    File("cpu.shares", "cpu", _single("cpu_shares"), seldom=True),
    File("memory.limit_in_bytes", "memory", _limit_v1("memory_limit_bytes"), seldom=True),
    File("memory.memsw.limit_in_bytes", "memory", _limit_v1("memory_swap_limit_bytes"), seldom=True),
    File("memory.soft_limit_in_bytes", "memory", _limit_v1("memory_reservation_bytes"), seldom=True),
    File("pids.max", "pids", _single("pids_limit"), seldom=True),
)  # fmt: skip
