"""Families of several text files -> families of one collector: merged by name, without what contradicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.collectors.host.textformat import Distribution, ParsedFamily
from nodescope.exposition.number import number
from nodescope.metric import SUFFIX, Family, Metric, MetricType, Row

MAX_SERIES: Final = 100_000

_DISTRIBUTIONS: Final[dict[MetricType, tuple[str, tuple[str, ...]]]] = {
    "histogram": ("le", ("_count", "_sum", "_bucket")),
    "summary": ("quantile", ("_count", "_sum")),
}
"""The label that the type has of its own, and the endings that its samples take."""

_INFINITE: Final = float("inf")


class FileFamily(NamedTuple):
    """A family of one file, with its rows made."""

    name: str
    type: MetricType
    help: str | None
    label_names: tuple[str, ...]
    rows: Sequence[Row]


class Merged(NamedTuple):
    """`conflicts`: names whose HELP differs between files. `left_out`: families and series that contradict others."""

    families: list[Family]
    conflicts: list[str]
    left_out: int


def file_family(parsed: ParsedFamily) -> FileFamily:
    """Every row has all labels that any has, those that it does not have itself with an empty value."""
    kind = parsed.type or "untyped"
    if kind in _DISTRIBUTIONS:
        distributions = parsed.distributions
        names = _union(each.labels for each in distributions)
        rows = [row for each in distributions for row in _distribution_rows(each, kind, names)]
        names = (SUFFIX, *names, _DISTRIBUTIONS[kind][0])
    else:
        names = _union(sample.labels for sample in parsed.samples)
        rows = [(_values(sample.labels, names), sample.value) for sample in parsed.samples]
    return FileFamily(parsed.name, kind, parsed.help, names, rows)


def values_in(parsed: ParsedFamily) -> int:
    """How many label values the rows of `file_family` have. Label names that differ from series to series multiply."""
    own = _DISTRIBUTIONS.get(parsed.type or "untyped")
    if own is None:
        return len(parsed.samples) * len(_union(sample.labels for sample in parsed.samples))
    rows = sum(len(each.parts) + 1 + len(own[1]) for each in parsed.distributions)
    return rows * (len(_union(each.labels for each in parsed.distributions)) + 2)


def _union(label_sets: Iterable[tuple[tuple[str, str], ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for labels in label_sets for name, _ in labels}))


def _values(labels: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> tuple[str, ...]:
    found = dict(labels)
    return tuple(found.get(name, "") for name in names)


def _distribution_rows(given: Distribution, kind: MetricType, names: tuple[str, ...]) -> list[Row]:
    """A histogram always has a bucket without bound; sum and count that the file does not give are 0."""
    values = _values(given.labels, names)
    parts = dict(sorted(given.parts.items()))
    suffix = ""
    if kind == "histogram":
        suffix = "_bucket"
        parts.setdefault(_INFINITE, given.count)
    rows: list[Row] = [((suffix, *values, number(part)), value) for part, value in parts.items()]
    return [*rows, (("_sum", *values, ""), given.sum), (("_count", *values, ""), given.count)]


def merge(files: Sequence[tuple[str, Sequence[FileFamily]]]) -> Merged:
    """`files`: paths and what is in them. What comes first holds: help, type, and the value of a series.

    A file whose HELP for a family differs from that of a file before it loses that family. A family that no file has
    a HELP for says where it was read.
    """
    by_name: dict[str, list[tuple[str, FileFamily]]] = {}
    for path, families in files:
        for family in families:
            by_name.setdefault(family.name, []).append((path, family))
    families_out: list[Family] = []
    accepted: dict[str, MetricType] = {}
    conflicts: list[str] = []
    left_out = 0
    for name, found in by_name.items():
        told = next((family.help for _, family in found if family.help is not None), None)
        agreeing = [each for each in found if each[1].help in (None, told)]
        if len(agreeing) < len(found):
            conflicts.append(name)
        kind = agreeing[0][1].type
        same = [each for each in agreeing if each[1].type == kind and not _collides(name, kind, accepted)]
        left_out += len(found) - len(same)
        if same:
            accepted[name] = kind
            said = told if told is not None else f"Metric read from {', '.join(path for path, _ in agreeing)}"
            merged, twice = _of_one_name([family for _, family in same], said)
            families_out += merged
            left_out += twice
    return Merged(families_out, conflicts, left_out)


def _collides(name: str, kind: MetricType, accepted: dict[str, MetricType]) -> bool:
    """Whether a family's samples could be taken for those of a histogram or summary, or the other way round."""
    for other, (_, suffixes) in _DISTRIBUTIONS.items():
        for suffix in suffixes:
            stem = name.removesuffix(suffix)
            if stem != name and accepted.get(stem) == other:
                return True
            if kind == other and f"{name}{suffix}" in accepted:
                return True
    return False


def _of_one_name(families: list[FileFamily], said: str) -> tuple[list[Family], int]:
    """A family for each set of label names, and how many series were left out because they were there already."""
    by_labels: dict[tuple[str, ...], list[Sequence[Row]]] = {}
    seen: set[tuple[tuple[str, str], ...]] = set()
    twice = 0
    for family in families:
        rows = family.rows
        if len(families) > 1 or len({labels for labels, _ in rows}) != len(rows):
            rows = [row for row in rows if _is_new(row[0], family.label_names, seen)]
            twice += len(family.rows) - len(rows)
        by_labels.setdefault(family.label_names, []).append(rows)
    first = families[0]
    return [
        Family(
            Metric(first.name, first.type, said, names, keeps_name=True),
            parts[0] if len(parts) == 1 else [row for part in parts for row in part],
        )
        for names, parts in by_labels.items()
    ], twice


def _is_new(values: tuple[str, ...], names: tuple[str, ...], seen: set[tuple[tuple[str, str], ...]]) -> bool:
    """An empty label and none are the same series."""
    key = tuple(pair for pair in zip(names, values, strict=True) if pair[1])
    if key in seen:
        return False
    seen.add(key)
    return True
