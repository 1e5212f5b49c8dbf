from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.number import decimal, uint64, uint64_any_base, uint64s
from tests.collectors.host.machine import ODD_WORDS

words = st.sampled_from(ODD_WORDS) | st.binary(max_size=12)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0), (b"007", 7), (b"18446744073709551615", 2**64 - 1), (b"18446744073709551616", None), (b"", None),
        (b"-1", None), (b"+1", None), (b" 1", None), (b"1_0", None), (b"1.0", None), (b"9" * 5000, None),
    ],
)  # fmt: skip
def test_uint64(raw: bytes, value: int | None) -> None:
    """Digits alone are a number, up to 64 bits."""
    assert uint64(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0), (b"10", 10), (b"010", 8), (b"0x10", 16), (b"0XfF", 255), (b"0b101", 5), (b"0o17", 15), (b"08", None),
        (b"0x", None), (b"0x1_0", None), (b"-010", None), (b"0xffffffffffffffffff", None), (b"0" * 5000, None),
    ],
)  # fmt: skip
def test_uint64_any_base(raw: bytes, value: int | None) -> None:
    """A prefix chooses the base, as in C."""
    assert uint64_any_base(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1.0), (b"-0.25", -0.25), (b"1e3", 1000.0), (b"nan", None), (b"inf", None), (b"1e400", None),
        (b"1_0", None), (b"", None), (b"0x1p3", None), (b"9" * 5000, None),
    ],
)  # fmt: skip
def test_decimal(raw: bytes, value: float | None) -> None:
    """A finite decimal number is one, anything else is not."""
    assert decimal(raw) == value


@given(st.lists(words.filter(len), max_size=20))
def test_many_at_once_are_as_each_alone(raw: list[bytes]) -> None:
    """`uint64s` gives what `uint64` gives for each word, and nothing where one is no number."""
    alone = [uint64(word) for word in raw]
    expected = [value for value in alone if value is not None]
    assert uint64s(raw) == (expected if len(expected) == len(alone) else [])


@given(words)
def test_whatever_comes_gives_a_number_or_none(raw: bytes) -> None:
    """No bytes make a reader of numbers fail, and none gives one that is not finite."""
    for value in (uint64(raw), uint64_any_base(raw), decimal(raw)):
        assert value is None or math.isfinite(value)


def test_a_number_of_thousands_of_digits_among_many() -> None:
    """One number beyond what Python reads spoils the line, and raises nothing."""
    assert uint64s([b"1"] * 100 + [b"9" * 5000]) == []
