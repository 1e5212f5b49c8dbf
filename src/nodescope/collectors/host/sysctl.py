"""Collector sysctl: chosen kernel settings."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.sysctl_choice import INFO, Choice, choices_of
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.number import uint64_any_base
from nodescope.kernel.signed_number import INT64_MAX
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_VALUES: Final = 4096

Values = list[tuple[Metric, Row]]


def number_of(raw: bytes) -> int | None:
    """-2**63 to 2**64-1 with the base in front, as C writes it: 0x10 and 010 are 16 and 8."""
    if not raw.startswith(b"-"):
        return uint64_any_base(raw)
    size = uint64_any_base(raw[1:])
    return -size if size is not None and size <= INT64_MAX + 1 else None


def parse_sysctl(data: bytes, choice: Choice, source: str) -> Values:
    """A row for each value. Raises `Malformed` where there are not as many as fields, or one is no number."""
    words = data.split(None, MAX_VALUES)
    if not words or len(words) > MAX_VALUES:
        raise Malformed(source, data, f"1 to {MAX_VALUES} values")
    # A field is a part of several: one alone goes by the setting's name.
    if choice.fields and (len(words) != len(choice.fields) or len(words) == 1):
        raise Malformed(source, data, f"{len(choice.fields)} values, for the fields {','.join(choice.fields)}")
    metrics = choice.metrics(len(words))
    indexes = choice.fields or [str(index) for index in range(len(words))]
    if not choice.is_number:
        labels = [(choice.name, text(word), index) for word, index in zip(words, indexes, strict=True)]
        return [(INFO, (label, 1.0)) for label in labels]
    found: Values = []
    for metric, word, index in zip(metrics, words, indexes, strict=True):
        number = number_of(word)
        if number is None:
            raise Malformed(source, data, "numbers; a text is for include-info")
        found.append((metric, ((index,) if metric.label_names else (), number)))
    return found


class SysctlCollector:
    """Kernel settings that `collector.sysctl.include` and `include-info` name.

    *Source*: /proc/sys, proc_sys(5), Documentation/admin-guide/sysctl. *Units*: the kernel's. *Absent when*: none of
    them is there; one that is not there, may not be read or is not as it was said to be costs itself alone. *Cost*: one
    read for each.
    """

    name: ClassVar[str] = "sysctl"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO,)
    left_out: int = 0

    def __init__(self, host: Host, choices: list[Choice]) -> None:
        self._host = host
        self._choices = [(choice, [host.proc(f"sys/{path}") for path in choice.paths]) for choice in choices]
        self._last: dict[Choice, tuple[bytes, Values]] = {}

    def collect(self) -> list[Family]:
        self.left_out = 0
        rows: dict[Metric, list[Row]] = {}
        series: set[tuple[str, tuple[str, ...]]] = set()
        reason: Absent | Malformed | OSError | None = None
        for choice, paths in self._choices:
            try:
                values = self._values(choice, paths)
            except (Absent, Malformed, OSError) as error:
                reason = error.with_traceback(None)
                self.left_out += 1
                continue
            for metric, row in values:
                one = (metric.name, row[0])
                if one not in series:
                    series.add(one)
                    rows.setdefault(metric, []).append(row)
        if reason is not None and not rows:
            raise reason
        return [Family(metric, found) for metric, found in rows.items()]

    def _values(self, choice: Choice, paths: list[str]) -> Values:
        data = self._read(paths)
        before = self._last.get(choice)
        if before is not None and before[0] == data:
            return before[1]
        values = parse_sysctl(data, choice, paths[0])
        self._last[choice] = (data, values)
        return values

    def _read(self, paths: list[str]) -> bytes:
        for path in paths[:-1]:
            try:
                return self._host.read(path, at_once=True)
            except Absent:
                continue
        return self._host.read(paths[-1], at_once=True)


def build(host: Host, settings: Settings) -> SysctlCollector:
    numbers = choices_of(settings, "collector.sysctl.include", True)
    texts = choices_of(settings, "collector.sysctl.include-info", False)
    return SysctlCollector(host, numbers + texts)
