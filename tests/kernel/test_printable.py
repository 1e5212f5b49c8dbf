"""What cannot be shown is a question mark."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.printable import printable


def test_what_cannot_be_shown() -> None:
    """Ends of lines and signs that steer a terminal are question marks, letters of any language stay."""
    assert printable("a\nb\x1b[0m\u202e \u00e9") == "a?b?[0m? \u00e9"


@given(st.text())
def test_any_text(said: str) -> None:
    """Whatever is said can be shown, and is as long as it was."""
    assert printable(said).isprintable()
    assert len(printable(said)) == len(said)
