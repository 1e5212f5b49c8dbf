"""NFS mounts in detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from nodescope.collectors.host.nfs_mount_metrics import (
    LINES,
    METRICS,
    MOUNTPOINT,
    OPERATIONS,
    PLACES,
    TRANSPORT,
    Shown,
)
from nodescope.collectors.host.nfs_mount_stats import (
    Mount,
    NfsMount,
    Transport,
    addresses,
    numbers_of,
    parse_mounts,
    transports,
)
from nodescope.host import Absent, Host, text
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_OPERATIONS: Final = 512

Made = tuple[list[tuple[int, Row]], int]
"""Rows of one line, each with the place of its metric, and 1 where the line is not as documented."""

OperationRows = tuple[Row | None, ...]
"""Of one operation: a row for each of `OPERATIONS`, None where its number cannot be read."""

FIRST_OPERATION: Final = PLACES[OPERATIONS[0].metric]


def rows_of(shown: Sequence[Shown], labels: tuple[str, ...], numbers: Sequence[int | None]) -> list[tuple[int, Row]]:
    found: list[tuple[int, Row]] = []
    for each in shown:
        number = numbers[each.position]
        if number is not None:
            found.append((PLACES[each.metric], (labels, each.value(number))))
    return found


class _Operations:
    """The operations of one mount. What is made of a line is kept while the line stays, and all while all stay."""

    def __init__(self, mount: tuple[str, str, str]) -> None:
        self.left_out = 0
        self._mount = mount
        self._data: bytes | None = None
        self._known: dict[bytes, tuple[str, OperationRows]] = {}
        self._columns: list[list[Row]] = []

    def columns(self, data: bytes) -> list[list[Row]]:
        """Rows for each of `OPERATIONS`."""
        if data != self._data:
            found = self._parsed(data)
            self._columns = [list(filter(None, column)) for column in zip(*found, strict=True)]
            self._data = data
        return self._columns

    def _parsed(self, data: bytes) -> list[OperationRows]:
        known, self._known = self._known, {}
        self.left_out = 0
        found: dict[str, OperationRows] = {}
        for line in data.split(b"\n"):
            operation, rows = known.get(line) or self._made(line)
            if operation in found or len(found) >= MAX_OPERATIONS or None in rows:
                self.left_out += 1
            if operation and rows and operation not in found and len(found) < MAX_OPERATIONS:
                found[operation] = rows
                self._known[line] = operation, rows
        return list(found.values())

    def _made(self, line: bytes) -> tuple[str, OperationRows]:
        words = line.split()
        numbers = numbers_of(words[1:])
        if len(numbers) < len(OPERATIONS) or words[0][-1:] != b":" or len(words[0]) == 1:
            return "", (None,) if words else ()
        operation = text(words[0][:-1])
        labels = (*self._mount, operation)
        return operation, tuple(
            [
                None if number is None else (labels, shown.value(number))
                for shown, number in zip(OPERATIONS, numbers, strict=False)
            ]
        )


class _Statistics:
    """The series of one export, protocol and server. The rows of a line are kept while the line stays."""

    def __init__(self, labels: tuple[str, str, str]) -> None:
        self.left_out = 0
        self._labels = labels
        self._known: dict[bytes, Made] = {}
        self._transports: list[tuple[Transport | None, list[tuple[int, Row]]]] = []
        self._operations = _Operations(labels)

    def add(self, mount: NfsMount, connections: list[Transport | None], rows: list[list[Row]]) -> None:
        """Puts what there is of each of `METRICS` behind `rows`, and counts what is left out."""
        self.left_out = 0
        for found in (self._of_mount(mount.lines), self._of_transports(connections)):
            for place, row in found:
                rows[place].append(row)
        columns = self._operations.columns(mount.operations)
        self.left_out += self._operations.left_out
        for place, column in enumerate(columns, FIRST_OPERATION):
            rows[place] += column

    def _of_mount(self, lines: list[bytes]) -> list[tuple[int, Row]]:
        known, self._known = self._known, {}
        found: list[tuple[int, Row]] = []
        seen: set[bytes] = set()
        for line in lines:
            words = line.split(None, 1)
            word = words[0] if words else b""
            if word not in LINES:
                continue
            if word in seen:
                self.left_out += 1
                continue
            seen.add(word)
            made = self._known[line] = known.get(line) or self._made(line.split())
            found += made[0]
            self.left_out += made[1]
        return found

    def _made(self, words: list[bytes]) -> Made:
        least, shown = LINES[words[0]]
        numbers = numbers_of(words[1:])
        if len(numbers) < least:
            return [], 1
        return rows_of(shown, self._labels, numbers), int(None in numbers)

    def _of_transports(self, connections: list[Transport | None]) -> list[tuple[int, Row]]:
        found: list[tuple[int, Row]] = []
        before, self._transports = self._transports, []
        for index, transport in enumerate(connections):
            if index < len(before) and before[index][0] == transport:
                rows = before[index][1]
            elif transport is None:
                rows = []
            else:
                rows = rows_of(TRANSPORT, (*self._labels, str(index)), transport.numbers)
            self._transports.append((transport, rows))
            found += rows
        return found


class MountstatsCollector:
    """What each NFS mount has read and written, asked of its server and waited for.

    *Source*: /proc/self/mountstats, proc_pid_mountstats(5), mountstats(8); the server's address from
    /proc/self/mountinfo. *Units*: bytes, pages, events, calls, seconds. An export that is mounted at several places
    over the same protocol from the same server is counted once. *Absent when*: the file is not there; without NFS
    mounts there are no series. *Cost*: one read, two where there are NFS mounts.
    """

    name: ClassVar[str] = "mountstats"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("self/mountstats")
        self._mountinfo = host.proc("self/mountinfo")
        self._addresses: tuple[bytes, dict[Mount, list[str]]] = (b"", {})
        self._statistics: dict[tuple[str, str, str], _Statistics] = {}

    def collect(self) -> list[Family]:
        mounts, self.left_out = parse_mounts(self._host.read(self._path), self._path)
        known, self._statistics = self._statistics, {}
        rows: list[list[Row]] = [[] for _ in METRICS]
        places: set[tuple[str, ...]] = set()
        for mount, address in zip(mounts, self._servers(mounts), strict=True):
            connections, odd = transports(mount)
            self.left_out += odd
            for transport in connections:
                if transport is None:
                    continue
                labels = (text(mount.mount[0]), transport.protocol, address)
                place = (*labels, text(mount.mount[1]))
                if place not in places:
                    places.add(place)
                    rows[PLACES[MOUNTPOINT]].append((place, 1))
                if labels in self._statistics:
                    break
                statistics = self._statistics[labels] = known.get(labels) or _Statistics(labels)
                statistics.add(mount, connections, rows)
                self.left_out += statistics.left_out
        return [Family(metric, found) for metric, found in zip(METRICS, rows, strict=True) if found]

    def _servers(self, mounts: list[NfsMount]) -> list[str]:
        """The address of the server of each, "" where mountinfo does not show it."""
        if not mounts:
            return []
        try:
            data = self._host.read(self._mountinfo)
        except (Absent, OSError):
            self.left_out += 1
            data = b""
        if data != self._addresses[0]:
            self._addresses = (data, addresses(data))
        known = self._addresses[1]
        # One above the other at the same place: both files list them in the same order.
        seen: dict[Mount, int] = {}
        found = []
        for each in mounts:
            at_place = known.get(each.mount, [])
            nth = seen.get(each.mount, 0)
            seen[each.mount] = nth + 1
            found.append(at_place[nth] if nth < len(at_place) else "")
        return found


def build(host: Host, settings: Settings) -> MountstatsCollector:
    return MountstatsCollector(host)
