"""Which fields of DCGM are shown, from a counter file of dcgm-exporter.

*Source*: dcgm-exporter's etc/default-counters.csv. A line is `FIELD, type, help`; a line that begins with # and an
empty one say nothing. A field of type `label` is a label of every series.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.metric import MetricType
from nodescope.profiles import Row
from nodescope.profiles.dcgm import FIELDS, Selection
from nodescope.profiles.dcgm_driver_fields import NVLINK_CANONICAL
from nodescope.profiles.dcgm_fields import LABEL_FIELDS
from nodescope.profiles.dcgm_names import NOT_KNOWN, NOT_OF_NVML, OF_1, SINCE_4_6
from nodescope.profiles.dcgm_profiling import PROFILING_CANONICAL
from nodescope.records.dcgm import DcgmEntity

MAX_BYTES: Final = 1024 * 1024
MAX_LINES: Final = 4096
"""DCGM has some 600 fields."""

EXCERPT_BYTES: Final = 80
LABEL: Final = "label"
TYPES: Final[dict[str, MetricType]] = {
    "gauge": "gauge",
    "counter": "counter",
    "histogram": "untyped",
    "summary": "untyped",
}
"""Types that dcgm-exporter takes -> ours. A field is one number: no histogram and no summary, whatever it is called."""

_PREFIXES: Final = ("DCGM_FI_", "DCGM_EXP_")
_NO_LABEL: Final = "nodescope gives this field as a number, not as a label"


class BadCounters(Exception):
    """A counter file that is not one. Says where, what was expected and what is there."""


class _Line(NamedTuple):
    where: str
    name: str
    type: str
    help: str


def select(data: bytes, source: str) -> Selection:
    """What the counter file `data` chooses. Raises `BadCounters`; `source`: the file's name."""
    rows: dict[type, dict[str, Row]] = {}
    labels: dict[str, str] = {}
    not_obtainable: dict[str, str] = {}
    for line in _lines(data, source):
        name = _own_name(line.name)
        if line.type == LABEL:
            field = _label_field(name)
            if field:
                labels.setdefault(line.name, field)
            else:
                not_obtainable.setdefault(line.name, _NO_LABEL if name in FIELDS else _why(line))
        elif name in FIELDS:
            kind, row = FIELDS[name]
            row = row._replace(name=line.name, type=_type(line), help=line.help)
            rows.setdefault(kind, {}).setdefault(line.name, row)
        elif name in LABEL_FIELDS:
            raise _bad(line.where, "the type label, for this field is text", line.type)
        else:
            _type(line)
            not_obtainable.setdefault(line.name, _why(line))
    chosen = {kind: tuple(named.values()) for kind, named in rows.items()}
    return Selection(chosen, tuple(labels.items()), tuple(not_obtainable.items()))


def _lines(data: bytes, source: str) -> Iterator[_Line]:
    if len(data) > MAX_BYTES:
        raise _bad(source, f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(source, "UTF-8", data[error.start :]) from None
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise _bad(source, f"at most {MAX_LINES} lines", f"{len(lines)} lines")
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield _line(line, f"{source}:{number}")


def _line(line: str, where: str) -> _Line:
    try:
        # A list of one line: a quote that does not end on it is an error.
        (words,) = csv.reader([line], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        words = []
    if len(words) != 3 or not words[0].strip():
        raise _bad(where, "a field, a type and a help text, with commas between them", line)
    return _Line(where, *(word.strip() for word in words))


def _own_name(name: str) -> str:
    """The name that the field has in the profile; what has none stays as it is."""
    for names in (SINCE_4_6, NVLINK_CANONICAL, PROFILING_CANONICAL, OF_1):
        if name in names:
            return names[name]
    return name


def _label_field(name: str) -> str | None:
    """The field that is the label, None where the field is no text and no plain number of the entity."""
    if name in LABEL_FIELDS:
        return LABEL_FIELDS[name]
    kind, row = FIELDS.get(name, (None, None))
    if row is None or kind is not DcgmEntity or row.labels or row.whole or row.scale != 1 or row.per != 1:
        return None
    return row.field


def _type(line: _Line) -> MetricType:
    found = TYPES.get(line.type)
    if found is None:
        raise _bad(line.where, f"one of the types {', '.join((*TYPES, LABEL))}", line.type)
    return found


def _why(line: _Line) -> str:
    """Why a field is not given. Raises `BadCounters` where it is none of DCGM's."""
    for beginning, why in NOT_OF_NVML:
        if line.name.startswith(beginning):
            return why
    if not line.name.startswith(_PREFIXES):
        raise _bad(line.where, "the name of a field of DCGM, such as DCGM_FI_DEV_GPU_UTIL", line.name)
    return NOT_KNOWN


def _bad(where: str, expected: str, got: str | bytes) -> BadCounters:
    shown = got if isinstance(got, bytes) else got.encode("utf-8", "replace")
    return BadCounters(f"{where}: expected {expected}, got {shown[:EXCERPT_BYTES]!r}")
