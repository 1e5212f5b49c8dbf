from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.pci_address import NO_PARENT, Address, parse_address, parse_place

ROOT = "../../../devices/pci0000:00"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("0000:00:02.1", ("0000", "00", "02", "1")), ("10000:E1:1f.7", ("10000", "e1", "1f", "7")),
        ("47505500:00:00.0", ("47505500", "00", "00", "0")), ("0:0:0.0", ("0000", "00", "00", "0")),
        ("0000:00:00", None), ("0000:00.0", None), ("0000:00:00.0.1", None), ("0000:00:00.g", None), ("", None),
        ("-001:00:00.0", None), ("0x00:00:00.0", None), ("1_0:00:00.0", None), ("0000:00:00.0\n", None),
        ("123456789:00:00.0", None), ("\u0660:00:00.0", None),
    ],
)  # fmt: skip
def test_addresses(name: str, address: Address | None) -> None:
    """Segment, bus, device and function, hexadecimal and of any width; anything else is no address."""
    assert parse_address(name) == address


@pytest.mark.parametrize(
    ("target", "parent"),
    [
        (f"{ROOT}/0000:00:02.1", NO_PARENT), (f"{ROOT}/0000:00:02.1/0000:01:00.0", ("0000", "00", "02", "1")),
        (f"{ROOT}/0000:00:0e.0/pci10000:e0/10000:e0:06.0", NO_PARENT), ("0000:01:00.0", NO_PARENT),
        ("../../../devices/platform/soc/0000:01:00.0", NO_PARENT),
    ],
)  # fmt: skip
def test_parents(target: str, parent: Address) -> None:
    """The bridge above is the parent; a host bridge or what is no PCI device is none."""
    place = parse_place(target)
    assert place is not None
    assert place[1] == parent


@given(st.text())
def test_any_text(name: str) -> None:
    """Whatever a link says, there is a place or none."""
    place = parse_place(name)
    assert place is None or all(len(labels) == 4 for labels in place)
