"""Numbers are spelled as every Go exporter spells them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.exposition.number import number


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (-1, "-1"),
        (True, "1"),
        (0.5, "0.5"),
        (9 * 0.001, "0.009000000000000001"),
        (999_999, "999999"),
        (1_000_000, "1e+06"),
        (1_234_567, "1.234567e+06"),
        (-1_234_567, "-1.234567e+06"),
        (1_234_567.25, "1.23456725e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-05, "1.5e-05"),
        (2**64 - 1, "1.8446744073709552e+19"),
        (2**53 + 1, "9.007199254740992e+15"),
        (1e21, "1e+21"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        pytest.param(10**400, "+Inf", id="huge"),
        pytest.param(-(10**400), "-Inf", id="-huge"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (1795215239, "1.795215239e+09"),
    ],
)
def test_known_spellings(value: float, spelled: str) -> None:
    """The exponent form is used below 1e-4 and from 1e6 on, with two exponent digits."""
    assert number(value) == spelled


@given(st.floats(allow_nan=False))
def test_a_spelling_parses_to_the_same_number(value: float) -> None:
    """Nothing is lost: the text reads back as the same float64."""
    assert float(number(value)) == value


@given(st.integers(min_value=-(2**64), max_value=2**64))
def test_an_integer_is_spelled_as_its_float(value: int) -> None:
    """An int and the float64 it stands for have one spelling."""
    assert number(value) == number(float(value))
