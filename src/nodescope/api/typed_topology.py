"""/api/v1/topology: the PCI tree, how near devices are to each other, and what each NUMA node has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import MAX_NEIGHBOURS, MAX_PCI_DEVICES, Answer, limited, oldest
from nodescope.records.gpu_snapshot import Gpu
from nodescope.records.kinds import of_kind
from nodescope.records.pci import PciDevice, PciNeighbour, RdmaDistance


class DistanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How near two devices are. `distance`: "PIX" (one bridge), "PXB" (several), "PHB" (a host bridge), "NODE" (one
    NUMA node), "SYS" (between NUMA nodes). `uuid`, `other_uuid`: of those that are GPUs."""

    address: str
    uuid: str | None
    other: str
    other_uuid: str | None
    distance: str


class RdmaDistanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How near an RDMA device is to a GPU. `nearest`: whether none is nearer."""

    gpu_address: str
    gpu_uuid: str | None
    rdma: str
    rdma_address: str
    distance: str
    nearest: bool


class NumaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node. `cpus`: as the kernel writes a list, "0-55,112-167". `devices`: PCI addresses by kind."""

    node: int
    cpus: str | None
    devices: dict[str, list[str]]


class TopologyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`devices`: with `parent`, the bridge above each, they are a tree for each host bridge (`root`). `left_out`:
    devices and distances beyond the limits."""

    sampled_age_seconds: float | None
    left_out: int
    devices: list[PciDevice]
    distances: list[DistanceAnswer]
    gpu_rdma: list[RdmaDistanceAnswer]
    numa_nodes: list[NumaAnswer]


def topology(node: Node, query: Query) -> Answer:
    """All that is known of what is where."""
    pci, gpus = node.pci(), node.gpus()
    uuids = {gpu.identity.pci_address: gpu.identity.uuid for gpu in of_kind(gpus.records, Gpu)}
    devices, more_devices = limited(of_kind(pci.records, PciDevice), MAX_PCI_DEVICES)
    near, more_near = limited(of_kind(pci.records, PciNeighbour), MAX_NEIGHBOURS)
    rdma, more_rdma = limited(of_kind(pci.records, RdmaDistance), MAX_NEIGHBOURS)
    left_out = more_devices + more_near + more_rdma
    age = oldest((pci.age_seconds, gpus.age_seconds))
    return Answer(
        TopologyAnswer(
            sampled_age_seconds=age,
            left_out=left_out,
            devices=devices,
            distances=[_distance(one, uuids) for one in near],
            gpu_rdma=[_rdma(one, uuids) for one in rdma],
            numa_nodes=_numa(devices),
        ),
        age,
        left_out,
    )


def _distance(one: PciNeighbour, uuids: Mapping[str | None, str]) -> DistanceAnswer:
    return DistanceAnswer(
        address=one.address,
        uuid=uuids.get(one.address),
        other=one.other,
        other_uuid=uuids.get(one.other),
        distance=one.distance,
    )


def _rdma(one: RdmaDistance, uuids: Mapping[str | None, str]) -> RdmaDistanceAnswer:
    return RdmaDistanceAnswer(
        gpu_address=one.gpu,
        gpu_uuid=uuids.get(one.gpu),
        rdma=one.rdma,
        rdma_address=one.rdma_address,
        distance=one.distance,
        nearest=bool(one.nearest),
    )


def _numa(devices: Sequence[PciDevice]) -> list[NumaAnswer]:
    found: defaultdict[int, list[PciDevice]] = defaultdict(list)
    for device in devices:
        if device.numa_node is not None:
            found[device.numa_node].append(device)
    return [
        NumaAnswer(node=node, cpus=next((one.local_cpus for one in near if one.local_cpus), None), devices=_kinds(near))
        for node, near in sorted(found.items())
    ]


def _kinds(devices: Sequence[PciDevice]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for device in devices:
        found[device.kind].append(device.address)
    return dict(found)
