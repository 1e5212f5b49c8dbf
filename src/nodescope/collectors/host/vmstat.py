"""Virtual memory counters."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Host, Malformed
from nodescope.kernel.number import decimal
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_FIELDS: Final = 4096

_NO_LAYOUT: Final[tuple[int, list[bytes]]] = (-1, [])
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
        self._layout: tuple[int, list[bytes]] = _NO_LAYOUT
        self._positions: list[int] = []
        self._metrics: list[Metric] = []
        self._shown = Unlabelled()

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        words = data.split()
        known = (data.count(b"\n"), words[::2]) == self._layout and len(words) % 2 == 0
        if not known or not b"".join(words[1::2]).isdigit():
            return self._learn(data, words)
        # The names stand where they stood when every line was read with care: take the numbers by position.
        numbers = [value for position in self._positions if (value := decimal(words[position])) is not None]
        if len(numbers) < len(self._positions):
            return self._learn(data, words)
        return self._shown.families(self._metrics, numbers)

    def _learn(self, data: bytes, words: list[bytes]) -> list[Family]:
        values = parse_vmstat(data, self._path)
        self.left_out = sum(bool(line.strip()) for line in data.split(b"\n")) - len(values)
        shown = [(field, metric_of(field.decode())) for field in values if self._wanted(field.decode())]
        metrics = [metric for _, metric in shown]
        if len(words) == 2 * len(values) and words[::2] == list(values):
            self._layout, self._metrics = (data.count(b"\n"), words[::2]), metrics
            positions = {field: 2 * index + 1 for index, field in enumerate(values)}
            self._positions = [positions[field] for field, _ in shown]
        else:
            self._layout = _NO_LAYOUT
        return self._shown.families(metrics, [values[field] for field, _ in shown])

    def _wanted(self, field: str) -> bool:
        return self._fields is None or self._fields.search(field) is not None


def build(host: Host, settings: Settings) -> VmstatCollector:
    return VmstatCollector(host, settings["collector.vmstat.fields"])
