"""Days of the Gregorian calendar, which is counted on before its time, as ISO 8601 does.

Here because Python's own are 0.4 MB, of which nothing else is used.
"""

from __future__ import annotations

from typing import Final

SECONDS_PER_DAY: Final = 86_400

_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_BEFORE_1970: Final = 719_528
"""From the first day of the year 0."""


def days_in_month(year: int, month: int) -> int:
    return _DAYS_IN_MONTH[month - 1] + (month == 2 and _is_leap(year))


def days_since_1970(year: int, month: int, day: int) -> int:
    """Below 0 before. A day beyond the end of its month is one of the next; `year` from 0, `month` from 1 to 12."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400 + 1
    in_year = sum(_DAYS_IN_MONTH[: month - 1]) + (month > 2 and _is_leap(year)) + day - 1
    return year * 365 + leap_days + in_year - _DAYS_BEFORE_1970


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
