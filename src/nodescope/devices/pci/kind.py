"""What kind a PCI device is, from its class code and vendor. Source: PCI Code and ID Assignment Specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nodescope.devices.pci.names import RDMA

GPU: Final = "gpu"
NIC: Final = "nic"
RDMA_KIND: Final = "rdma"
NVME: Final = "nvme"
SWITCH: Final = "switch"
ROOT_PORT: Final = "root_port"
OTHER: Final = "other"

ENDS: Final = frozenset({GPU, NIC, RDMA_KIND, NVME})
"""Kinds of devices for whose sake the tree is read."""

DISPLAY: Final = "03"
ACCELERATOR: Final = "12"
NETWORK: Final = "02"
INFINIBAND: Final = "0207"
NVME_CLASS: Final = "0108"
BRIDGE: Final = "0604"

ACCELERATOR_VENDORS: Final = frozenset({"1002", "10de"})
"""Whose processing accelerators are GPUs; those of others are NPUs and FPGAs."""

SCREEN_VENDORS: Final = frozenset({"1013", "102b", "1234", "1414", "15ad", "19e5", "1a03", "1af4", "1b36", "80ee"})
"""Whose displays are a service processor's or a hypervisor's: Cirrus, Matrox, Bochs, Hyper-V, VMware, Huawei's iBMC,
ASPEED, virtio, QXL, VirtualBox."""


def kind_of(class_code: str, vendor_id: str | None, names: Mapping[str, object], at_root: bool, has_link: bool) -> str:
    """`class_code`: "038000". `names`: of `device_names`. `has_link`: whether it is PCI Express."""
    if RDMA in names or class_code.startswith(INFINIBAND):
        return RDMA_KIND
    if class_code.startswith(DISPLAY):
        return OTHER if vendor_id in SCREEN_VENDORS else GPU
    if class_code.startswith(ACCELERATOR):
        return GPU if vendor_id in ACCELERATOR_VENDORS else OTHER
    if class_code.startswith(BRIDGE) and has_link:
        return ROOT_PORT if at_root else SWITCH
    if class_code.startswith(NETWORK):
        return NIC
    return NVME if class_code.startswith(NVME_CLASS) else OTHER
