"""The profile engine."""

from __future__ import annotations

import msgspec
import pytest

from nodescope.profiles import Row, View, node_exporter
from nodescope.records.host import Mount


class Thing(msgspec.Struct, frozen=True):
    name: str
    watts: float | None
    index: int | None = None


THINGS = (Thing("a", 1500.0, 0), Thing("b", None), Thing("c", 0.0))


def test_unknown_has_no_row_and_zero_has() -> None:
    """A field that is None gives no row; 0 is a reading and gives one."""
    (family,) = View((Row("watts", "gauge", "W.", (("name", "name"),), "watts"),)).render(THINGS)
    assert list(family.rows) == [(("a",), 1500.0), (("c",), 0.0)]


def test_scale_and_labels() -> None:
    """The field is multiplied into the dialect's unit, and labels take any field as text, None as nothing."""
    row = Row("kilowatts", "gauge", "kW.", (("i", "index"), ("name", "name")), "watts", 0.001)
    (family,) = View((row,)).render(THINGS)
    assert list(family.rows) == [(("0", "a"), 1.5), (("", "c"), 0.0)]
    assert family.metric.label_names == ("i", "name")


def test_a_family_without_rows_is_left_out() -> None:
    """Nothing known, no family."""
    assert View((Row("index", "gauge", "I.", (), "index"),)).render(THINGS[1:2]) == []


@pytest.mark.parametrize("row", node_exporter.MOUNT, ids=lambda row: row.name)
def test_every_row_names_fields_of_its_record(row: Row) -> None:
    """A profile can only name what the record has."""
    fields = {field.name for field in msgspec.structs.fields(Mount)}
    assert {row.field, *(field for _, field in row.labels)} <= fields
