"""Counts of errors and pages out of use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.ras import (
    BadPages,
    parse_bad_pages,
    parse_counts,
    parse_features,
    readings,
    totals,
)
from nodescope.host import Malformed


def test_counts() -> None:
    """Each kind of error has its number; a block that does not defer errors has no such kind."""
    assert parse_counts(b"ue: 1\nce: 20\n", "umc") == {"uncorrected": 1, "corrected": 20}
    assert parse_counts(b"ue: 0\nce: 1\nde: 7\n", "umc")["deferred"] == 7
    assert parse_counts(b"Query currently inaccessible\n", "umc") == {}
    assert parse_counts(b"", "umc") == {}
    with pytest.raises(Malformed, match="umc"):
        parse_counts(b"ue: -1\nce: many\n", "umc")


def test_totals() -> None:
    """Sums go over all blocks; what none of them tells has no sum."""
    eccs = [*readings("umc", {"corrected": 2}), *readings("gfx", {"corrected": 3, "uncorrected": 0})]
    assert totals(eccs) == {"ecc_corrected_volatile_errors": 5, "ecc_uncorrected_volatile_errors": 0}
    assert totals([]) == {}


def test_bad_pages() -> None:
    """Pages are counted by their flags, as many as there are; a board without bad ones has none."""
    line = b"0x00000a7f : 0x00001000 : %c\n"
    assert parse_bad_pages(line % b"R" * 300 + line % b"P" + line % b"F" * 2, "pages") == BadPages(300, 1, 2)
    assert parse_bad_pages(b"", "pages") == BadPages()
    assert parse_bad_pages(b"\0\0\n", "pages") == BadPages()
    with pytest.raises(Malformed, match="pages"):
        parse_bad_pages(b"none\n", "pages")


def test_features() -> None:
    """The mask is read in the base that it is written in."""
    assert parse_features(b"feature mask: 0x6fbff\n") == 0x6FBFF
    assert parse_features(b"feature mask:") is None
    assert parse_features(b"nothing") is None


@given(st.binary(max_size=200) | st.text("uecd: 0123\nxRPF", max_size=80).map(str.encode))
@pytest.mark.parametrize("parse", [parse_counts, parse_bad_pages])
def test_any_bytes(parse: Callable[[bytes, str], object], data: bytes) -> None:
    """Whatever a file says, it is malformed or numbers that are not negative."""
    try:
        found = parse(data, "ras")
    except Malformed:
        return
    numbers = found.values() if isinstance(found, dict) else found
    assert all(number >= 0 for number in numbers)  # type: ignore[attr-defined]
    parse_features(data)
