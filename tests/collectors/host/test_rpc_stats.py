from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host import nfs, nfsd
from nodescope.collectors.host.rpc_stats import Line, Shown, parse_line, parse_rpc, procedures
from nodescope.host import Malformed
from nodescope.metric import Metric
from tests.collectors.host.machine import mangled, parses_or_refuses

CALLS = Metric("node_calls_total", "counter", "Calls.", ("proto", "method"))
FIXED = Line(2, (Shown(0, CALLS),))
LONGER = Line(2, (Shown(0, CALLS),), more=True)
COUNTED = Line(2, procedures(CALLS, "4", "A B C"), procedures=True)


@pytest.mark.parametrize(
    ("words", "line", "expected"),
    [
        (b"x 1 2", FIXED, [1, 2]),
        (b"x 1 2 3", FIXED, None),
        (b"x 1", FIXED, None),
        (b"x", FIXED, None),
        (b"x 1 -2", FIXED, None),
        (b"x 1 2 0.000 0.000", LONGER, [1, 2]),
        (b"x 1", LONGER, None),
        (b"x 2 7 8", COUNTED, [2, 7, 8]),
        (b"x 4 7 8 9 10", COUNTED, [4, 7, 8, 9, 10]),
        (b"x 1 7", COUNTED, None),
        (b"x 3 7 8", COUNTED, None),
        (b"x 2 7 8 9", COUNTED, None),
        (b"x 18446744073709551615 7 8", COUNTED, None),
        (b"x", COUNTED, None),
    ],
)
def test_line(words: bytes, line: Line, expected: list[int] | None) -> None:
    """A line has the documented number of numbers, or as many as its first number says."""
    assert parse_line(words.split(), line) == expected


def test_procedures() -> None:
    """Positions count from the number behind the count; - keeps its place and is not shown."""
    assert procedures(CALLS, "4", "A - C") == (Shown(1, CALLS, ("4", "A")), Shown(3, CALLS, ("4", "C")))


def test_left_out() -> None:
    """Unknown, broken and repeated lines are counted, and the first of two counts."""
    found = parse_rpc(b"x 1 2\n\nx 3 4\ny 1\nz 1 2\n", "nfs", {b"x": FIXED, b"y": FIXED})
    assert found == ({b"x": [1, 2]}, {b"x", b"y", b"z"}, 3)


@pytest.mark.parametrize("data", [b"", b"\n", b"unknown 1 2\n", b"x 1\n"])
def test_malformed(data: bytes) -> None:
    """A file without one good line is refused, and the message names what was expected."""
    with pytest.raises(Malformed, match="nfs: expected lines of a word and numbers: x, y, got"):
        parse_rpc(data, "nfs", {b"x": FIXED, b"y": FIXED})


@given(mangled(b"net 70 70 69 45\nproc2 18 16 57 74 52 71 73 45 86 0 52 83 61 17 53 50 23 70 82\nproc4 2 2 10853\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    for lines in (nfs.LINES, nfsd.LINES):
        parses_or_refuses(partial(parse_rpc, data, "rpc", lines))


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_counted(numbers: list[int]) -> None:
    """However many procedures a kernel knows, all their numbers are read."""
    words = [b"proc4", b"%d" % len(numbers), *(b"%d" % number for number in numbers)]
    assert parse_line(words, nfs.LINES[b"proc4"]) == [len(numbers), *numbers]
