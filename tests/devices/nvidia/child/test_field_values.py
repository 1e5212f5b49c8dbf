"""Tests of how the numbers of field values are read."""

from __future__ import annotations

import ctypes
import math
import struct

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.child.field_values import LAYOUT, number_in


def raw(value: float, code: str) -> int:
    return int.from_bytes(struct.pack(code, value).ljust(8, b"\xee"), "little")


@pytest.mark.parametrize(
    ("code", "value_type", "value"),
    [
        ("d", 0, 43.25),
        ("I", 1, 4294967295),
        ("Q", 2, 1 << 63),
        ("Q", 3, (1 << 64) - 1),
        ("q", 4, -5),
        ("i", 5, -8),
        ("H", 6, 65535),
    ],
)
def test_each_type_has_its_member(code: str, value_type: int, value: float) -> None:
    """The member of the union that the type names is read, whatever lies behind it."""
    assert number_in(raw(value, code), value_type) == value


def test_the_memorys_temperature_is_unsigned() -> None:
    """The memory's temperature is read as unsigned int where the driver calls it a double."""
    assert number_in(raw(48, "I"), 0, field=82) == 48
    assert number_in(raw(0, "I"), 1, field=82) is None  # a board without a sensor there


@pytest.mark.parametrize(("value", "value_type"), [(math.nan, 0), (math.inf, 0), (1.0, 7), (1.0, -1)])
def test_what_is_no_number_is_unknown(value: float, value_type: int) -> None:
    """A double that is no number, and a type that is not known, give nothing."""
    assert number_in(raw(value, "d"), value_type) is None


@given(st.integers(0, (1 << 64) - 1), st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, 400))
def test_any_bytes_are_read(value: int, value_type: int, field: int) -> None:
    """Whatever the driver wrote, the result is a finite number or nothing."""
    number = number_in(value, value_type, field)
    assert number is None or math.isfinite(number)


def test_the_layout_is_that_of_the_structure() -> None:
    """The rows that are unpacked lie as nvidia-ml-py's structure does."""
    row = pynvml.c_nvmlFieldValue_t(1, 2, 3, 4, 5, 6)
    row.value.ullVal = 7
    assert LAYOUT.unpack(bytes(memoryview(row))) == (1, 2, 3, 4, 5, 6, 7)
    assert LAYOUT.size == ctypes.sizeof(pynvml.c_nvmlFieldValue_t)
