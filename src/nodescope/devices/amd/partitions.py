"""Which KFD nodes and DRM nodes belong to which GPU, and which of them are its partitions.

*Source*: KFD nodes name the PCI device by domain and location, and the board by unique_id, which all partitions of one
GPU share. A partition's DRM nodes stand below a platform device (amdgpu_xcp.N), which nothing but the number of the
render node ties to its KFD node.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.devices.amd.kfd import KfdNode
from nodescope.host import Absent, Host
from nodescope.kernel.number import uint64
from nodescope.kernel.pci_address import parse_address
from nodescope.records.gpu import InstanceIdentity

WHOLE: Final = "SPX"
RENDER: Final = "renderD"
PARTITION_DEVICE: Final = "amdgpu_xcp"
"""How the names of the platform devices begin that have partitions' nodes."""

_FUNCTIONS: Final = 7


class Partition(NamedTuple):
    """A partition: its number, its KFD node, its folder in sysfs (PCI device or platform device), its DRM nodes."""

    number: int
    node: KfdNode
    folder: str
    card: str | None
    render: str | None


def nodes_by_gpu(addresses: Iterable[str], nodes: Sequence[KfdNode]) -> dict[str, tuple[KfdNode, ...]]:
    """PCI address -> its nodes in order of their partitions; a GPU that KFD does not know has none.

    A node goes to the GPU at its very address, else to that of which it is another function, else to where a node of
    the same unique_id went.
    """
    places = {place: address for address in addresses if (place := _place(address)) is not None}
    by_device = {(domain, location & ~_FUNCTIONS): places[domain, location] for domain, location in sorted(places)}
    found: dict[str, list[KfdNode]] = {address: [] for address in places.values()}
    boards: dict[int, str] = {}
    left = []
    for node in nodes:
        domain, location = node.address
        home = places.get(node.address) or by_device.get((domain, location & ~_FUNCTIONS))
        if home is None:
            left.append(node)
            continue
        found[home].append(node)
        boards.setdefault(node.unique_id, home)
    for node in left:
        if node.unique_id and node.unique_id in boards:
            found[boards[node.unique_id]].append(node)
    return {address: tuple(sorted(own, key=lambda node: node.address)) for address, own in found.items()}


def partitions(
    host: Host, nodes: Sequence[KfdNode], mode: str | None, render: str | None = None
) -> tuple[Partition, ...]:
    """Those of one GPU that are seen here: in a container it may be one alone. `mode`: "SPX" is the whole GPU.

    They are numbered by their functions; where a kernel does not tell these apart by their render nodes, as these stand
    behind `render`, the GPU's own; else in order. Their functions are those numbers, as AMD's tools have it.
    """
    if len(nodes) <= 1 and mode in (None, WHOLE):
        return ()
    functions = [node.function for node in nodes]
    if len(set(functions)) == len(functions) and (len(nodes) > 1 or any(functions)):
        return tuple(_partition(host, node.function, node) for node in nodes)
    numbers: Sequence[int] = by_render_node(host, nodes, render) or range(len(nodes))
    return tuple(
        _partition(host, number, _at_function(node, number)) for number, node in zip(numbers, nodes, strict=True)
    )


def by_render_node(host: Host, nodes: Iterable[KfdNode], render: str | None) -> tuple[int, ...]:
    """Number of each partition: amdgpu makes the render nodes of all partitions at once, the GPU's own the first.

    Nothing where a node that is no partition's stands between, or two would have one number.
    """
    own = uint64((render or "").removeprefix(RENDER).encode())
    if own is None:
        return ()
    behind = 0
    while behind < _FUNCTIONS and _is_of_partition(host, f"{RENDER}{own + behind + 1}"):
        behind += 1
    numbers = tuple((node.render_minor or 0) - own for node in nodes)
    return numbers if len(set(numbers)) == len(numbers) and all(0 <= n <= behind for n in numbers) else ()


def _is_of_partition(host: Host, render: str) -> bool:
    folder = os.path.realpath(host.sys(f"class/drm/{render}/device"))
    return os.path.basename(folder).startswith(PARTITION_DEVICE)


def identities(gpu_uuid: str, parts: Sequence[Partition], profile: str | None) -> tuple[InstanceIdentity, ...]:
    """One for each partition. `uuid`: the GPU's and the partition's number, for a partition has none of its own."""
    return tuple(
        InstanceIdentity(
            gpu_uuid=gpu_uuid,
            uuid=f"{gpu_uuid}-{part.number}",
            index=part.number,
            gpu_instance_id=part.number,
            profile=profile,
            compute_units=part.node.compute_units,
            pci_address=part.node.pci_address,
            dri_card=part.card,
            dri_render=part.render,
        )
        for part in parts
    )


def by_gpu_id(nodes: Sequence[KfdNode], instances: Sequence[InstanceIdentity]) -> Mapping[int, str | None]:
    """KFD's number of each node of a GPU -> the partition's uuid, None of a GPU that is not partitioned."""
    if len(instances) != len(nodes):
        return {node.gpu_id: None for node in nodes}
    return {node.gpu_id: instance.uuid for node, instance in zip(nodes, instances, strict=True)}


def _at_function(node: KfdNode, number: int) -> KfdNode:
    domain, location = node.address
    return node._replace(address=(domain, location & ~_FUNCTIONS | number & _FUNCTIONS))


def _partition(host: Host, number: int, node: KfdNode) -> Partition:
    if node.render_minor is None:
        return Partition(number, node, "", None, None)
    render = f"{RENDER}{node.render_minor}"
    folder = host.sys(f"class/drm/{render}/device")
    try:
        names = host.list(f"{folder}/drm")
    except (Absent, OSError):
        names = []
    card = next((name for name in names if name.startswith("card") and name[4:].isdigit()), None)
    return Partition(number, node, folder, card, render)


def _place(address: str) -> tuple[int, int] | None:
    parsed = parse_address(address)
    if parsed is None:
        return None
    domain, bus, device, function = (int(word, 16) for word in parsed)
    return domain, bus << 8 | device << 3 | function
