"""Renders a snapshot of many kinds of records through a profile, a column at a time.

The same families as a `View` for each kind, but for this: rows of one metric are in one family, labels are made once
for all rows that have the same, and a label or a number may be given by the profile itself, as "=" and the text. A node
has thousands of series of its GPUs, so that this is most of what a scrape costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from nodescope.metric import Family, Metric
from nodescope.metric import Row as FamilyRow
from nodescope.profiles import Row
from nodescope.sampler import Snapshot

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


class Shown:
    """A profile ready to render. The families of the newest snapshot are kept: who asks twice pays once."""

    def __init__(self, profile: Profile) -> None:
        self._columns = {kind: Columns(rows) for kind, rows in profile.items()}
        self._last: tuple[Snapshot | None, list[Family]] = (None, [])

    def families(
        self, snapshot: Snapshot, made: Callable[[tuple[Any, ...]], Iterable[Any]] = lambda records: records
    ) -> list[Family]:
        """Families of the snapshot's records, or of what is `made` of them."""
        if self._last[0] is not snapshot:
            self._last = (snapshot, self.render(made(snapshot.records)))
        return self._last[1]

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

    def render(self, records: Sequence[Any]) -> list[Family]:
        """Families of `records`; a field that is None has no row, a family without rows is left out."""
        read = _Read(records)
        families: dict[Metric, list[FamilyRow]] = {}
        for metric, labels, field, unit in self._columns:
            pairs = zip(read.labels(labels), read.values(field), strict=True)
            if unit is None:
                rows = [pair for pair in pairs if pair[1] is not None]
            else:
                rows = [(label_values, unit(value)) for label_values, value in pairs if value is not None]
            if not rows:
                continue
            known = families.setdefault(metric, rows)
            if known is not rows:
                known += rows
        return [Family(metric, found) for metric, found in families.items()]


class _Read:
    """What is read of `records`, each part of the way once."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._count = len(records)
        self._objects: dict[str, Sequence[Any]] = {"": records}
        self._texts: dict[str, Sequence[str]] = {}
        self._labels: dict[tuple[str, ...], Sequence[tuple[str, ...]]] = {(): [()] * self._count}

    def values(self, field: str) -> Sequence[Any]:
        """The field of each record; None where it, or a record on the way, is None."""
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
            found = self._labels[fields] = list(zip(*[self._text(field) for field in fields], strict=True))
        return found

    def _of(self, path: str) -> Sequence[Any]:
        found = self._objects.get(path)
        if found is None:
            found = self._objects[path] = self.values(path)
        return found

    def _text(self, field: str) -> Sequence[str]:
        found = self._texts.get(field)
        if found is None:
            if field[0] == CONSTANT:
                found = [field[1:]] * self._count
            else:
                found = ["" if value is None else str(value) for value in self.values(field)]
            self._texts[field] = found
        return found


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
