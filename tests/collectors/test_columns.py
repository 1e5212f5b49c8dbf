"""Rendering a column at a time."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.columns import Columns, Shown, metrics
from nodescope.profiles import Row, View
from nodescope.sampler import Snapshot


class Inner(msgspec.Struct, frozen=True):
    watts: float | None = None
    fields: dict[str, float] = {}


class Thing(msgspec.Struct, frozen=True):
    name: str | None
    index: int | None
    inner: Inner | None


ROWS = (
    Row("index", "gauge", "I.", (), "index"),
    Row("watts", "gauge", "W.", (("name", "name"), ("index", "index")), "inner.watts"),
    Row("kilowatts", "gauge", "kW.", (("name", "name"),), "inner.watts", per=1000),
    Row("whole", "counter", "W.", (("inner", "inner.watts"),), "inner.watts", 3, 7, True),
    Row("scaled", "gauge", "W.", (("name", "name"), ("index", "index")), "inner.watts", 2.5),
)
NUMBERS = st.none() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
INNER = st.builds(Inner, NUMBERS, st.dictionaries(st.sampled_from("abc"), st.floats(-10, 10)))
THINGS = st.lists(st.builds(Thing, st.none() | st.text(max_size=3), st.none() | st.integers(0, 9), st.none() | INNER))


@given(THINGS)
def test_as_a_view(things: list[Thing]) -> None:
    """The families are those of a view: what is None, on the way or at its end, has no row, or no text."""
    assert Columns(ROWS).render(things) == View(ROWS).render(things)


@given(THINGS, st.lists(st.lists(st.integers(0, 20), max_size=6), max_size=5))
def test_what_is_kept_never_shows(things: list[Thing], picks: list[list[int]]) -> None:
    """Columns that have seen other records, with the very same parts in them, give the same families as new ones."""
    columns = Columns(ROWS)
    for pick in picks:
        records = [things[index % len(things)] for index in pick if things]
        assert columns.render(records) == Columns(ROWS).render(records)


def test_labels_that_stay_are_the_same_objects() -> None:
    """Of records that are new, but for what they are called, the labels are not made again."""
    columns = Columns(ROWS)
    before = columns.render([Thing("x", 0, Inner(1)), Thing("y", 1, Inner(2))])[1]
    after = columns.render([Thing("x", 0, Inner(5)), Thing("y", 1, Inner(6))])[1]
    assert [number for _, number in after.rows] == [5, 6]
    assert all(new[0] is old[0] for new, old in zip(after.rows, before.rows, strict=True))


def test_keys() -> None:
    """The last of a field's words may be the key of a dict; what is not in it has no row."""
    rows = (Row("a", "gauge", "A.", (("b", "inner.fields[b]"),), "inner.fields[a]", per=100),)
    (family,) = Columns(rows).render([Thing("x", 0, Inner(1, {"a": 50.0, "b": 2.0})), Thing("y", 1, Inner(1, {}))])
    assert family.rows == [(("2.0",), 0.5)]


def test_constants() -> None:
    """A label and a number that begin with = are that text."""
    rows = (Row("info", "gauge", "I.", (("name", "name"), ("kind", "=good")), "=1"),)
    (family,) = Columns(rows).render([Thing("x", 0, None), Thing(None, 0, None)])
    assert family.rows == [(("x", "good"), 1.0), (("", "good"), 1.0)]


def test_rows_of_one_metric_are_one_family() -> None:
    """Two rows of a profile that differ in a constant label give one family."""
    rows = tuple(
        Row("busy", "gauge", "B.", (("name", "name"), ("task", f"={task}")), field)
        for task, field in (("a", "index"), ("b", "inner.watts"), ("c", "index"))
    )
    (family,) = Columns(rows).render([Thing("x", 1, Inner(2))])
    assert family.rows == [(("x", "a"), 1), (("x", "b"), 2), (("x", "c"), 1)]
    assert metrics({Thing: rows}) == (family.metric,)


def test_kinds_apart() -> None:
    """Each kind of record goes through its own rows, and a kind without rows is left out."""
    profile: dict[type, Any] = {Thing: ROWS[:1], Inner: (Row("w", "gauge", "W.", (), "watts"),)}
    families = Shown(profile).render([Inner(5), "else", Thing(None, 3, None), 7])
    assert {family.metric.name: list(family.rows) for family in families} == {"index": [((), 3)], "w": [((), 5)]}
    assert Shown(profile).render([]) == []


def test_a_snapshot_is_rendered_once() -> None:
    """Who asks again for the same snapshot gets the same families; a new snapshot is rendered anew."""
    shown = Shown({Inner: (Row("w", "gauge", "W.", (), "watts"),)})
    first = Snapshot((Inner(1),), time.time(), time.monotonic())
    families = shown.families(first)
    assert shown.families(first) is families
    assert shown.families(Snapshot((Inner(2),), 0, 0), lambda records: [*records, Inner(3)])[0].rows == [
        ((), 2),
        ((), 3),
    ]


def test_a_field_that_is_not_there_is_an_error() -> None:
    """A profile that names a field that no record has fails, instead of showing nothing for ever."""
    with pytest.raises(AttributeError, match="volts"):
        Columns((Row("v", "gauge", "V.", (), "inner.volts"),)).render([Thing(None, None, Inner(1))])
