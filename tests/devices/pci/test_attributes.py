"""Attributes of PCI devices, good and odd."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.pci.attributes import (
    MAX_GIGATRANSFERS,
    WIDTHS,
    aer_total,
    hexadecimal,
    link_speed,
    link_width,
    local_cpus,
    numa_node,
)
from nodescope.devices.pci.place import is_address, place_of
from nodescope.host import Malformed

ODD = st.one_of(
    st.binary(max_size=80),
    st.from_regex(rb"\A[0-9.eE+-]{1,20} GT/s( PCIe)?\Z"),
    st.from_regex(rb"\ATOTAL_ERR_[A-Z]{1,5} [0-9]{0,25}\n?\Z"),
    st.from_regex(rb"\A0x[0-9a-f]{0,20}\Z"),
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"32.0 GT/s PCIe", 32.0),
        (b"2.5 GT/s PCIe", 2.5),
        (b"8 GT/s", 8.0),
        (b"64.0 GT/s PCIe", 64.0),
        (b"Unknown", None),
        (b"Unknown speed", None),
        (b"0.0 GT/s PCIe", None),
        (b"nan GT/s PCIe", None),
        (b"8 GB/s", None),
        (b"", None),
    ],
)
def test_link_speed(raw: bytes, expected: float | None) -> None:
    """Speeds of old and new kernels are read; unknown is None."""
    assert link_speed(raw) == expected


def test_hexadecimal() -> None:
    """Ids have the digits they should; what has more is none."""
    assert hexadecimal(b"0x038000", 6) == "038000"
    assert hexadecimal(b"0x02", 4) == "0002"
    assert hexadecimal(b"0x0", 2) == "00"
    assert hexadecimal(b"0x10002", 4) is None
    assert hexadecimal(b"1002", 4) is None


@given(ODD)
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    """Whatever a file holds, each parser gives a plausible value, None, or says what is malformed."""
    speed, width, node = link_speed(raw), link_width(raw), numa_node(raw)
    assert speed is None or 0 < speed <= MAX_GIGATRANSFERS
    assert width is None or width in WIDTHS
    assert node is None or 0 <= node < 100_000
    assert (local_cpus(raw) or "0")[0].isdigit()
    assert len(hexadecimal(raw, 4) or "0000") == 4
    with contextlib.suppress(Malformed):
        assert 0 <= aer_total(raw, "aer_dev_fatal") < 2**64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0000:18:00.0", True),
        ("10000:e1:00.0", True),
        ("0000:18:00.8", False),
        ("000:18:00.0", False),
        ("0000:18:00", False),
        ("0000:18:00.0\n", False),
    ],
)
def test_addresses(name: str, expected: bool) -> None:
    """Domains have four digits or more, functions are 0 to 7."""
    assert is_address(name) is expected


@given(st.text(alphabet="0123456789abcdef:./pci", max_size=200))
def test_any_path_has_a_place_or_none(target: str) -> None:
    """Wherever a link leads, its place is an address with addresses above it, or None."""
    place = place_of(target)
    assert place is None or all(map(is_address, (place.address, *place.above)))
