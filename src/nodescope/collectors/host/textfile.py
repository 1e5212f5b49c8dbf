"""Metrics from files that other programs write."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.path_pattern import matching_paths
from nodescope.collectors.host.textfile_families import MAX_SERIES, FileFamily, file_family, merge, values_in
from nodescope.collectors.host.textformat import parse_text
from nodescope.host import Host, Malformed, text
from nodescope.kernel.file import Stamp, changed_ns, stamp
from nodescope.metric import Family, Metric, Row, single
from nodescope.settings import Settings

MAX_FILES: Final = 4096
MAX_ENTRIES: Final = 65_536
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all files together, with `VALUE_BYTES` for each label value of a row: they are kept in memory."""
VALUE_BYTES: Final = 8
SETTLE_NANOSECONDS: Final = 2_000_000_000
"""A file that was changed this short before it was read may change again without another time of change."""
MAX_TOLD: Final = 4096

MTIME: Final = Metric(
    "node_textfile_mtime_seconds", "gauge", "Unixtime mtime of textfiles successfully read.", ("file",)
)
ERROR: Final = Metric(
    "node_textfile_scrape_error", "gauge", "1 if there was an error opening or reading a file, 0 otherwise"
)

log = logging.getLogger(__name__)


class Refused(Exception):
    """A file or directory that cannot be taken; says why."""


class Known(NamedTuple):
    """A file as it was when it was read. `stamp` tells whether it has changed; an empty one, that it may have.

    `taken_bytes`: of `MAX_BYTES`.
    """

    stamp: Stamp
    mtime_seconds: int
    families: Sequence[FileFamily]
    series: int
    refused: str
    taken_bytes: int = 0


class TextfileCollector:
    """What the files *.prom of some directories say, in the Prometheus text format.

    *Source*: the directories of the setting `collector.textfile.directory`. *Units*: as the files say. *Absent when*:
    never; without a directory there is only node_textfile_scrape_error 0. A file that is not the text format from its
    first byte to its last, has timestamps, is no regular file, or is beyond `MAX_FILE_BYTES` or what is left of
    `MAX_BYTES` is left out as a whole and sets node_textfile_scrape_error. *Cost*: a list of each directory, one stat()
    for each file; a file is read again when it has changed.
    """

    name: ClassVar[str] = "textfile"
    metrics: ClassVar[tuple[Metric, ...]] = (MTIME, ERROR)
    left_out: int = 0

    def __init__(self, directories: Sequence[str], settle_nanoseconds: int = SETTLE_NANOSECONDS) -> None:
        self._directories = directories
        self._settle_nanoseconds = settle_nanoseconds
        self._known: dict[str, Known] = {}
        self._shown: tuple[list[tuple[str, Known]], list[Family], bool, int] = ([], [], False, 0)
        self._told: dict[str, str] = {}

    def collect(self) -> list[Family]:
        before, self._known = self._known, {}
        wrong: dict[str, str] = {}
        room_bytes = MAX_BYTES
        for path in self._paths(wrong):
            known = _file(path, before.get(path), self._settle_nanoseconds, room_bytes)
            self._known[path] = known
            room_bytes -= known.taken_bytes
            if known.refused:
                wrong[path] = known.refused
        taken = self._within_bounds(wrong)
        if not _same(taken, self._shown[0]):
            self._shown = (taken, *self._families(taken))
        _, families, conflict, left_out = self._shown
        self.left_out = len(wrong) + left_out
        self._tell(wrong)
        return [*families, single(ERROR, 1 if wrong or conflict else 0)]

    def _paths(self, wrong: dict[str, str]) -> Iterator[str]:
        """The files *.prom of all directories, each once; into `wrong`, directories that cannot be listed, and why."""
        folders = [folder for given in self._directories if given for folder in matching_paths(given)]
        seen: set[str] = set()
        for folder in dict.fromkeys(_clean(folder) for folder in folders):
            try:
                names = _listed(folder)
            except (OSError, ValueError, Refused) as error:
                wrong[folder] = str(error)
                continue
            for name in names:
                path = os.path.join(folder, name) if folder != "." else name
                if len(seen) >= MAX_FILES:
                    wrong[path] = f"there are more than {MAX_FILES} files *.prom"
                    return
                seen.add(path)
                yield path

    def _within_bounds(self, wrong: dict[str, str]) -> list[tuple[str, Known]]:
        """The files that were taken, as long as there are not too many series."""
        taken, room = [], MAX_SERIES
        for path, known in self._known.items():
            if known.refused:
                continue
            if known.series > room:
                wrong[path] = f"all files together have more than {MAX_SERIES} series"
                continue
            room -= known.series
            taken.append((path, known))
        return taken

    def _families(self, taken: list[tuple[str, Known]]) -> tuple[list[Family], bool, int]:
        merged = merge([(_label(path), known.families) for path, known in taken])
        for name in merged.conflicts:
            log.warning("textfile: %s has another HELP in another file: only what came first is shown", name)
        ages: list[Row] = [((_label(path),), known.mtime_seconds) for path, known in taken]
        own = {MTIME.name, ERROR.name}
        families = [family for family in merged.families if family.metric.name not in own]
        left_out = merged.left_out + len(merged.families) - len(families)
        return [*families, *([Family(MTIME, ages)] if ages else [])], bool(merged.conflicts), left_out

    def _tell(self, wrong: dict[str, str]) -> None:
        """One line in the log for each file whose trouble is new."""
        for path, why in wrong.items():
            if self._told.get(path) != why:
                log.warning("textfile: %s is left out: %s", _label(path), why)
        self._told = dict(list(wrong.items())[:MAX_TOLD])


def _clean(path: str) -> str:
    clean = os.path.normpath(path)
    return clean[1:] if clean.startswith("//") else clean


def _label(path: str) -> str:
    return text(os.fsencode(path))


def _same(one: list[tuple[str, Known]], other: list[tuple[str, Known]]) -> bool:
    return len(one) == len(other) and all(a[1] is b[1] and a[0] == b[0] for a, b in zip(one, other, strict=True))


def _listed(folder: str) -> list[str]:
    """The names *.prom in a directory, sorted."""
    names = []
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MAX_ENTRIES:
                raise Refused(f"the directory has more than {MAX_ENTRIES} entries")
            if entry.name.endswith(".prom"):
                names.append(entry.name)
    return sorted(names)


def _file(path: str, before: Known | None, settle_nanoseconds: int, room_bytes: int) -> Known:
    """The file as it was read `before` where it has not changed since, else as it is now."""
    try:
        status = os.stat(path)
        if before is not None and before.stamp == stamp(status) and before.taken_bytes <= room_bytes:
            return before
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is no regular file")
        if status.st_size > min(room_bytes, MAX_FILE_BYTES):
            raise Refused(_too_long(status.st_size))
        return _read(path, settle_nanoseconds, room_bytes)
    except OSError as error:
        return Known((), 0, (), 0, error.strerror or str(error))
    except Refused as refused:
        return Known((), 0, (), 0, str(refused))


def _read(path: str, settle_nanoseconds: int, room_bytes: int) -> Known:
    began = time.time_ns()
    # What has just become a FIFO or a device must neither block nor be set in motion.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is no regular file")
        data = _content(fd)
        settled = stamp(os.fstat(fd)) == stamp(status)
    finally:
        os.close(fd)
    settled = settled and changed_ns(status) + settle_nanoseconds < began
    kept = stamp(status) if settled else ()
    try:
        found = parse_text(data, _label(path))
    except Malformed as malformed:
        return Known(kept, 0, (), 0, str(malformed), len(data))
    taken_bytes = len(data) + VALUE_BYTES * sum(map(values_in, found))
    if taken_bytes > room_bytes:
        why = f"with its series' labels it takes more than is left of {MAX_BYTES} bytes for all files"
        # One that can never be taken need not be read again.
        return Known(kept if taken_bytes > MAX_BYTES else (), 0, (), 0, why, len(data))
    families = [file_family(parsed) for parsed in found]
    series = sum(len(family.rows) for family in families)
    # Whole seconds, towards zero also before 1970.
    seconds = abs(status.st_mtime_ns) // 1_000_000_000
    return Known(kept, seconds if status.st_mtime_ns >= 0 else -seconds, families, series, "", taken_bytes)


def _content(fd: int) -> bytes:
    parts, size = [], 0
    while part := os.read(fd, 1024 * 1024):
        size += len(part)
        if size > MAX_FILE_BYTES:
            raise Refused(_too_long(size))
        parts.append(part)
    return b"".join(parts)


def _too_long(size: int) -> str:
    if size > MAX_FILE_BYTES:
        return f"it has more than {MAX_FILE_BYTES} bytes"
    return f"all files together have more than {MAX_BYTES} bytes"


def build(host: Host, settings: Settings) -> TextfileCollector:
    return TextfileCollector(settings["collector.textfile.directory"])
