"""/api/v1/links: what connects GPUs to each other, RDMA ports to a network, and devices to PCI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import MAX_LINKS, MAX_PCI_DEVICES, MAX_RDMA_PORTS, Answer, chosen_gpus, limited, oldest
from nodescope.health.link_inputs import faces_down
from nodescope.records.gpu import LinkReading
from nodescope.records.gpu_snapshot import Gpu, GpuLink
from nodescope.records.kinds import of_kind
from nodescope.records.pci import PciDevice
from nodescope.records.rdma import RdmaPort

KINDS: Mapping[str, str] = {"nvidia": "nvlink", "amd": "xgmi", "intel": "xe_link"}


class GpuLinkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A link of a GPU. `kind`: "nvlink", "xgmi", "xe_link". `remote_uuid`: the GPU at its other end, where it is one
    of this node."""

    gpu_uuid: str
    gpu_index: int | None
    vendor: str
    kind: str
    remote_uuid: str | None
    reading: LinkReading


class PcieLinkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The link above a PCI device; of a port to what is below it the link there. `degraded`: whether it is narrower or
    slower than both of its ends can be, null where not known; an idle GPU may slow its link down."""

    address: str
    kind: str
    names: tuple[str, ...]
    speed_gigatransfers_per_second: float | None
    max_speed_gigatransfers_per_second: float | None
    width_lanes: int | None
    max_width_lanes: int | None
    degraded: bool | None


class LinksAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """With `vendor` or `uuid` only links of those GPUs, so no RDMA port. `left_out`: links beyond the limits."""

    sampled_age_seconds: float | None
    left_out: int
    gpu_links: list[GpuLinkAnswer]
    rdma_ports: list[RdmaPort]
    pcie_links: list[PcieLinkAnswer]


def links(node: Node, query: Query) -> Answer:
    """Every link that is asked for."""
    gpus, rdma, pci = node.gpus(), node.rdma(), node.pci()
    asked = chosen_gpus(gpus.records, query)
    shown, more_gpu = limited(_gpu_links(gpus.records, asked), MAX_LINKS)
    ports, more_ports = limited([] if query else of_kind(rdma.records, RdmaPort), MAX_RDMA_PORTS)
    addresses = {gpu.identity.pci_address for gpu in asked}
    known = of_kind(pci.records, PciDevice)
    ends = _other_ends(known)
    devices = [device for device in known if not query or device.address in addresses]
    told = (_pcie(device, ends.get(device.address)) for device in devices)
    pcie, more_pcie = limited([link for link in told if link is not None], MAX_PCI_DEVICES)
    left_out = more_gpu + more_ports + more_pcie
    age = oldest((gpus.age_seconds, rdma.age_seconds, pci.age_seconds))
    return Answer(
        LinksAnswer(sampled_age_seconds=age, left_out=left_out, gpu_links=shown, rdma_ports=ports, pcie_links=pcie),
        age,
        left_out,
    )


def _gpu_links(records: Iterable[object], asked: list[Gpu]) -> list[GpuLinkAnswer]:
    records = tuple(records)
    uuids = {gpu.identity.uuid for gpu in asked}
    by_address = {gpu.identity.pci_address: gpu.identity.uuid for gpu in of_kind(records, Gpu)}
    return [
        GpuLinkAnswer(
            gpu_uuid=link.identity.uuid,
            gpu_index=link.identity.index,
            vendor=link.identity.vendor,
            kind=KINDS.get(link.identity.vendor, "other"),
            remote_uuid=by_address.get(link.reading.remote_pci_address) if link.reading.remote_pci_address else None,
            reading=link.reading,
        )
        for link in of_kind(records, GpuLink)
        if link.identity.uuid in uuids
    ]


def _other_ends(devices: Iterable[PciDevice]) -> Mapping[str, PciDevice]:
    """By address the device at the other end of its link: the port above it, or the first function below a port."""
    known = {device.address: device for device in devices}
    found: dict[str, PciDevice] = {}
    for device in known.values():
        port = known.get(device.parent or "")
        if port is not None and device.physical_function is None and not faces_down(device, known):
            found[device.address] = port
            found.setdefault(port.address, device)
    return found


def _pcie(device: PciDevice, other: PciDevice | None) -> PcieLinkAnswer | None:
    """None for a device without a link."""
    speed, most_speed = device.link_speed_gigatransfers_per_second, device.max_link_speed_gigatransfers_per_second
    width, most_width = device.link_width_lanes, device.max_link_width_lanes
    if speed is None and width is None:
        return None
    ends = (
        (speed, most_speed, other and other.max_link_speed_gigatransfers_per_second),
        (width, most_width, other and other.max_link_width_lanes),
    )
    known = [(now, min(own, others or own)) for now, own, others in ends if now is not None and own]
    return PcieLinkAnswer(
        address=device.address,
        kind=device.kind,
        names=device.names,
        speed_gigatransfers_per_second=speed,
        max_speed_gigatransfers_per_second=most_speed,
        width_lanes=width,
        max_width_lanes=most_width,
        degraded=any(now < most for now, most in known) if known else None,
    )
