"""A field of a record, by what nvidia-smi calls it, and how it is looked up in what it said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from nodescope.devices.nvidia.smi.log import XML, Values
from nodescope.devices.nvidia.smi.values import Decoder, known

OR: Final = " | "
AND: Final = " + "

Paths = tuple[tuple[str, ...], ...]
"""What a value may be called; each a sum of paths, mostly of one."""


class Field(NamedTuple):
    """`name`: of the record's field. `kind`: of quantity or state, as `smi_values` has them; empty for a text."""

    name: str
    kind: str
    xml: Paths
    text: Paths

    def paths(self, form: str) -> Paths:
        """By what it is called in this form of output."""
        return self.xml if form == XML else self.text


def fields(kind: str, *rows: tuple[str, str, str]) -> tuple[Field, ...]:
    """A field for each row of name, XML and text. `OR` stands between what a value was called over time, of which the
    first that is known counts, and `AND` between values that add up to it."""
    return tuple(Field(name, kind, _paths(xml), _paths(text)) for name, xml, text in rows)


def number(values: Values, field: Field, form: str, decoder: Decoder) -> int | float | None:
    """What was said of a field, None where nothing is known."""
    for paths in field.paths(form):
        parts = [decoder.value(values.get(path), field.kind) for path in paths]
        found = [part for part in parts if part is not None]
        if len(found) == len(parts):
            return sum(found[1:], found[0])
    return None


def numbers(values: Values, table: Iterable[Field], form: str, decoder: Decoder) -> dict[str, int | float]:
    """All fields of a table of which something is known, by their names."""
    found = ((field.name, number(values, field, form, decoder)) for field in table)
    return {name: value for name, value in found if value is not None}


def written(values: Values, field: Field, form: str) -> str | None:
    """A text as it is written, None where there is none."""
    texts = (known(values.get(paths[0])) for paths in field.paths(form))
    return next((said for said in texts if said is not None), None)


def _paths(names: str) -> Paths:
    return tuple(tuple(one.split(AND)) for one in names.lower().split(OR))
