"""Virtual memory counters."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.kernel.number import decimal
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MAX_FIELDS: Final = 4096

_NAME: Final = re.compile(rb"[a-zA-Z0-9_:]+")


def metric_of(field: str) -> Metric:
    return Metric(f"node_vmstat_{field}", "untyped", f"/proc/vmstat information field {field}.")


def parse_vmstat(data: bytes, source: str) -> dict[bytes, float]:
    """Field -> value, in the file's order; a line that is not a name and a number is left out."""
    found: dict[bytes, float] = {}
    for line in data.split(b"\n"):
        words = line.split()
        if len(words) < 2 or not _NAME.fullmatch(words[0]) or len(found) >= MAX_FIELDS:
            continue
        value = decimal(words[1])
        if value is not None:
            found[words[0]] = value
    if not found:
        raise Malformed(source, data, "lines of a field's name and a number")
    return found


class VmstatCollector:
    """Counters of the memory manager, those whose name the setting `collector.vmstat.fields` finds.

    *Source*: /proc/vmstat, proc_vmstat(5). *Units*: as the kernel counts: pages, kilobytes (pgpgin, pgpgout), events.
    *Absent when*: the file is not there. *Cost*: one read.
    """

    name: ClassVar[str] = "vmstat"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        metric_of(field) for field in ("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "oom_kill")
    )
    left_out: int = 0

    def __init__(self, host: Host, fields: re.Pattern[str] | None) -> None:
        self._host = host
        self._path = host.proc("vmstat")
        self._fields = fields
        self._layout: tuple[int, list[bytes]] = (-1, [])
        self._shown: list[tuple[int, Metric]] = []

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        words = data.split()
        if (data.count(b"\n"), words[::2]) != self._layout or len(words) % 2:
            return self._learn(data, words)
        # The names stand where they stood when every line was read with care: take the numbers by position.
        families = []
        for position, metric in self._shown:
            value = decimal(words[position])
            if value is not None:
                families.append(single(metric, value))
        return families

    def _learn(self, data: bytes, words: list[bytes]) -> list[Family]:
        values = parse_vmstat(data, self._path)
        self.left_out = sum(bool(line.strip()) for line in data.split(b"\n")) - len(values)
        shown = [(field, metric_of(field.decode())) for field in values if self._wanted(field.decode())]
        if len(words) == 2 * len(values) and words[::2] == list(values):
            self._layout = (data.count(b"\n"), words[::2])
            positions = {field: 2 * index + 1 for index, field in enumerate(values)}
            self._shown = [(positions[field], metric) for field, metric in shown]
        return [single(metric, values[field]) for field, metric in shown]

    def _wanted(self, field: str) -> bool:
        return self._fields is None or self._fields.search(field) is not None


def build(host: Host, settings: Settings) -> VmstatCollector:
    return VmstatCollector(host, settings["collector.vmstat.fields"])
