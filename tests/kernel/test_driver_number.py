from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.driver_number import int64_any_base


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0), (b"-0", 0), (b"0x10", 16), (b"-0x10", -16), (b"020", 16), (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775807", 2**63 - 1), (b"9223372036854775808", None), (b"-9223372036854775809", None),
        (b"", None), (b"-", None), (b"--1", None), (b"+1", None), (b"- 1", None), (b"1_0", None), (b"1.0", None),
        (b"\xd9\xa1", None),
    ],
)  # fmt: skip
def test_signed_numbers(raw: bytes, value: int | None) -> None:
    """Decimal, hexadecimal and octal numbers of 64 bits, with a minus at most in front."""
    assert int64_any_base(raw) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_number(value: int) -> None:
    """Every number that has 64 bits is read as it was written."""
    assert int64_any_base(str(value).encode()) == value


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are, they are a number or not."""
    value = int64_any_base(data)
    assert value is None or -(2**63) <= value < 2**63
