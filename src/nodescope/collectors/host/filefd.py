"""Open files of the whole machine."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

ALLOCATED: Final = Metric("node_filefd_allocated", "gauge", "File descriptor statistics: allocated.")
MAXIMUM: Final = Metric("node_filefd_maximum", "gauge", "File descriptor statistics: maximum.")


def parse_file_nr(data: bytes, source: str) -> tuple[int | None, int | None]:
    """File handles in use, and the most that there can be; None for what is no number. Raises `Malformed`.

    Between them is the number of those that are free, which has been 0 since Linux 2.6.
    """
    words = data.split()
    found = (uint64(words[0]), uint64(words[2])) if len(words) >= 3 else (None, None)
    if found == (None, None):
        raise Malformed(source, data, "three numbers: allocated, free, maximum")
    return found


class FilefdCollector:
    """How many files are open on the whole machine, and how many can be.

    *Source*: /proc/sys/fs/file-nr, Documentation/admin-guide/sysctl/fs.rst. *Units*: file handles. *Absent when*: the
    file is not there. *Cost*: one read.
    """

    name: ClassVar[str] = "filefd"
    metrics: ClassVar[tuple[Metric, ...]] = (ALLOCATED, MAXIMUM)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("sys/fs/file-nr")

    def collect(self) -> list[Family]:
        numbers = parse_file_nr(self._host.read(self._path, at_once=True), self._path)
        families = [single(metric, n) for metric, n in zip(self.metrics, numbers, strict=True) if n is not None]
        self.left_out = len(self.metrics) - len(families)
        return families


def build(host: Host, settings: Settings) -> FilefdCollector:
    return FilefdCollector(host)
