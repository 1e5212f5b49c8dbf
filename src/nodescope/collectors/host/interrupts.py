"""Collector interrupts: how often each interrupt came to each CPU."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.cpu_columns import cpus_of, many_uint64s
from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.host import Host, Malformed, text
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_LINES: Final = 16_384

INTERRUPTS: Final = Metric("node_interrupts_total", "counter", "Interrupt details.", ("cpu", "type", "info", "devices"))


class Line(NamedTuple):
    """A line of /proc/interrupts: name and description as they are there, and a word for each CPU."""

    name: bytes
    description: bytes
    words: list[bytes]


class What(NamedTuple):
    """The labels of a line but for the CPU."""

    type: str
    info: str
    devices: str


class _Seen(NamedTuple):
    """What a line gave. `labels`: of its rows, one for each CPU; none where the line is filtered out."""

    name: bytes
    description: bytes
    what: What
    labels: list[tuple[str, ...]]
    rows: list[Row]


def parse_line(line: bytes, cpus: int, source: str) -> Line | None:
    """None for a blank line, and for one that counts for the whole machine (ERR, MIS) or has no description.

    Raises `Malformed` where it is none of these.
    """
    name, colon, rest = line.partition(b":")
    name = name.strip()
    words = rest.split(None, cpus)
    if len(words) > cpus and name:
        return Line(name, words.pop().rstrip(), words)
    if not line.strip() or (name and colon and not name.isdigit()):
        return None
    raise Malformed(source, line, f"a name, a colon, {cpus} numbers and a description")


def what_of(name: bytes, description: bytes) -> What:
    """Of an interrupt with a number, the first word of the description is its controller, the others its devices."""
    words = description.split()
    if name.isdigit():
        return What(text(name), text(words[0]), text(b" ".join(words[1:])))
    return What(text(name), text(b" ".join(words)), "")


class InterruptsCollector:
    """How often each interrupt came to each CPU that is online.

    *Source*: /proc/interrupts, proc_interrupts(5). *Units*: interrupts since boot. *Absent when*: the file is not
    there; lines that count for the whole machine are not shown. *Cost*: one read, long where there are many CPUs.
    """

    name: ClassVar[str] = "interrupts"
    metrics: ClassVar[tuple[Metric, ...]] = (INTERRUPTS,)
    left_out: int = 0

    def __init__(self, host: Host, names: DeviceFilter, zeros: bool) -> None:
        self._host = host
        self._path = host.proc("interrupts")
        self._names = names
        self._zeros = zeros
        self._header: bytes | None = None
        self._cpus: list[str] = []
        self._seen: dict[bytes, _Seen] = {}

    def collect(self) -> list[Family]:
        header, _, body = self._host.read(self._path).partition(b"\n")
        if header != self._header:
            self._cpus = cpus_of(header, self._path)
            self._header, self._seen = header, {}
        lines = body.split(b"\n")
        self.left_out = max(0, len(lines) - 1 - MAX_LINES)
        rows = self._rows(lines[:MAX_LINES])
        return [Family(INTERRUPTS, rows)] if rows else []

    def _rows(self, lines: list[bytes]) -> list[Row]:
        """A line that is as it was gives what it gave; of one with the labels of another the first counts."""
        before, self._seen = self._seen, {}
        known = {seen[:2]: seen for seen in before.values()}
        there: set[What] = set()
        rows: list[Row] = []
        for line in lines:
            seen = before.get(line)
            if seen is None:
                try:
                    parsed = parse_line(line, len(self._cpus), self._path)
                    if parsed is None:
                        continue
                    seen = self._read(parsed, known.get(parsed[:2]))
                except Malformed:
                    self.left_out += 1
                    continue
            if seen.what in there:
                self.left_out += 1
                continue
            there.add(seen.what)
            self._seen[line] = seen
            rows += seen.rows
        return rows

    def _read(self, line: Line, known: _Seen | None) -> _Seen:
        """`known`: what the interrupt gave before."""
        if known is not None:
            what, labels = known.what, known.labels
        else:
            what = what_of(line.name, line.description)
            kept = self._names.keeps(";".join(what))
            labels = [(cpu, *what) for cpu in self._cpus] if kept else []
        rows: list[Row] = []
        if labels:
            counts = many_uint64s(line.words)
            if not counts:
                raise Malformed(self._path, b" ".join(line.words), "a number for each CPU")
            rows = list(zip(labels, counts, strict=True))
            if not self._zeros:
                rows = [row for row in rows if row[1]]
        return _Seen(line.name, line.description, what, labels, rows)


def build(host: Host, settings: Settings) -> InterruptsCollector:
    # Both expressions may be given, as node_exporter has it.
    names = DeviceFilter(settings["collector.interrupts.name-include"], settings["collector.interrupts.name-exclude"])
    return InterruptsCollector(host, names, settings["collector.interrupts.include-zeros"])
