"""nodescope.kernel.date: days of the calendar."""

from __future__ import annotations

import calendar
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.date import days_in_month, days_since_1970

EPOCH = datetime.date(1970, 1, 1)


@given(st.dates())
def test_days_since_1970(date: datetime.date) -> None:
    """They are those of Python's calendar, from the year 1 to 9999."""
    assert days_since_1970(date.year, date.month, date.day) == (date - EPOCH).days


@pytest.mark.parametrize(("day", "same"), [((2023, 2, 31), (2023, 3, 3)), ((2024, 2, 30), (2024, 3, 1))])
def test_beyond_the_end(day: tuple[int, int, int], same: tuple[int, int, int]) -> None:
    """A day that its month does not have is one of the next month."""
    assert days_since_1970(*day) == days_since_1970(*same)


def test_the_year_0() -> None:
    """It is a leap year, and its last day comes before the first of the year 1."""
    assert days_since_1970(0, 12, 31) == days_since_1970(1, 1, 1) - 1
    assert days_since_1970(0, 3, 1) - days_since_1970(0, 2, 28) == 2


@given(st.integers(1, 9999), st.integers(1, 12))
def test_days_in_month(year: int, month: int) -> None:
    """They are those of Python's calendar."""
    assert days_in_month(year, month) == calendar.monthrange(year, month)[1]
