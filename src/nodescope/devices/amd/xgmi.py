"""Links between GPUs as the KFD topology has them, for GPUs whose gpu_metrics tells of none.

*Source*: nodes/N/io_links/M/properties: type, node_to, max_bandwidth in megabytes per second. What went over a link,
and whether it is up, is not told there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodescope.devices.amd.kfd import KfdNode
from nodescope.records.gpu import LinkReading


def links_of_topology(nodes: Sequence[KfdNode], address: str, peers: Mapping[int, str]) -> tuple[LinkReading, ...]:
    """One link to each other GPU. `peers`: KFD node -> PCI address, of all GPUs; `address`: this one's."""
    found: dict[str, int | None] = {}
    for node in nodes:
        for link in node.links:
            peer = peers.get(link.to)
            if peer is not None and peer != address:
                found.setdefault(peer, link.bandwidth)
    return tuple(
        LinkReading(link=number, remote_type="gpu", remote_pci_address=peer, speed_megabytes_per_second=bandwidth)
        for number, (peer, bandwidth) in enumerate(sorted(found.items()))
    )
