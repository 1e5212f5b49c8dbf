"""Profiles: tables that give records their names in a dialect. A profile holds no logic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from nodescope.metric import Family, Metric, MetricType
from nodescope.metric import Row as FamilyRow


class Row(NamedTuple):
    """One family of a dialect: which field of a record it shows, and under which labels.

    `labels`: (label name, record field) pairs. `scale` multiplies the field into the dialect's unit, `per` divides it,
    `whole` cuts off what is behind the point, `keeps_name` is the metric's. A field may be one of a record inside
    ("identity.uuid") and the last of its words a key of a dict ("reading.profiling[sm_util]"). Where a record on
    the way is None there is no value.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[tuple[str, str], ...]
    field: str
    scale: float = 1
    per: float = 1
    whole: bool = False
    keeps_name: bool = False

    @property
    def metric(self) -> Metric:
        return Metric(self.name, self.type, self.help, tuple(name for name, _ in self.labels), self.keeps_name)


class View:
    """A profile's rows for one kind of record, ready to render."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.metrics = tuple(row.metric for row in rows)
        self._columns = [(row.metric, _label_values(row.labels), getter(row.field), _unit(row)) for row in rows]

    def render(self, records: Iterable[Any]) -> list[Family]:
        """Families of `records`; a field that is None has no row, a family without rows is left out."""
        records = tuple(records)
        families = []
        for metric, label_values, number, unit in self._columns:
            rows: list[FamilyRow] = []
            for record in records:
                value = number(record)
                if value is not None:
                    rows.append((label_values(record), value if unit is None else unit(value)))
            if rows:
                families.append(Family(metric, rows))
        return families


def getter(field: str) -> Callable[[Any], Any]:
    """What reads `field` of a record, as `Row` describes it."""
    path, bracket, key = field.partition("[")
    if bracket:
        mapping, key = attrgetter(path), key.rstrip("]")
        return lambda record: mapping(record).get(key)
    if "." not in path:
        return attrgetter(path)
    return partial(_inner, path.split("."))


def _inner(words: Sequence[str], record: Any) -> Any:
    for word in words:
        record = getattr(record, word)
        if record is None:
            return None
    return record


def _unit(row: Row) -> Callable[[float], float] | None:
    if row.whole:
        return lambda value: value * row.scale // row.per
    if row.per != 1:
        return lambda value: value * row.scale / row.per
    return None if row.scale == 1 else lambda value: value * row.scale


def _label_values(labels: tuple[tuple[str, str], ...]) -> Callable[[Any], tuple[str, ...]]:
    getters = [getter(field) for _, field in labels]
    return lambda record: tuple([_text(get(record)) for get in getters])


def _text(value: Any) -> str:
    return "" if value is None else str(value)
