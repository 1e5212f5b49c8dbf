"""Which DRM nodes belong to a PCI device.

Source: sysfs, /sys/bus/pci/devices/ADDRESS/drm, in which the kernel has a folder for each node (cardN, renderDN).
"""

from __future__ import annotations

from typing import NamedTuple

from nodescope.host import Absent, Host


class DriNodes(NamedTuple):
    """Names under /dev/dri: "card1", "renderD129". None: there is no such node."""

    card: str | None
    render: str | None


def dri_nodes(host: Host, pci_address: str) -> DriNodes:
    """The nodes of the device at `pci_address` ("0000:18:00.0"). A driver without DRM has none."""
    try:
        names = host.list(host.sys(f"bus/pci/devices/{pci_address}/drm"))
    except (Absent, OSError):
        return DriNodes(None, None)
    card = next((name for name in names if name.startswith("card") and name[4:].isdigit()), None)
    render = next((name for name in names if name.startswith("renderD") and name[7:].isdigit()), None)
    return DriNodes(card, render)
