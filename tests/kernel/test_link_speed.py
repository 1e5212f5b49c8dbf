"""The speed of a PCI Express link as kernels write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.link_speed import gigatransfers


@pytest.mark.parametrize(
    ("raw", "speed"),
    [(b"32.0 GT/s PCIe", 32.0), (b"2.5 GT/s", 2.5), (b"8 GT/s", 8.0), (b"Unknown", None), (b"8 Gb/s", None)],
)
def test_each_spelling(raw: bytes, speed: float | None) -> None:
    """Speeds of newer and older kernels are numbers, what is no speed is none."""
    assert gigatransfers(raw) == speed


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    """Any bytes are a number or nothing."""
    assert isinstance(gigatransfers(raw), float | None)
