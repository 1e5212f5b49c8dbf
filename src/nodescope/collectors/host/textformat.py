"""Parser of the Prometheus text format, which takes what node_exporter's parser takes and refuses what that refuses.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format), and where it leaves a choice,
what the reference parser does: names may be quoted or inside the braces but must be of the classic characters; a value
may follow a name or brace without a blank; nothing but the line's end may follow a value but a timestamp; the samples
of a histogram or summary are known by its TYPE line, which comes first; the last line ends with a line feed.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from nodescope.collectors.host.textformat_number import parse_float
from nodescope.host import Malformed, text
from nodescope.metric import MetricType

MAX_SAMPLES: Final = 100_000

TYPES: Final[dict[str, MetricType]] = {
    "COUNTER": "counter",
    "GAUGE": "gauge",
    "UNTYPED": "untyped",
    "SUMMARY": "summary",
    "HISTOGRAM": "histogram",
    "GAUGE_HISTOGRAM": "histogram",
    "GAUGEHISTOGRAM": "histogram",
}

Labels = tuple[tuple[str, str], ...]
"""Names and values, as they stand in the file; no name twice."""


class Sample(NamedTuple):
    labels: Labels
    value: float


class Distribution:
    """One histogram or summary: `parts` is bucket's bound -> count, or quantile -> value. The last one given holds."""

    __slots__ = ("count", "labels", "parts", "sum")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.parts: dict[float, float] = {}
        self.sum = 0.0
        self.count = 0.0


class ParsedFamily:
    """A family of one file. Histograms and summaries have `distributions`, all others `samples`."""

    __slots__ = ("by_labels", "help", "name", "samples", "type")

    def __init__(self, name: str) -> None:
        self.name = name
        self.type: MetricType | None = None
        self.help: str | None = None
        self.samples: list[Sample] = []
        self.by_labels: dict[frozenset[tuple[str, str]], Distribution] = {}

    @property
    def distributions(self) -> list[Distribution]:
        return list(self.by_labels.values())


class _Refused(Exception):
    """Says what was expected."""


_QUOTED: Final = rb'"[^"\\]*(?:\\["\\n][^"\\]*)*"'
_METRIC_NAME: Final = re.compile(rb"(?:[a-zA-Z_:][a-zA-Z0-9_:]*)?(?:" + _QUOTED + rb")?")
_LABEL_NAME: Final = re.compile(rb"(?:[a-zA-Z_][a-zA-Z0-9_]*)?(?:" + _QUOTED + rb")?")
_PLAIN_LABEL: Final = re.compile(rb'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*([,}])')
_LABEL_VALUE: Final = re.compile(rb'=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*([,}])')
_BLANKS: Final = re.compile(rb"[ \t]*")
_CLASSIC_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_CLASSIC_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPE: Final = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPED: Final = {b"\\": b"\\", b"n": b"\n", b'"': b'"'}

_SUFFIXES: Final[tuple[tuple[str, tuple[MetricType, ...]], ...]] = (
    ("_count", ("summary", "histogram")),
    ("_sum", ("summary", "histogram")),
    ("_bucket", ("histogram",)),
)
_OWN_LABEL: Final[dict[MetricType | None, str]] = {"histogram": "le", "summary": "quantile"}

_Role = Literal["", "_count", "_sum", "_bucket"]


def parse_text(data: bytes, source: str) -> list[ParsedFamily]:
    """The families that have samples, in the file's order. Raises `Malformed`, which names the line."""
    lines = data.split(b"\n")
    parser = _Parser()
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            stripped = line.lstrip(b" \t")
            if not stripped:
                continue
            if number == len(lines):
                raise _Refused("a line feed at the end of the last line")
            if stripped[0] == 0x23:
                parser.comment(stripped[1:].lstrip(b" \t"))
            else:
                parser.sample(stripped)
    except _Refused as refused:
        raise Malformed(f"{source} line {number}", lines[number - 1], str(refused)) from None
    return [family for family in parser.families.values() if family.samples or family.by_labels]


class _Parser:
    def __init__(self) -> None:
        self.families: dict[str, ParsedFamily] = {}
        self._samples = 0

    def comment(self, line: bytes) -> None:
        """HELP and TYPE lines; every other comment, and one that stops short, says nothing. `line`: without the #."""
        word = re.split(rb"[ \t]", line, maxsplit=1)
        if len(word) == 1 or word[0] not in (b"HELP", b"TYPE"):
            return
        rest = word[1].lstrip(b" \t")
        name, end = _token(_METRIC_NAME, rest, 0)
        if end == len(rest):
            return
        if rest[end] not in b" \t":
            raise _Refused(f"a metric's name after {word[0].decode()}")
        family, _ = self._family(name)
        said = rest[end:].lstrip(b" \t")
        if not said:
            return
        if word[0] == b"HELP":
            if family.help is not None:
                raise _Refused("one HELP line for each metric")
            family.help = text(_unescaped(said))
        else:
            if family.type is not None:
                raise _Refused("one TYPE line for each metric, before its samples")
            family.type = _type(said)

    def sample(self, line: bytes) -> None:
        self._samples += 1
        if self._samples > MAX_SAMPLES:
            raise _Refused(f"at most {MAX_SAMPLES} samples")
        name: bytes | None = None
        end = 0
        if line[0] != 0x7B:
            name, end = _token(_METRIC_NAME, line, 0)
            if not name:
                raise _Refused("a metric's name")
            end = _past_blanks(line, end)
        labels: list[tuple[str, str]] = []
        if line[end : end + 1] == b"{":
            labels, name, end = _labels(line, end + 1, name)
            end = _past_blanks(line, end)
        if name is None:
            raise _Refused("a metric's name")
        family, role = self._family(name)
        value = parse_float(line[end:])
        if value is None:
            # A blank behind the number begins a timestamp, and a file with timestamps is not taken.
            raise _Refused("a number, and neither timestamp nor blank nor anything else after it")
        self._take(family, role, labels, value)

    def _family(self, raw: bytes) -> tuple[ParsedFamily, _Role]:
        """The family that a line with this name belongs to: of that very name, or a histogram's or summary's."""
        name = raw.decode("utf-8", "replace")
        found = self.families.get(name)
        if found is not None:
            return found, ""
        if not _CLASSIC_METRIC_NAME.fullmatch(name):
            raise _Refused("a metric's name of letters, digits, underscores and colons")
        for suffix, types in _SUFFIXES:
            stem = name.removesuffix(suffix)
            if stem and stem != name:
                found = self.families.get(stem)
                if found is not None and found.type in types:
                    return found, suffix  # type: ignore[return-value]
        family = self.families[name] = ParsedFamily(name)
        return family, ""

    def _take(self, family: ParsedFamily, role: _Role, labels: list[tuple[str, str]], value: float) -> None:
        if family.type is None:
            family.type = "untyped"
        own = _OWN_LABEL.get(family.type)
        kept = tuple(label for label in labels if label[0] != own) if own else tuple(labels)
        if len(kept) > 1 and len({label[0] for label in kept}) != len(kept):
            raise _Refused("each label once")
        if own is None:
            family.samples.append(Sample(kept, value))
            return
        key = frozenset(kept)
        distribution = family.by_labels.get(key)
        if distribution is None:
            distribution = family.by_labels[key] = Distribution(kept)
        part = _part(labels, own)
        if role == "_count":
            distribution.count = _count(value, family.type)
        elif role == "_sum":
            distribution.sum = value
        elif part is not None:
            distribution.parts[part] = _count(value, "histogram") if family.type == "histogram" else value


def _part(labels: list[tuple[str, str]], own: str) -> float | None:
    """The bucket's bound or the quantile that the labels name last. None where none does, or it is no number (NaN)."""
    part: float | None = None
    for label, value in labels:
        if label == own:
            part = parse_float(value.encode())
            if part is None:
                raise _Refused(f"a number as {own}")
    return None if part is None or part != part else part


def _count(value: float, kind: MetricType) -> float:
    """A summary counts in whole numbers; a histogram may be one of weights."""
    if kind == "histogram":
        if value < 0:
            raise _Refused("a count that is not negative")
        return value
    if not 0 <= value < 2**64:
        raise _Refused("a count of 0 to 2^64-1")
    return float(int(value))


def _type(said: bytes) -> MetricType:
    # A backslash that escapes nothing is passed over, as the reference does.
    word = said.replace(b"\\", b"").decode("utf-8", "replace")
    upper = "".join(larger if len(larger := letter.upper()) == 1 else letter for letter in word)
    if upper not in TYPES:
        raise _Refused("counter, gauge, histogram, summary or untyped, and nothing after it")
    return TYPES[upper]


def _labels(line: bytes, at: int, name: bytes | None) -> tuple[list[tuple[str, str]], bytes | None, int]:
    """Labels from behind the { to behind the }, the metric's name (which may be among them), and where it ends."""
    labels: list[tuple[str, str]] = []
    inside = name is None
    while True:
        plain = _PLAIN_LABEL.match(line, at)
        if plain is not None:
            labels.append(_label(plain[1], plain[2]))
            at = plain.end()
            stop = plain[3]
        else:
            at = _past_blanks(line, at)
            if line[at : at + 1] == b"}":
                return labels, name, at + 1
            token, at = _token(_LABEL_NAME, line, at)
            at = _past_blanks(line, at)
            if not token:
                raise _Refused("a label's name")
            if line[at : at + 1] == b"=":
                quoted = _LABEL_VALUE.match(line, at)
                if quoted is None:
                    raise _Refused("a label's value in quotes, then a comma or }")
                labels.append(_label(token, quoted[1]))
                at, stop = quoted.end(), quoted[2]
            else:
                stop = line[at : at + 1]
                if not inside or name is not None or stop not in (b",", b"}"):
                    raise _Refused("= after a label's name")
                name, at = token, at + 1
        if stop == b"}":
            return labels, name, at


def _label(name: bytes, value: bytes) -> tuple[str, str]:
    label = name.decode("utf-8", "replace")
    if label.startswith("__") or not _CLASSIC_LABEL_NAME.fullmatch(label):
        raise _Refused("a label's name of letters, digits and underscores, which does not begin with __")
    try:
        return label, (_unescaped(value) if b"\\" in value else value).decode()
    except UnicodeDecodeError:
        raise _Refused("a label's value in UTF-8") from None


def _token(pattern: re.Pattern[bytes], line: bytes, at: int) -> tuple[bytes, int]:
    """The name that begins at `at`, without its quotes, and where it ends."""
    found = pattern.match(line, at)
    if found is None:
        return b"", at
    plain, quote, quoted = found[0].partition(b'"')
    return plain + (_unescaped(quoted[:-1]) if quote else b""), found.end()


def _past_blanks(line: bytes, at: int) -> int:
    found = _BLANKS.match(line, at)
    return found.end() if found else at


def _unescaped(raw: bytes) -> bytes:
    return _ESCAPE.sub(_escape, raw)


def _escape(found: re.Match[bytes]) -> bytes:
    byte = _ESCAPED.get(found[1])
    if byte is None:
        raise _Refused('no escapes but \\\\, \\n and \\"')
    return byte
