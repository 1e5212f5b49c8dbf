"""The PCIe link of a GPU: generation and width, now and at most.

*Source*: current_link_speed, current_link_width, max_link_* of sysfs-bus-pci. Intel's discrete GPUs sit behind a switch
on their own board, and say "2.5 GT/s x1" of themselves whatever the link is: what counts is the link of that switch's
upstream port, two devices above. *Absent when*: the device is in the processor, or its bus does not say ("Unknown").
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from nodescope.devices.intel.attributes import Attributes
from nodescope.kernel.link_speed import gigatransfers
from nodescope.kernel.number import uint64
from nodescope.kernel.pci_address import parse_address

GENERATIONS: Final[Mapping[float, int]] = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""GT/s -> generation."""

_LINK: Final = (
    ("pcie_generation", "current_link_speed"),
    ("pcie_width_lanes", "current_link_width"),
    ("pcie_max_generation", "max_link_speed"),
    ("pcie_max_width_lanes", "max_link_width"),
)
_UNKNOWN_WIDTHS: Final = (0, 255)


def link(attributes: Attributes, folder: str) -> dict[str, Any]:
    """Fields of a `GpuReading` of the link of the device in `folder`."""
    found: dict[str, Any] = {}
    for field, name in _LINK:
        raw = attributes.now(f"{folder}/{name}")
        value = None if raw is None else (_generation(raw) if field.endswith("generation") else _width(raw))
        if value is not None:
            found[field] = value
    return found


def link_folder(folder: str, own: Mapping[str, Any]) -> str:
    """Where the link of the GPU in `folder` is told, whose own link is `own`."""
    if own.get("pcie_max_generation") != 1 or own.get("pcie_max_width_lanes") != 1:
        return folder
    device = os.path.realpath(folder)
    downstream = os.path.dirname(device)
    upstream = os.path.dirname(downstream)
    bridges = all(parse_address(os.path.basename(path)) is not None for path in (downstream, upstream))
    return upstream if bridges else folder


def _generation(raw: bytes) -> int | None:
    speed = gigatransfers(raw)
    return None if speed is None else GENERATIONS.get(speed)


def _width(raw: bytes) -> int | None:
    width = uint64(raw)
    return None if width is None or width in _UNKNOWN_WIDTHS else width
