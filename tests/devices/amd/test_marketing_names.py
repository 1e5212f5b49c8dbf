"""Names of GPUs in the tables of libdrm and of PCI devices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.marketing_names import in_amdgpu_ids, in_pci_ids


def test_pci_ids() -> None:
    """The name is of the vendor's own device; a table that ends before has none."""
    lines = [b"1001  Other\n", b"\t74a1  Wrong\n", b"1002  AMD\n", b"\t74a1  Right\n", b"1003  Next\n", b"\t74a2  No\n"]
    assert in_pci_ids(lines, 0x74A1, 0) == "Right"
    assert in_pci_ids(lines, 0x74A2, 0) is None
    assert in_pci_ids(lines[:2], 0x74A1, 0) is None


@given(st.lists(st.binary(max_size=60) | st.text("\t74a1, 0\n", max_size=20).map(str.encode), max_size=20))
def test_any_lines(lines: list[bytes]) -> None:
    """Whatever a table says, a name is printable and never empty."""
    for name in (in_amdgpu_ids(lines, 0x74A1, 0), in_pci_ids([b"1002  AMD\n", *lines], 0x74A1, 0)):
        assert name is None or (name and name.isprintable())
