"""Which GPU a PCI device id of Intel is.

*Source*: the drivers' own list of ids (include/drm/intel/pciids.h of Linux) and the names that Intel's compute runtime
gives them. What has no name there is called by its id, as that runtime does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

VENDOR_ID: Final = 0x8086


class Model(NamedTuple):
    """`architecture`: None where the id is in none of the known ranges."""

    name: str
    architecture: str | None


_NAMES: Final[Mapping[int, str]] = {
    0x0B69: "Data Center GPU Max 1450",
    0x0B6E: "Data Center GPU Max 1100C",
    0x0BD5: "Data Center GPU Max 1550",
    0x0BD6: "Data Center GPU Max 1550",
    0x0BD7: "Data Center GPU Max 1350",
    0x0BD8: "Data Center GPU Max 1350",
    0x0BD9: "Data Center GPU Max 1100",
    0x0BDA: "Data Center GPU Max 1100",
    0x0BDB: "Data Center GPU Max 1100",
    0x4905: "Iris Xe MAX Graphics",
    0x4907: "Server GPU SG-18M",
    0x5690: "Arc A770M",
    0x5691: "Arc A730M",
    0x5692: "Arc A550M",
    0x5693: "Arc A370M",
    0x5694: "Arc A350M",
    0x5696: "Arc A570M",
    0x5697: "Arc A530M",
    0x56A0: "Arc A770",
    0x56A1: "Arc A750",
    0x56A2: "Arc A580",
    0x56A5: "Arc A380",
    0x56A6: "Arc A310",
    0x56B0: "Arc Pro A30M",
    0x56B1: "Arc Pro A40/A50",
    0x56C0: "Data Center GPU Flex 170",
    0x56C1: "Data Center GPU Flex 140",
    0xE20B: "Arc B580",
    0xE20C: "Arc B570",
    0xE211: "Arc Pro B60",
    0xE212: "Arc Pro B50",
    0xE223: "Arc Pro B70",
}

_ARCHITECTURES: Final = (
    (0x0B69, 0x0B6E, "Xe-HPC"),
    (0x0BD0, 0x0BDB, "Xe-HPC"),
    (0x4905, 0x4909, "Xe-LP"),
    (0x4F80, 0x4F88, "Xe-HPG"),
    (0x5690, 0x56C2, "Xe-HPG"),
    (0xE200, 0xE22F, "Xe2-HPG"),
)
"""First and last id of a range, and what it is. Of discrete GPUs alone."""


def model(device_id: int) -> Model:
    """The name and the architecture of a device of Intel's."""
    name = _NAMES.get(device_id, f"Graphics [0x{device_id:04x}]")
    architecture = next((kind for first, last, kind in _ARCHITECTURES if first <= device_id <= last), None)
    return Model(f"Intel {name}", architecture)
