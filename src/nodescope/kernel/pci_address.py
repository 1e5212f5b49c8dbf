"""Where a PCI device is: segment (or domain), bus, device, function. Source: sysfs-bus-pci, DDDD:BB:DD.F."""

from __future__ import annotations

import re
from typing import Final

Address = tuple[str, str, str, str]
"""Segment, bus, device, function, as labels: at least 4, 2, 2 and 1 hexadecimal digits."""

ADDRESS_LABELS: Final = ("segment", "bus", "device", "function")
NO_PARENT: Final[Address] = ("*", "*", "*", "*")

# A segment has more than four digits where a host bridge is made by a driver (VMD) or a hypervisor.
_ADDRESS: Final = re.compile("([0-9a-fA-F]{1,8}):([0-9a-fA-F]{1,8}):([0-9a-fA-F]{1,8})\\.([0-9a-fA-F]{1,8})")
_WIDTHS: Final = (4, 2, 2, 1)


def parse_address(name: str) -> Address | None:
    """The address that a device is named by."""
    found = _ADDRESS.fullmatch(name)
    if found is None:
        return None
    segment, bus, device, function = (
        f"{int(digits, 16):0{width}x}" for digits, width in zip(found.groups(), _WIDTHS, strict=True)
    )
    return segment, bus, device, function


def parse_place(target: str) -> tuple[Address, Address] | None:
    """Address of a device and of the bridge that it is behind, from where its symbolic link leads.

    What stands right below a host bridge, or below anything that is no PCI device, has `NO_PARENT`.
    """
    above, _, name = target.rstrip("/").rpartition("/")
    address = parse_address(name)
    if address is None:
        return None
    return address, parse_address(above.rpartition("/")[2]) or NO_PARENT
