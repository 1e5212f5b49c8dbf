"""Which DRM nodes belong to which device."""

from __future__ import annotations

import msgspec


class DriDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A graphics device's nodes. `card`: "/dev/dri/card1", `card_id`: 1, `render`: "/dev/dri/renderD129".

    `pci_address`: None for one that is not on PCI (an AMD partition: then `platform` is "amdgpu_xcp.3", and
    `parent_pci_address` the GPU's, where KFD tells it). `source`: "by-path", "sysfs" or "by-path,sysfs".
    """

    pci_address: str | None = None
    platform: str | None = None
    parent_pci_address: str | None = None
    card: str | None = None
    card_id: int | None = None
    render: str | None = None
    render_id: int | None = None
    vendor_id: str | None = None
    driver: str | None = None
    source: str = "sysfs"
