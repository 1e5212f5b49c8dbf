"""Links as the KFD topology has them."""

from __future__ import annotations

from nodescope.devices.amd.kfd import KfdLink, KfdNode
from nodescope.devices.amd.xgmi import links_of_topology

PEERS = {2: "0000:05:00.0", 3: "0000:06:00.0", 4: "0000:07:00.0"}


def test_links() -> None:
    """One link to each other GPU, in order of addresses; not to itself, and not to what is no GPU."""
    node = KfdNode(3, 1, (0, 0x0600), links=(KfdLink(0, 1), KfdLink(3, 9), KfdLink(4, None), KfdLink(2, 64_000)))
    found = links_of_topology((node,), PEERS[3], PEERS)
    assert [(link.link, link.remote_pci_address, link.speed_megabytes_per_second) for link in found] == [
        (0, PEERS[2], 64_000),
        (1, PEERS[4], None),
    ]
    # Whether a link is up is not told there.
    assert {link.active for link in found} == {None}
