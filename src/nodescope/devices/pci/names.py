"""What drivers made of PCI devices: RDMA devices, network interfaces, NVMe controllers, DRM nodes.

*Source*: the symbolic links of /sys/class/{infiniband,net,nvme,drm}, each of which leads through its PCI device, also
where there is another device between (virtio, auxiliary). Cost: one readlink(2) for each.
"""

from __future__ import annotations

import os
import re
from typing import Final

from nodescope.devices.pci.place import place_of
from nodescope.host import Absent, Host
from nodescope.kernel.file_name import shown

RDMA: Final = "infiniband"
CLASSES: Final = (RDMA, "net", "nvme", "drm")
MAX_LISTED: Final = 4096
MAX_NAMES: Final = 64
"""How many names of one class a device gets."""

_DRM: Final = re.compile("(?:card|renderD)[0-9]+")

Names = dict[str, tuple[str, ...]]
"""Class -> names of one device, in order."""


def device_names(host: Host) -> tuple[dict[str, Names], int]:
    """PCI address -> names, and how many names were too many."""
    found: dict[str, dict[str, list[str]]] = {}
    left_out = 0
    for kind in CLASSES:
        folder = host.sys(f"class/{kind}")
        try:
            listed = host.list(folder)
        except (Absent, OSError):
            continue
        left_out += max(0, len(listed) - MAX_LISTED)
        for name in listed[:MAX_LISTED]:
            address = _address(f"{folder}/{name}") if kind != "drm" or _DRM.fullmatch(name) else None
            if address is None:
                continue
            names = found.setdefault(address, {}).setdefault(kind, [])
            if len(names) < MAX_NAMES:
                names.append(shown(name))
            else:
                left_out += 1
    return {address: {kind: tuple(names) for kind, names in of.items()} for address, of in found.items()}, left_out


def _address(entry: str) -> str | None:
    """The PCI device that a class's entry belongs to."""
    for link in (entry, f"{entry}/device"):
        try:
            place = place_of(os.readlink(link))
        except OSError:
            continue  # the entry is a folder: what it belongs to is told by "device" in it
        return None if place is None else place.address
    return None
