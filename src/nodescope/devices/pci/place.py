"""Where a device is in the PCI tree, from where its symbolic link in /sys/bus/pci/devices leads."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_PARTS: Final = 256

# A domain has more than four digits where a driver (VMD) or a hypervisor makes its host bridge.
_ADDRESS: Final = re.compile("[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]")
_ROOT: Final = re.compile("pci[0-9a-f]{4,8}:[0-9a-f]{2}")


class Place(NamedTuple):
    """`above`: the addresses on the way, the one next to the host bridge first. `root`: the host bridge's name.

    `at_root`: whether it stands right below a host bridge, which may be one that a device (VMD) makes.
    """

    address: str
    above: tuple[str, ...]
    root: str | None
    at_root: bool

    @property
    def parent(self) -> str | None:
        return self.above[-1] if self.above else None


def is_address(name: str) -> bool:
    """Whether `name` is a PCI address as sysfs writes it, "0000:18:00.0" or "10000:e1:00.0"."""
    return _ADDRESS.fullmatch(name) is not None


def place_of(target: str) -> Place | None:
    """The place of the device that the path `target` leads to or through; None where there is no PCI device in it.

    What is below a device (".../0000:18:00.0/net/eth0") is at that device.
    """
    root: str | None = None
    addresses: list[str] = []
    at_root, before = False, ""
    for part in target.split("/")[:MAX_PARTS]:
        if is_address(part):
            addresses.append(part)
            at_root = _ROOT.fullmatch(before) is not None
        elif root is None and _ROOT.fullmatch(part):
            root = part
        before = part
    if not addresses:
        return None
    return Place(addresses[-1], tuple(addresses[:-1]), root, at_root)
