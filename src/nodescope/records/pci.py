"""Records of the PCI tree: what hangs where, how fast its link is, and what is near what."""

from __future__ import annotations

import msgspec


class PciDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A PCI device or bridge. `address`: "0000:18:00.0". Ids and class: hex without 0x, "1002", "038000".

    `kind`: "gpu", "nic", "rdma", "nvme", "switch", "root_port", "other". `parent`: the bridge above it, None at a root.
    `root`: the host bridge's name, "pci0000:15". Speeds: gigatransfers per second; a device without a link has none,
    and one that sleeps does not tell what its link does now. A link below its greatest speed is no fault in itself:
    GPUs lower it when they idle. `names`: what drivers made of it: RDMA devices, network interfaces, NVMe controllers,
    DRM nodes. `physical_function`: the device that a virtual function (SR-IOV) is of.
    """

    address: str
    kind: str
    vendor_id: str | None = None
    device_id: str | None = None
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    class_code: str | None = None
    revision: str | None = None
    driver: str | None = None
    parent: str | None = None
    root: str | None = None
    numa_node: int | None = None
    local_cpus: str | None = None
    link_speed_gigatransfers_per_second: float | None = None
    link_width_lanes: int | None = None
    max_link_speed_gigatransfers_per_second: float | None = None
    max_link_width_lanes: int | None = None
    aer_correctable_errors: int | None = None
    aer_nonfatal_errors: int | None = None
    aer_fatal_errors: int | None = None
    names: tuple[str, ...] = ()
    physical_function: str | None = None

    @property
    def all_names(self) -> str:
        """`names` as one text."""
        return " ".join(self.names)


class PciNeighbour(msgspec.Struct, frozen=True, kw_only=True):
    """How near two devices are. `distance`: "PIX" (one bridge), "PXB" (several, none of them a host bridge), "PHB" (one
    host bridge), "NODE" (one NUMA node), "SYS" (between NUMA nodes), as nvidia-smi and rocm-smi write it.
    """

    address: str
    other: str
    distance: str


class RdmaDistance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How near an RDMA device is to a GPU. `gpu`, `rdma_address`: PCI addresses. `rdma`: its name, "mlx5_0".

    `nearest`: 1 where no RDMA device is nearer to the GPU, else None.
    """

    gpu: str
    rdma: str
    rdma_address: str
    distance: str
    nearest: int | None = None
