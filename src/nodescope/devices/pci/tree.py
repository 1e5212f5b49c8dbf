"""Which devices the PCI tree has: those that matter here, and the bridges above them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.devices.pci.kind import ENDS
from nodescope.devices.pci.names import Names
from nodescope.devices.pci.place import Place, is_address, place_of
from nodescope.host import Host

MAX_LISTED: Final = 8192
MAX_DEVICES: Final = 1024


class Tree(NamedTuple):
    """`places`: by address, in the order of addresses. `names`: of `device_names`. `left_out`: what was too much."""

    places: dict[str, Place]
    names: dict[str, Names]
    left_out: int


def listed(host: Host) -> list[str]:
    """The addresses of all PCI devices. Raises `Absent` where there is no PCI."""
    return [name for name in host.list(host.sys("bus/pci/devices")) if is_address(name)][:MAX_LISTED]


def places_of(host: Host, addresses: Iterable[str]) -> dict[str, Place]:
    """Where each device is; those that have just gone are left out.

    Where there are more than may be kept virtual functions are behind all others: of network cards there may be a
    thousand of them.
    """
    found = {address: place for address in addresses if (place := _place(host, address)) is not None}
    if len(found) <= MAX_DEVICES:
        return found
    return {address: found[address] for address in sorted(found, key=lambda address: _is_virtual(host, address))}


def tree_of(places: Mapping[str, Place], kinds: Mapping[str, str], names: dict[str, Names], left_out: int) -> Tree:
    """The GPUs, network, RDMA and NVMe devices among `places`, and all above them. `left_out`: of `names`."""
    wanted: dict[str, None] = {}
    for address, place in places.items():
        if kinds.get(address) in ENDS:
            way = (*place.above, address)
            if len(wanted.keys() | set(way)) > MAX_DEVICES:
                left_out += 1
            else:
                wanted |= dict.fromkeys(way)
    kept = {address: places[address] for address in sorted(wanted) if address in places}
    return Tree(kept, names, left_out)


def _is_virtual(host: Host, address: str) -> bool:
    return host.exists(host.sys(f"bus/pci/devices/{address}/physfn"))


def _place(host: Host, address: str) -> Place | None:
    try:
        place = place_of(os.readlink(host.sys(f"bus/pci/devices/{address}")))
    except OSError:
        return None  # it has just gone
    return place if place is not None and place.address == address else None
