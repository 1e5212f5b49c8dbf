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

_DIGITS: Final = b"0123456789"
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
        self._shape: bytes | None = None
        self._names: list[bytes] = []
        self._metrics: list[Metric] = []
        self._shown = Unlabelled()

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        # The names of a kernel that runs do not change; a tree of stored files may say something else at any time.
        numbers = None if self._host.stored else self._by_place(data)
        return self._learn(data) if numbers is None else self._shown.families(self._metrics, numbers)

    def _by_place(self, data: bytes) -> list[float] | None:
        """The numbers shown, None where the file is, but for its digits, not what it was when it was read with care."""
        if data.translate(None, _DIGITS) != self._shape:
            return None
        lines = b"\n" + data
        numbers: list[float] = []
        for name in self._names:
            start = lines.find(name) + len(name)
            end = lines.find(b"\n", start)
            value = decimal(lines[start:end])
            if value is None or start < len(name):
                return None
            numbers.append(value)
        return numbers

    def _learn(self, data: bytes) -> list[Family]:
        values = parse_vmstat(data, self._path)
        self.left_out = sum(bool(line.strip()) for line in data.split(b"\n")) - len(values)
        shown = [(field, metric_of(field.decode())) for field in values if self._wanted(field.decode())]
        self._metrics = [metric for _, metric in shown]
        self._names = [b"\n" + field + b" " for field, _ in shown]
        # Only where each line is a name and a number, one blank between them, can the next be read by place.
        plain = b"".join(b"%s %s\n" % (field, b"0") for field in values).translate(None, _DIGITS)
        self._shape = plain if data.translate(None, _DIGITS) == plain else None
        return self._shown.families(self._metrics, [values[field] for field, _ in shown])

    def _wanted(self, field: str) -> bool:
        return self._fields is None or self._fields.search(field) is not None


def build(host: Host, settings: Settings) -> VmstatCollector:
    return VmstatCollector(host, settings["collector.vmstat.fields"])
