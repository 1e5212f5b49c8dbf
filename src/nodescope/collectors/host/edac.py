"""Memory errors that the memory controllers corrected or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Final, NamedTuple

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import seldom
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_COUNTERS: Final = 65_536
CONTROLLERS_SECONDS: Final = 10.0
INSIDE_SECONDS: Final = 60.0
UNKNOWN: Final = "unknown"
REFUSED: Final = b"-"
"""Stands for what a file that cannot be read says: it is no number."""


def _counter(of: str, help: str, *labels: str) -> tuple[Metric, Metric]:
    """The counter of what was corrected, and that of what was not."""
    correctable, uncorrectable = (
        Metric(f"node_edac_{of}{kind}_errors_total", "counter", f"Total {kind} memory errors{help}.", labels)
        for kind in ("correctable", "uncorrectable")
    )
    return correctable, uncorrectable


CONTROLLER: Final = _counter("", "", "controller")
CSROW: Final = _counter("csrow_", " for this csrow", "controller", "csrow")
CHANNEL: Final = _counter("channel_", " for this channel", "controller", "csrow", "channel", "dimm_label")
METRICS: Final = (*CONTROLLER, *CSROW, *CHANNEL)

_CONTROLLER: Final = re.compile("mc([0-9]+)")
_CSROW: Final = re.compile("csrow([0-9]+)")
_CHANNEL: Final = re.compile("ch([0-9]+)_ce_count")
_NOTHING: Final[tuple[list[str], list[tuple[str, str]]]] = ([], [])


class Counter(NamedTuple):
    """One file with one number. `needed`: the kernel's documents say that it is there."""

    metric: Metric
    labels: tuple[str, ...]
    folder: str
    file: str
    needed: bool = True


def dimm_label(raw: bytes) -> str:
    """A label as it is shown: without #, and an underscore in front of csrow and of channel."""
    return text(raw).replace("#", "").replace("csrow", "_csrow").replace("channel", "_channel")


class EdacCollector:
    """Memory errors by controller, chip-select row and channel.

    *Source*: /sys/devices/system/edac/mc, Documentation/admin-guide/RAS/main.rst. What a controller counted without
    knowing the row is the csrow "unknown". *Units*: errors since the counters were last reset. *No rows where*: no
    EDAC driver is loaded; rows and channels where the kernel has no legacy sysfs. *Cost*: one read for each counter;
    the folders are listed again each minute, the controllers each ten seconds.
    """

    name: ClassVar[str] = "edac"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/edac/mc")
        self._known: dict[str, tuple[list[str], list[tuple[str, str]]]] = {}
        self._places: list[tuple[str, ...]] = []
        self._counters: list[Counter] = []
        self._paths: list[str] = []
        self._read: list[bytes | None] = []
        self._families: list[Family] = []
        self._odd = 0
        self._unlisted = 0

    def collect(self) -> list[Family]:
        self._learn()
        read = [self._ask(path) for path in self._paths]
        if read != self._read:
            self._families = self._families_of(read)
            self._read = read
        self.left_out = self._unlisted + self._odd
        if self.left_out and not self._families:
            raise Malformed(self._folder, b"", "memory controllers with ce_count and ue_count")
        return self._families

    def _learn(self) -> None:
        """Which files there are. In sysfs these are remembered lists and labels: no file is touched."""
        self._unlisted = 0
        places = [place for controller in self._names(self._folder, _CONTROLLER) for place in self._inside(controller)]
        if places != self._places:
            self._places = places
            self._known.clear()
            self._counters = list(islice(_counters(places), MAX_COUNTERS))
            self._paths = [f"{counter.folder}/{counter.file}" for counter in self._counters]
            self._read = []
            self._families = []

    def _inside(self, controller: tuple[str, str]) -> Iterator[tuple[str, ...]]:
        """Folder, controller, csrow, channel, label: as many as the place has."""
        folder, number = controller
        yield folder, number
        for csrow, row in self._names(folder, _CSROW):
            yield csrow, number, row
            for channel, count in self._names(csrow, _CHANNEL):
                yield channel, number, row, count, self._label(f"{csrow}/ch{count}_dimm_label")

    def _label(self, path: str) -> str:
        try:
            label = seldom(self._host, path)
        except OSError:
            self._unlisted += 1
            return UNKNOWN
        return UNKNOWN if label is None else dimm_label(label)

    def _names(self, folder: str, pattern: re.Pattern[str]) -> list[tuple[str, str]]:
        """Path and number of each name in `folder` that is of the pattern."""
        try:
            names = self._host.list(folder, CONTROLLERS_SECONDS if pattern is _CONTROLLER else INSIDE_SECONDS)
        except Absent:
            return []
        except OSError:
            self._unlisted += 1
            return []
        listed, known = self._known.get(folder, _NOTHING)
        if listed is not names:
            known = [(f"{folder}/{name}", found[1]) for name in names if (found := pattern.fullmatch(name))]
            self._known[folder] = (names, known)
        return known

    def _ask(self, path: str) -> bytes | None:
        try:
            return self._host.read(path)
        except Absent:
            return None
        except (Malformed, OSError):
            return REFUSED

    def _families_of(self, read: list[bytes | None]) -> list[Family]:
        columns: dict[str, list[Row]] = {metric.name: [] for metric in METRICS}
        self._odd = 0
        for counter, raw in zip(self._counters, read, strict=True):
            number = None if raw is None else uint64(raw.strip())
            if number is not None:
                columns[counter.metric.name].append((counter.labels, number))
            elif raw is not None or (counter.needed and self._host.exists(counter.folder)):
                self._odd += 1
        return [Family(metric, columns[metric.name]) for metric in METRICS if columns[metric.name]]


def _counters(places: list[tuple[str, ...]]) -> Iterator[Counter]:
    for folder, *labels in places:
        if len(labels) == 1:
            for metric, unplaced, kind in zip(CONTROLLER, CSROW, ("ce", "ue"), strict=True):
                yield Counter(metric, (*labels,), folder, f"{kind}_count")
                yield Counter(unplaced, (*labels, UNKNOWN), folder, f"{kind}_noinfo_count")
        elif len(labels) == 2:
            for metric, kind in zip(CSROW, ("ce", "ue"), strict=True):
                yield Counter(metric, (*labels,), folder, f"{kind}_count")
        else:
            csrow = folder.rpartition("/")[0]
            yield Counter(CHANNEL[0], (*labels,), csrow, f"ch{labels[2]}_ce_count")
            yield Counter(CHANNEL[1], (*labels,), csrow, f"ch{labels[2]}_ue_count", needed=False)


def build(host: Host, settings: Settings) -> EdacCollector:
    return EdacCollector(host)
