"""Profile native of PCI: devices, links, errors, and how near GPUs and RDMA devices are.

In base units: transfers per second, lanes. node_exporter's collector pcidevice has other names (node_pcidevice_*), of
all devices and by the parts of their addresses, and neither errors nor kinds nor distances.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.pci import PciDevice, RdmaDistance

GIGA: Final = 1e9

_ADDRESS: Final = (("address", "address"),)

DEVICES: Final = (
    Row(
        "nodescope_pci_device_info",
        "gauge",
        "A GPU, network, RDMA or NVMe device, or a bridge above one, always 1.",
        (
            *_ADDRESS,
            ("kind", "kind"),
            ("vendor_id", "vendor_id"),
            ("device_id", "device_id"),
            ("subsystem_vendor_id", "subsystem_vendor_id"),
            ("subsystem_device_id", "subsystem_device_id"),
            ("class", "class_code"),
            ("driver", "driver"),
            ("parent", "parent"),
            ("root", "root"),
            ("numa_node", "numa_node"),
            ("names", "all_names"),
        ),
        "=1",
    ),
    *(
        Row(f"nodescope_pci_link_{name}", "gauge", what, _ADDRESS, field, scale)
        for name, what, field, scale in (
            (
                "transfers_per_second",
                "Speed of the device's link now; a GPU lowers it when it idles.",
                "link_speed_gigatransfers_per_second",
                GIGA,
            ),
            (
                "max_transfers_per_second",
                "Greatest speed that the device's link can have.",
                "max_link_speed_gigatransfers_per_second",
                GIGA,
            ),
            ("width_lanes", "Lanes of the device's link that are in use.", "link_width_lanes", 1),
            ("max_width_lanes", "Most lanes that the device's link can have.", "max_link_width_lanes", 1),
        )
    ),
    *(
        Row(
            "nodescope_pci_aer_errors_total",
            "counter",
            "Errors that the device reported by PCIe Advanced Error Reporting.",
            (*_ADDRESS, ("severity", f"={severity}")),
            f"aer_{severity}_errors",
        )
        for severity in ("correctable", "nonfatal", "fatal")
    ),
)

_DISTANCE: Final = (("gpu", "gpu"), ("rdma", "rdma"), ("distance", "distance"))
DISTANCES: Final = (
    Row(
        "nodescope_gpu_nic_distance_info",
        "gauge",
        "How near an RDMA device is to a GPU (its PCI address): PIX, PXB, PHB, NODE or SYS, always 1.",
        _DISTANCE,
        "=1",
    ),
    Row(
        "nodescope_gpu_nearest_nic_info",
        "gauge",
        "An RDMA device to which none is nearer to the GPU (its PCI address), always 1.",
        _DISTANCE,
        "nearest",
    ),
)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {PciDevice: DEVICES, RdmaDistance: DISTANCES}
