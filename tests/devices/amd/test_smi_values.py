"""Values as AMD's tools write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.amd import smi_values
from nodescope.devices.amd.smi_values import UNITS, name, number, pcie_generation, quantity, small, unique_number
from nodescope.records.amd_static import Quantity

WRITTEN = st.integers() | st.text()


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ({"value": 140, "unit": "W"}, "milliwatts", 140_000),
        ("1200 W", "milliwatts", 1_200_000),
        ("128.0", "milliwatts", 128_000),
        (140, "milliwatts", 140_000),
        ({"value": "12.5", "unit": "mW"}, "milliwatts", 12),
        ({"value": 196592, "unit": "MB"}, "mebibytes", 196592 << 20),
        ({"value": 192, "unit": "GB"}, "mebibytes", 192 << 30),
        ({"value": 1.5, "unit": "GiB"}, "mebibytes", 3 << 29),
        (16368, "mebibytes", 16368 << 20),
        ({"value": 420, "unit": "B"}, "bytes", 420),
        ("205822885888", "bytes", 205822885888),
        ({"value": 14292727.274, "unit": "J"}, "millijoules", 14292727274),
        ("1300 MHz", "megahertz", 1300),
        ("2.1 GHz", "megahertz", 2100),
        ({"value": -5, "unit": "C"}, "celsius", -5),
        ("53.0", "celsius", 53.0),
        ("47 \N{DEGREE SIGN}C", "celsius", 47),
        ("0 %", "percent", 0),
        ({"value": 512, "unit": "Gb/s"}, "megabits_per_second", 512_000),
        (65535, "count", 65535),
    ],
)
def test_numbers(value: Any, kind: str, expected: float) -> None:
    """A number is in the record's unit, by the unit that is written; memory in powers of 1024."""
    assert number(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("N/A", "percent"), (None, "percent"), ({"value": "N/A", "unit": "GB/s"}, "transfers"), ({}, "percent"),
        ("N/A (Secondary die)", "milliwatts"), ("", "count"), (True, "count"), ([], "count"), ("12 Wx", "milliwatts"),
        ({"value": 12, "unit": "C"}, "milliwatts"), (0xFFFF, "milliwatts"), (0xFFFF, "celsius"), (-1, "percent"),
        (0xFFFFFFFF, "count"), (2**64 - 1, "bytes"), (float("inf"), "percent"), ("1 2 3", "count"), ("0x1", "percent"),
    ],
)  # fmt: skip
def test_no_numbers(value: Any, kind: str) -> None:
    """What is not there, not a number, in another quantity's unit or all bits one is unknown, never 0."""
    assert number(value, kind) is None


def test_names() -> None:
    """A name is as it is written; "N/A" and its like, and an error in its place, are none."""
    assert [name(value) for value in (" MI300X ", 16, "0x74a1")] == ["MI300X", "16", "0x74a1"]
    absent: tuple[Any, ...] = (
        "N/A",
        "",
        "None",
        "AMDSMI_STATUS_NOT_SUPPORTED - x",
        "Error code: 2",
        None,
        True,
        {},
        "N/A (Secondary die)",
    )
    assert [name(value) for value in absent] == [None] * len(absent)
    assert len(name("x" * 10_000) or "") == 256


def test_unique_numbers() -> None:
    """A unique number is in the kernel's form, whatever the tool's; 0 and all bits one are none."""
    assert unique_number("0x4EDFB117A17A07D") == "04edfb117a17a07d"
    assert [unique_number(value) for value in ("0x0", "N/A", "0xFFFFFFFFFFFFFFFF", "12 34", None, "0x" + "1" * 17)] == [
        None
    ] * 6


def test_quantities_and_small_numbers() -> None:
    """A quantity keeps its unit or gets the usual one; a number may be in hex; 16 bits of one are none."""
    assert quantity({"value": 300, "unit": "W"}, "x") == Quantity(300, "W")
    assert quantity(65520, "MB") == Quantity(65520, "MB")
    assert quantity("N/A", "W") is None
    assert [small(value) for value in ({"value": 8192, "unit": "bit"}, "x16")] == [8192, 16]
    assert [small(value) for value in ("0", 4, "0x10", "N/A", 0xFFFF, "0xffffffff", -1)] == [
        0,
        4,
        16,
        None,
        None,
        None,
        None,
    ]


def test_generations() -> None:
    """The speed of a lane tells the generation of PCI Express."""
    speeds = ({"value": 32, "unit": "GT/s"}, "2.5 GT/s", 16, {"value": 8000, "unit": "MT/s"}, "7 GT/s", "N/A")
    assert [pcie_generation(value) for value in speeds] == [5, 1, 4, 3, None, None]


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(UNITS)),
    st.none() | st.integers() | st.floats() | st.text() | st.dictionaries(st.sampled_from(["value", "unit"]), WRITTEN),
)
def test_anything(kind: str, value: Any) -> None:
    """Whatever is written, it is a number that is not below 0 unless it may be, or nothing."""
    found = number(value, kind)
    assert found is None or found >= 0 or kind in smi_values.SIGNED
    for read in (name, small, unique_number, pcie_generation, smi_values.kernel_address):
        read(value)
