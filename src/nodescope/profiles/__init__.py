"""Profiles: tables that give records their names in a dialect. A profile holds no logic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from nodescope.metric import Family, Metric, MetricType
from nodescope.metric import Row as FamilyRow


class Row(NamedTuple):
    """One family of a dialect: which field of a record it shows, and under which labels.

    `labels`: (label name, record field) pairs. `scale` multiplies the field into the dialect's unit.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[tuple[str, str], ...]
    field: str
    scale: float = 1

    @property
    def metric(self) -> Metric:
        return Metric(self.name, self.type, self.help, tuple(name for name, _ in self.labels))


class View:
    """A profile's rows for one kind of record, ready to render."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.metrics = tuple(row.metric for row in rows)
        self._columns = [(row.metric, _label_values(row.labels), attrgetter(row.field), row.scale) for row in rows]

    def render(self, records: Iterable[Any]) -> list[Family]:
        """Families of `records`; a field that is None has no row, a family without rows is left out."""
        records = tuple(records)
        families = []
        for metric, label_values, number, scale in self._columns:
            rows: list[FamilyRow] = []
            for record in records:
                value = number(record)
                if value is not None:
                    rows.append((label_values(record), value if scale == 1 else value * scale))
            if rows:
                families.append(Family(metric, rows))
        return families


def _label_values(labels: tuple[tuple[str, str], ...]) -> Callable[[Any], tuple[str, ...]]:
    fields = [field for _, field in labels]
    if not fields:
        return lambda record: ()
    get = attrgetter(*fields)
    if len(fields) == 1:
        return lambda record: (_text(get(record)),)
    return lambda record: tuple(map(_text, get(record)))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
