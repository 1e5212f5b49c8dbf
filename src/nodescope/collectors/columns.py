"""Renders a snapshot of many kinds of records through a profile, a column at a time.

The same families as a `View` for each kind, but for this: rows of one metric are in one family, labels are made once
for all rows that have the same, and a label or a number may be given by the profile itself, as "=" and the text. A node
has thousands of series of its GPUs, so that this is most of what a scrape costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, is_
from typing import Any, Final, NamedTuple

from nodescope.collectors.newest import Newest
from nodescope.metric import Family, Metric
from nodescope.metric import Row as FamilyRow
from nodescope.profiles import Row
from nodescope.sampler import Snapshot
from nodescope.sampling import SamplerLoop

CONSTANT: Final = "="
_EMPTY: Final[dict[str, Any]] = {}

Profile = Mapping[type, Sequence[Row]]


class _Field(NamedTuple):
    """A field, split: what it is of (a path, "" for the record itself), and what of that, by attribute or by key."""

    of: str
    attribute: str = ""
    key: str = ""


class _Column(NamedTuple):
    metric: Metric
    labels: tuple[str, ...]
    field: str
    unit: Callable[[float], float] | None


class _Attributes(NamedTuple):
    """All fields that are shown of what is at one path: their names, and what reads them at once."""

    of: str
    fields: tuple[str, ...]
    read: Callable[[Any], tuple[Any, ...]]
    unknown: tuple[None, ...]


class Shown:
    """A profile ready to render. The families of the newest snapshot are kept: who asks twice pays once."""

    def __init__(self, profile: Profile) -> None:
        self._columns = {kind: Columns(rows) for kind, rows in profile.items()}
        self._newest = Newest()

    def families(
        self, snapshot: Snapshot, made: Callable[[tuple[Any, ...]], Iterable[Any]] = lambda records: records
    ) -> list[Family]:
        """Families of the snapshot's records, or of what is `made` of them."""
        return self._newest.of(snapshot, lambda snapshot: self.render(made(snapshot.records)))

    def render(self, records: Iterable[Any]) -> list[Family]:
        """Families of `records`, each kind through its rows. Kinds that the profile has nothing for are left out."""
        kinds: dict[type, list[Any]] = {kind: [] for kind in self._columns}
        for record in records:
            found = kinds.get(type(record))
            if found is not None:
                found.append(record)
        return [family for kind, found in kinds.items() if found for family in self._columns[kind].render(found)]


class Columns:
    """The rows of a profile for one kind of record."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._columns = [
            _Column(row.metric, tuple(field for _, field in row.labels), row.field, _unit(row)) for row in rows
        ]
        self._attributes = _attributes(row.field for row in rows)
        self._last = _Read(())

    def render(self, records: Sequence[Any]) -> list[Family]:
        """Families of `records`; a field that is None has no row, a family without rows is left out."""
        read = _Read(records, self._last)
        for attributes in self._attributes:
            read.attributes(attributes)
        families: dict[Metric, list[FamilyRow]] = {}
        for metric, labels, field, unit in self._columns:
            values = read.values(field)
            unknown = values.count(None)
            if unknown == len(values):
                continue
            pairs = zip(read.labels(labels), values, strict=True)
            if unit is not None:
                rows = [(label_values, unit(value)) for label_values, value in pairs if value is not None]
            elif unknown:
                rows = [pair for pair in pairs if pair[1] is not None]
            else:
                rows = list(pairs)
            known = families.setdefault(metric, rows)
            if known is not rows:
                known += rows
        read.settle()
        self._last = read
        return [Family(metric, found) for metric, found in families.items()]


class _Text(NamedTuple):
    """A label of each record: what was read of them, and the text of it."""

    values: Sequence[Any]
    text: Sequence[str]


class _Read:
    """What is read of `records`, each part of the way once.

    `last`: what was read of the records before. Most labels are as they were, and are then the very same objects: they
    are not made again, here or by an encoder.
    """

    def __init__(self, records: Sequence[Any], last: _Read | None = None) -> None:
        self._count = len(records)
        self._last = last
        self._objects: dict[str, Sequence[Any]] = {"": records}
        self._values: dict[str, Sequence[Any]] = {}
        self._texts: dict[str, _Text] = {}
        self._labels: dict[tuple[str, ...], Sequence[tuple[str, ...]]] = {(): [()] * self._count}

    def attributes(self, wanted: _Attributes) -> None:
        """Reads many fields of each record at once, for `values`."""
        read, unknown = wanted.read, wanted.unknown
        rows = [unknown if known is None else read(known) for known in self._of(wanted.of)]
        self._values.update(zip(wanted.fields, zip(*rows, strict=True), strict=False))

    def values(self, field: str) -> Sequence[Any]:
        """The field of each record; None where it, or a record on the way, is None."""
        known = self._values.get(field)
        return self._read(field) if known is None else known

    def _read(self, field: str) -> Sequence[Any]:
        if field[0] == CONSTANT:
            return [float(field[1:])] * self._count
        of, attribute, key = _split(field)
        objects = self._of(of)
        if key:
            return [(known or _EMPTY).get(key) for known in objects]
        get = attrgetter(attribute)
        return [None if known is None else get(known) for known in objects]

    def labels(self, fields: tuple[str, ...]) -> Sequence[tuple[str, ...]]:
        """The label values of each record, as text."""
        found = self._labels.get(fields)
        if found is None:
            texts = [self._text(field) for field in fields]
            found = self._labels[fields] = self._last_labels(fields, texts) or list(zip(*texts, strict=True))
        return found

    def settle(self) -> None:
        """Lets go, when all is read, of what was read before, and of what the next reading will not compare with."""
        self._last = None
        self._values = {}
        compared = {_split(field).of for field in self._texts if field[0] != CONSTANT}
        self._objects = {path: objects for path, objects in self._objects.items() if path and path in compared}

    def _last_labels(self, fields: tuple[str, ...], texts: Sequence[Sequence[str]]) -> Sequence[tuple[str, ...]] | None:
        """Those of the records before, where each of their texts is as it was."""
        last = self._last
        if last is None or not all(
            field in last._texts and last._texts[field].text is text for field, text in zip(fields, texts, strict=True)
        ):
            return None
        return last._labels.get(fields)

    def _of(self, path: str) -> Sequence[Any]:
        found = self._objects.get(path)
        if found is None:
            found = self.values(path)
            before = self._last._objects.get(path) if self._last else None
            if before is not None and len(before) == len(found) and all(map(is_, before, found)):
                found = before
            self._objects[path] = found
        return found

    def _text(self, field: str) -> Sequence[str]:
        found = self._texts.get(field)
        if found is None:
            found = self._texts[field] = self._text_of(field)
        return found.text

    def _text_of(self, field: str) -> _Text:
        before = self._last._texts.get(field) if self._last else None
        if field[0] == CONSTANT:
            return before if before and len(before.text) == self._count else _Text((), [field[1:]] * self._count)
        of = _split(field).of
        if before and of and self._last and self._of(of) is self._last._objects.get(of):
            return before
        values = self.values(field)
        if before and before.values == values:
            return before
        return _Text(values, ["" if value is None else str(value) for value in values])


def _attributes(fields: Iterable[str]) -> list[_Attributes]:
    """Those of `fields` that are attributes, by what they are of."""
    found: dict[str, dict[str, str]] = {}
    for field in fields:
        if field[0] != CONSTANT:
            of, attribute, _ = _split(field)
            if attribute:
                found.setdefault(of, {})[field] = attribute
    # With one name alone an attrgetter would not give a tuple.
    return [
        _Attributes(
            of, tuple(names), attrgetter(*names.values(), next(iter(names.values()))), (None,) * (len(names) + 1)
        )
        for of, names in found.items()
    ]


_SPLIT: Final[dict[str, _Field]] = {}


def _split(field: str) -> _Field:
    """ "reading.profiling[sm_util]" -> of "reading.profiling" the key "sm_util"; kept, for profiles have few fields."""
    found = _SPLIT.get(field)
    if found is None:
        path, bracket, key = field.partition("[")
        of, _, attribute = path.rpartition(".")
        found = _SPLIT[field] = _Field(path, key=key.rstrip("]")) if bracket else _Field(of, attribute)
    return found


def _unit(row: Row) -> Callable[[float], float] | None:
    scale, per = row.scale, row.per
    if row.whole:
        return lambda value: value * scale // per
    if per != 1:
        return lambda value: value * scale / per
    return None if scale == 1 else lambda value: value * scale


def metrics(profile: Profile) -> tuple[Metric, ...]:
    """The metrics of a profile, each once."""
    return tuple(dict.fromkeys(row.metric for rows in profile.values() for row in rows))


def sampled(shown: Shown, loop: SamplerLoop) -> tuple[list[Family], int]:
    """Families of what a loop's sampler has found, and how much its last sample left out. Raises as `fresh`."""
    families = shown.families(loop.fresh())
    sampler: Any = loop.sampler
    return families, sampler.left_out
