"""What is kept of a scrape never shows in the next."""

from __future__ import annotations

import sys
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.metric import Family, Metric, single

DISKS = Metric("disk_bytes_total", "counter", "Bytes.", ("device",))
LOAD = Metric("load1", "gauge", "Load.")


def test_the_very_same_rows_give_the_very_same_text() -> None:
    """A tuple that comes again is written again, also after other rows came between, and under the limit."""
    encoder = TextEncoder(max_series=2)
    one, other = Family(DISKS, ((("sda",), 1), (("sdb",), 2))), Family(DISKS, ((("sda",), 3),))
    texts = [encoder.encode([family]).decode() for family in (one, one, other, one, one)]
    assert texts[0] == texts[1] == texts[3] == texts[4] != texts[2]
    assert encoder.series == 2
    assert encoder.encode([single(LOAD, 1), one]).decode().count("disk_bytes_total{") == 2
    assert encoder.truncated == 1


def test_many_rows_are_written_like_few() -> None:
    """A family of hundreds of rows is right each time: with other numbers, fewer rows, another order."""
    rows = [((f"sd{index}",), index) for index in range(400)]
    scrapes = (rows, rows, [(labels, value + 1) for labels, value in rows], rows[1:], rows[::-1], rows)
    kept = TextEncoder()
    for scrape in scrapes:
        assert kept.encode([Family(DISKS, scrape)]) == TextEncoder().encode([Family(DISKS, list(scrape))])
        assert kept.series == len(scrape)


ENCODERS = st.sampled_from([TextEncoder, OpenMetricsEncoder])
NAMES = st.sampled_from(["a", "a_total", "b_total", "c"])
TYPES = st.sampled_from(["gauge", "counter"])
ROWS = st.lists(st.tuples(st.tuples(st.text(max_size=5)), st.floats()), max_size=8).map(tuple)
FAMILIES = st.builds(lambda name, kind, rows: Family(Metric(name, kind, "h", ("l",)), rows), NAMES, TYPES, ROWS)


PICKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=5)
"""Of a pool the families of one scrape, each as it is (0) or with other numbers."""


def renumbered(family: Family, more: int) -> Family:
    return Family(family.metric, tuple((labels, value + more) for labels, value in family.rows)) if more else family


@given(
    ENCODERS,
    st.lists(FAMILIES, min_size=1, max_size=6),
    PICKS,
    st.lists(PICKS, max_size=4),
    st.sampled_from([3, sys.maxsize]),
)
def test_what_is_kept_never_shows(
    encoder: type[TextEncoder],
    pool: list[Family],
    usual: list[tuple[int, int]],
    others: list[list[tuple[int, int]]],
    max_series: int,
) -> None:
    """An encoder that has seen other scrapes, with the very same rows among them, writes the same text as a new one."""
    kept = encoder(max_series=max_series)
    scrapes = [usual, usual]
    for other in others:
        scrapes += [[(index, more + 1) for index, more in usual], other, usual]
    for scrape in scrapes:
        families = [renumbered(pool[index % len(pool)], more) for index, more in scrape]
        fresh = encoder(max_series=max_series)
        assert kept.encode(families) == fresh.encode(families)
        assert kept.duplicates == fresh.duplicates
        assert (kept.series, kept.truncated) == (fresh.series, fresh.truncated)


@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_a_page_of_the_same_families_follows_each_of_them(changes: list[int]) -> None:
    """Families that stay, get another number, lose their rows or get more are each right in the next page."""
    pool = [Family(Metric(f"m{index}", "gauge", "h", ("l",)), ((("a",), index), (("b",), 1))) for index in range(7)]
    pool.append(Family(DISKS, [((f"sd{index}",), index) for index in range(250)]))
    changed: dict[int, Callable[[Family], Family]] = {
        0: lambda family: family,
        1: lambda family: renumbered(family, 1),
        2: lambda family: Family(family.metric, ()),
        3: lambda family: Family(family.metric, (*family.rows, (("z",), 0.5))),
    }
    kept = TextEncoder()
    after = [changed[change](family) for change, family in zip(changes, pool, strict=True)]
    for families in (pool, pool, after, after, pool):
        fresh = TextEncoder()
        assert kept.encode(families) == fresh.encode(families)
        assert kept.series == fresh.series
