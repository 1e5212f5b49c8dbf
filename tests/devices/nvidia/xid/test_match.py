from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.xid.match import KEPT_S, MAX_KEYS, MAX_OPEN_OF_KEY, Matches

KEY: Final = ("GPU-a", 31)
A, B, C = 1, 2, 4
NOW: Final = 1_700_000_000.0


def count(reports: list[tuple[int, float]], sources: int = A | B) -> int:
    """How many errors these reports (source, seconds) are."""
    matches = Matches()
    return sum(not matches.joined(KEY, source, sources, NOW + at, NOW) for source, at in reports)


@pytest.mark.parametrize(
    ("reports", "errors"),
    [
        ([(A, 0), (B, 1)], 1),
        ([(B, 1), (A, 0)], 1),
        ([(A, 0), (B, 4.9)], 1),
        ([(A, 0), (B, 5.2)], 2),
        ([(B, 5.2), (A, 0)], 2),
        ([(A, 0), (A, 0)], 2),
        ([(A, 0), (B, 0), (B, 0)], 2),
        ([(A, 0), (B, 0), (B, 0), (A, 0)], 2),
        ([(A, 0), (A, 4), (B, 4.5), (B, 8.5)], 2),
        ([(A, 0), (B, 0), (C, 0)], 1),
        ([(C, 0), (A, 0), (B, 0), (C, 0)], 2),
        ([(C, 1), (B, 0)], 1),
    ],
)
def test_one_to_one(reports: list[tuple[int, float]], errors: int) -> None:
    """A report joins one error that its source has not told of, at most five seconds away, in either order."""
    assert count(reports, A | B | C) == errors


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.floats(0, 4.8), st.sampled_from([(A, B), (B, A), (A,), (B,)])), max_size=60
    ),
    st.randoms(use_true_random=False),
)
def test_no_error_is_lost(errors: list[tuple[float, float, tuple[int, ...]]], random: object) -> None:
    """However errors are reported there are at least as many as the busier source tells of, at most all reports."""
    reports = [(source, at + delay * turn) for at, delay, told in errors for turn, source in enumerate(told)]
    reports.sort(key=lambda report: report[1])
    told_by = [sum(source == one for source, _ in reports) for one in (A, B)]
    assert max(told_by) <= count(reports) <= len(reports)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 2.4), st.floats(0, 2.4)), max_size=200))
def test_two_sources_that_tell_of_all(errors: list[tuple[float, float, float]]) -> None:
    """Where both sources tell of every error, each late by less than half of the limit, the count is exact."""
    reports = [(A, at + late) for at, late, _ in errors] + [(B, at + late) for at, _, late in errors]
    assert count(sorted(reports, key=lambda report: report[1])) == len(errors)


@pytest.mark.parametrize("order", ["alternating", "one after the other"])
def test_storm(order: str) -> None:
    """Ten thousand errors in a second, of both sources, are ten thousand, and cost a few numbers."""
    times = [number / 10_000 for number in range(10_000)]
    reports = [(source, at) for at in times for source in (A, B)]
    if order != "alternating":
        reports.sort()
    assert count(reports) == 10_000


def test_what_is_told_of_is_forgotten() -> None:
    """Nothing is kept of an error that every source has told of, nor of others after a minute."""
    matches = Matches()
    for source in (A, B):
        matches.joined(KEY, source, A | B, NOW, NOW)
    assert matches.saved() == []
    matches.joined(KEY, A, A | B, NOW, NOW)
    matches.prune(NOW + KEPT_S)
    assert len(matches.saved()) == 1
    matches.prune(NOW + KEPT_S + 1)
    assert matches.saved() == []


def test_clock_that_was_set_back() -> None:
    """What began in the future is forgotten at once."""
    matches = Matches()
    matches.joined(KEY, A, A | B, NOW, NOW)
    matches.prune(NOW - 1)
    assert matches.saved() == []


def test_bounds() -> None:
    """Errors and GPUs beyond the limits push out the oldest."""
    matches = Matches()
    for number in range(3 * MAX_OPEN_OF_KEY):
        matches.joined(KEY, A, A | B, NOW + number, NOW)
    assert len(matches.saved()) == MAX_OPEN_OF_KEY
    for number in range(3 * MAX_KEYS):
        matches.joined(("GPU-b", number), A, A | B, NOW, NOW)
    assert len(matches.saved()) == MAX_KEYS
    assert matches.joined(("GPU-b", 3 * MAX_KEYS - 1), B, A | B, NOW, NOW)


def test_moved() -> None:
    """What two keys tell of one error is joined when they turn out to be one, and the rest stays open."""
    matches = Matches()
    other = ("0000:18:00", 31)
    for at in (0, 0, 0, 30):
        matches.joined(other, B, A | B, NOW + at, NOW)
    for at in (1, 1, 60):
        matches.joined(KEY, A, A | B, NOW + at, NOW)
    assert matches.moved(other, KEY, A | B, NOW) == [(int(NOW), 2)]
    assert {(open_.key, open_.told, open_.errors) for open_ in matches.saved()} == {(KEY, B, 1), (KEY, A, 1)}
    assert matches.joined(KEY, A, A | B, NOW + 30, NOW)


def test_saved_and_restored() -> None:
    """What is restored is joined as what was saved would have been."""
    matches, restored = Matches(), Matches()
    matches.joined(KEY, A, A | B, NOW, NOW)
    restored.restore(matches.saved(), NOW)
    assert restored.joined(KEY, B, A | B, NOW + 1, NOW)
    assert not restored.joined(KEY, B, A | B, NOW + 1, NOW)
