"""tools.generate_docs: how values and tables are written."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.settings import TABLE
from tools.generate_docs import default_text, settings_page
from tools.markdown import table


@pytest.mark.parametrize(
    ("default", "text"),
    [(True, "`true`"), ("", ""), ((), ""), (("a", "b"), "`a,b`"), ({}, ""), (9.5, "`9.5`"), (10.0, "`10`"), (0, "`0`")],
)
def test_defaults_are_written_as_one_would_give_them(default: Any, text: str) -> None:
    """A default is the text that one would give as a flag; an empty one is nothing."""
    assert default_text(default) == text


def test_a_bar_in_a_cell_does_not_split_it() -> None:
    """`|` is escaped in table cells."""
    assert table(("a",), [("x|y",)]).splitlines()[-1] == r"| x\|y |"


def test_every_setting_has_a_row() -> None:
    """The page names every key of the table, once."""
    page = settings_page()
    assert [setting.key for setting in TABLE if page.count(f"| `{setting.key}` |") != 1] == []
