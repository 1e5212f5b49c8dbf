"""How fast a PCI Express link is, as the kernel writes it. Source: Documentation/ABI/testing/sysfs-bus-pci."""

from __future__ import annotations

from typing import Final

from nodescope.kernel.number import decimal

_UNITS: Final = frozenset({b"GT/s PCIe", b"GT/s"})
"""The second before Linux 5.7."""


def gigatransfers(raw: bytes) -> float | None:
    """Gigatransfers per second of "32.0 GT/s PCIe", or "8 GT/s"; None for "Unknown" and all else."""
    number, _, unit = raw.partition(b" ")
    return decimal(number) if unit in _UNITS else None
