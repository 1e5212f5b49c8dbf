"""Operations of XFS filesystems."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.xfs_counters import LINES, METRICS, Line
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_FILESYSTEMS: Final = 1024
LIST_SECONDS: Final = 10.0


class Counters(NamedTuple):
    """`numbers`: name of a line -> its numbers, known lines alone. `left_out`: lines that are not as documented."""

    numbers: dict[bytes, list[int]]
    left_out: int


def parse_stats(data: bytes, source: str) -> Counters:
    """The lines that metrics are made of. Raises `Malformed` where there is none of them."""
    numbers: dict[bytes, list[int]] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        known: Line | None = LINES.get(words[0]) if words else None
        if known is None:
            continue
        found = uint64s(words[1:]) if len(words) - 1 in known.lengths else []
        if not found or words[0] in numbers:
            left_out += 1
        else:
            numbers[words[0]] = found
    if not numbers:
        raise Malformed(source, data, "lines of a group's name and its counters")
    return Counters(numbers, left_out)


class _Filesystem:
    """One mounted filesystem: its file, and its rows as they were when the file last changed."""

    def __init__(self, host: Host, device: str) -> None:
        self.path = host.sys(f"fs/xfs/{device}/stats/stats")
        self.labels = (shown(device),)
        self.data = b""
        self.left_out = 0
        self.rows: list[tuple[Metric, Row]] = []

    def update(self, host: Host) -> bool:
        """Whether anything changed. Raises `Absent`, `Malformed`."""
        data = host.read(self.path, built_in=True)
        if data == self.data and data:
            return False
        self.data, self.rows = b"", []
        counters = parse_stats(data, self.path)
        self.data, self.left_out = data, counters.left_out
        self.rows = [
            (metric, (self.labels, numbers[position]))
            for name, numbers in counters.numbers.items()
            for position, metric in LINES[name].metrics
        ]
        return True


class XfsCollector:
    """What each mounted XFS filesystem has done since it was mounted.

    *Source*: /sys/fs/xfs/DEVICE/stats/stats, https://xfs.org/index.php/Runtime_Stats. *Units*: operations, extents,
    blocks; the kernel counts in 32 bits. *Absent when*: the kernel has no XFS. A line that is not as documented costs
    its own counters, a file without any such line its filesystem. *Cost*: one read for each filesystem.
    """

    name: ClassVar[str] = "xfs"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("fs/xfs")
        self._devices: list[str] = []
        self._filesystems: list[_Filesystem] = []
        self._current: list[_Filesystem] = []
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        self.left_out = 0
        devices = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if devices != self._devices:
            self._devices = devices
            self._filesystems = [_Filesystem(self._host, device) for device in devices[:MAX_FILESYSTEMS]]
        self.left_out += max(0, len(devices) - MAX_FILESYSTEMS)
        current: list[_Filesystem] = []
        changed = False
        odd: Malformed | OSError | None = None
        for filesystem in self._filesystems:
            try:
                changed |= filesystem.update(self._host)
            except Absent:
                continue
            except (Malformed, OSError) as error:
                self.left_out += 1
                odd = error.with_traceback(None)
                continue
            current.append(filesystem)
            self.left_out += filesystem.left_out
        if odd is not None and not current:
            raise odd
        if changed or current != self._current:
            self._current, self._families = current, _families(current)
        return self._families


def _families(filesystems: list[_Filesystem]) -> list[Family]:
    columns: dict[str, list[Row]] = {metric.name: [] for metric in METRICS}
    for filesystem in filesystems:
        for metric, row in filesystem.rows:
            columns[metric.name].append(row)
    return [Family(metric, columns[metric.name]) for metric in METRICS if columns[metric.name]]


def build(host: Host, settings: Settings) -> XfsCollector:
    return XfsCollector(host)
