"""Memory."""

from __future__ import annotations

import re
from operator import itemgetter, lshift
from typing import ClassVar, Final

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Host, Malformed
from nodescope.kernel.number import UINT64_MAX, uint64_any_base
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

KB_SHIFT: Final = 10
PLAIN_DIGITS: Final = 15

SIZES: Final = (
    "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active", "Inactive", "Active(anon)",
    "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Zswap",
    "Zswapped", "Dirty", "Writeback", "AnonPages", "Mapped", "Shmem", "Slab", "SReclaimable", "SUnreclaim",
    "KernelStack", "PageTables", "NFS_Unstable", "Bounce", "WritebackTmp", "CommitLimit", "Committed_AS",
    "VmallocTotal", "VmallocUsed", "VmallocChunk", "Percpu", "HardwareCorrupted", "AnonHugePages", "ShmemHugePages",
    "ShmemPmdMapped", "CmaTotal", "CmaFree", "Hugepagesize", "DirectMap4k", "DirectMap2M", "DirectMap1G",
)  # fmt: skip
COUNTS: Final = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp")


def _metric(field: str) -> Metric:
    return Metric(f"node_memory_{field}", "gauge", f"Memory information field {field}.")


_FIELDS: Final[dict[bytes, tuple[Metric | None, int]]] = {
    **{f"{key}:".encode(): (_metric(key.replace("(", "_").replace(")", "") + "_bytes"), KB_SHIFT) for key in SIZES},
    **{f"{key}:".encode(): (_metric(key), 0) for key in COUNTS},
}
_UNKNOWN: Final = (None, 0)
_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9_()]+: +[0-9]{1,%d}(?: kB)?\n)+" % PLAIN_DIGITS)
_NUMBERED: Final = re.compile(rb".*[0-9].*:")
_WORD: Final = re.compile(rb"\S+")
_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_TO_BLANK: Final = bytes(byte if byte in b"0123456789" else ord(" ") for byte in range(256))


def parse_meminfo(data: bytes, source: str) -> list[tuple[Metric, int]]:
    """Metrics and bytes, or number of huge pages, in the file's order; a line that is not understood is left out."""
    found: list[tuple[Metric, int]] = []
    for line in data.split(b"\n"):
        words = line.split()
        metric, shift = _FIELDS.get(words[0], _UNKNOWN) if words else _UNKNOWN
        if metric is None or not 2 <= len(words) <= 3:
            continue
        value = uint64_any_base(words[1])
        if value is None:
            continue
        if len(words) == 2:
            found.append((metric, value))
        elif words[2] == b"kB":
            # The kernel's and every reader's arithmetic is in 64 bits.
            found.append((metric, value << shift & UINT64_MAX))
    if not found:
        raise Malformed(source, data, "lines like 'MemTotal: 16384 kB'")
    return found


def _known_lines(data: bytes) -> int:
    """How many lines begin with a field that is shown."""
    return sum(
        _FIELDS.get(line.split(None, 1)[0], _UNKNOWN)[0] is not None for line in data.split(b"\n") if line.strip()
    )


class MeminfoCollector:
    """How memory is used, the fields that the kernel gives on this machine.

    *Source*: /proc/meminfo, proc_meminfo(5). *Units*: bytes; HugePages_* are pages. *Absent when*: the file is not
    there. *Cost*: one read.
    """

    name: ClassVar[str] = "meminfo"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric for metric, _ in _FIELDS.values() if metric)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("meminfo")
        self._layout: _Layout | None = None
        self._metrics: list[Metric] = []
        self._shown = Unlabelled()

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, at_once=True)
        values = self._layout.values(data) if self._layout is not None else None
        if values is None:
            found = parse_meminfo(data, self._path)
            self.left_out = _known_lines(data) - len(found)
            self._metrics, values = [metric for metric, _ in found], [value for _, value in found]
            self._layout = _layout(data, self._metrics)
        return self._shown.families(self._metrics, values)


class _Layout:
    """Where a file that was read with care has its numbers, so that the next can be read by place.

    `shown`: of the words those that are the numbers shown, at least two.
    """

    def __init__(self, data: bytes, shown: list[int]) -> None:
        words = list(_WORD.finditer(data))
        runs = [len(word[0].translate(_TO_BLANK).split()) for word in words]
        self._pattern = data.translate(_TO_ZERO)
        self._numbered = [(word[0], word.start()) for word in words if _NUMBERED.fullmatch(word[0])]
        self._numbers_of = itemgetter(*(sum(runs[:index]) for index in shown))
        self._shifts = [KB_SHIFT if data.startswith(b" kB", words[index].end()) else 0 for index in shown]

    def values(self, data: bytes) -> list[int] | None:
        """The numbers shown, None where the file is laid out otherwise or has a number that needs care."""
        if data.translate(_TO_ZERO) != self._pattern:
            return None
        for name, start in self._numbered:
            if not data.startswith(name, start):
                return None
        # A zero in front says that the number is not decimal.
        if data.count(b" 0") != data.count(b" 0 ") + data.count(b" 0\n"):
            return None
        return list(map(lshift, map(int, self._numbers_of(data.translate(_TO_BLANK).split())), self._shifts))


def _layout(data: bytes, shown: list[Metric]) -> _Layout | None:
    """None where the file is not plain lines, each of another name, or says less than two things."""
    words = data.split()
    places = {metric: index + 1 for index, word in enumerate(words) if (metric := _FIELDS.get(word, _UNKNOWN)[0])}
    if len(places) < 2 or list(places) != shown or not _PLAIN.fullmatch(data):
        return None
    return _Layout(data, list(places.values()))


def build(host: Host, settings: Settings) -> MeminfoCollector:
    return MeminfoCollector(host)
