from __future__ import annotations

import pytest

from nodescope.collectors.host.odd_lines import odd_lines


@pytest.mark.parametrize(
    ("data", "used", "odd"),
    [(b"", 0, 0), (b"a\nb\n", 2, 0), (b"a\nb", 2, 0), (b"a\nb", 1, 1), (b"a\n \n\nb\n", 2, 0), (b"a\nb\nc\n", 1, 2)],
)
def test_what_was_not_used(data: bytes, used: int, odd: int) -> None:
    """Blank lines are not counted, and the last line needs no end."""
    assert odd_lines(data, used) == odd
