"""Which nodes under /dev/dri belong to which device, of all vendors.

Source: the names of symbolic links: /dev/dri/by-path (udev's 60-drm.rules), also where a container has the host's /dev
mounted, and /sys/class/drm; /sys/class/kfd/kfd/topology for the GPU that an AMD partition is of. Links are read, and
attributes of devices in sysfs; nothing under /dev is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import seldom
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64
from nodescope.kernel.pci_address import parse_address
from nodescope.records.dri import DriDevice

FOLDERS: Final = ("/dev/dri/by-path", "/hostdev/dri/by-path")
"""On a host, and where a container is given the host's /dev at another place."""
NODES: Final = "/dev/dri"
BY_PATH: Final = "by-path"
SYSFS: Final = "sysfs"
KFD: Final = "class/kfd/kfd/topology/nodes"
MAX_NODES: Final = 4096
MAX_NUMBER: Final = 2**20 - 1
"""The most that a device's minor number can be."""

_CARD: Final = re.compile(r"card([0-9]{1,7})")
_RENDER: Final = re.compile(r"renderD([0-9]{1,7})")
_LINK: Final = re.compile(r"(pci|platform)-(.+)-(?:card|render)")
_VENDOR: Final = re.compile(rb"(?:0x)?([0-9a-fA-F]{4})")
_PARTITION: Final = re.compile(r"amdgpu_xcp[._]?\d+")
_NOT_NAMED: Final = frozenset({"drm", "platform", "devices"})
_WANTED: Final = (b"domain", b"location_id", b"drm_render_minor")


class _Node(NamedTuple):
    """A node and whose it is: a PCI address, or the name of a platform device."""

    name: str
    pci_address: str | None
    platform: str | None
    source: str


def dri_devices(host: Host) -> tuple[DriDevice, ...]:
    """All devices with a node, by address; partitions behind them. Empty where there is none.

    A node that udev has under another device than the kernel is where the kernel has it. The nodes are named as a
    program on the host sees them, wherever they were read.
    """
    found: dict[str, _Node] = {}
    seen: set[str] = set()
    for node in _sysfs_nodes(host):
        found[node.name] = node
    for folder in FOLDERS:
        for node in _by_path_nodes(host, host.root(folder)):
            seen.add(node.name)
            if len(found) < MAX_NODES:
                found.setdefault(node.name, node)
    devices: dict[tuple[str | None, str | None], list[_Node]] = {}
    for node in found.values():
        devices.setdefault((node.pci_address, node.platform), []).append(node)
    parents = _parents(host) if any(platform for _, platform in devices) else {}
    made = [_device(host, nodes, seen, parents) for nodes in devices.values()]
    return tuple(sorted(made, key=_place))


def _device(host: Host, nodes: list[_Node], seen: set[str], parents: dict[int, str]) -> DriDevice:
    _, pci_address, platform, _ = nodes[0]
    card, render = _numbered(nodes, _CARD), _numbered(nodes, _RENDER)
    sources = {BY_PATH for node in nodes if node.name in seen} | {node.source for node in nodes}
    folder = host.sys(f"bus/pci/devices/{pci_address}" if pci_address else f"bus/platform/devices/{platform}")
    partition = platform is not None and _PARTITION.fullmatch(platform) is not None
    return DriDevice(
        pci_address=pci_address,
        platform=platform,
        parent_pci_address=parents.get(render) if partition and render is not None else None,
        card=None if card is None else f"{NODES}/card{card}",
        card_id=card,
        render=None if render is None else f"{NODES}/renderD{render}",
        render_id=render,
        vendor_id=_vendor(host, folder) if pci_address else None,
        driver=_driver(folder),
        source=",".join(sorted(sources)),
    )


def _numbered(nodes: Iterable[_Node], pattern: re.Pattern[str]) -> int | None:
    """The lowest number of the nodes that have such a name."""
    return min((int(match[1]) for node in nodes if (match := pattern.fullmatch(node.name))), default=None)


def _place(device: DriDevice) -> tuple[bool, int, str, int]:
    """By PCI address, then what is not on PCI by the number of its node."""
    address = device.pci_address or ""
    number = device.card_id if device.card_id is not None else device.render_id or 0
    return not address, len(address), address, number


def _is_node(name: str) -> bool:
    match = _CARD.fullmatch(name) or _RENDER.fullmatch(name)
    return match is not None and int(match[1]) <= MAX_NUMBER


def _sysfs_nodes(host: Host) -> Iterator[_Node]:
    """/sys/class/drm/card1 leads to .../0000:c1:00.0/drm/card1; connectors (card1-DP-1) are no nodes."""
    folder = host.sys("class/drm")
    for name in _listed(host, folder):
        if not _is_node(name):
            continue
        above = _read_link(f"{folder}/{name}").split("/")[:-1]
        # One that is no link says by another one whose it is.
        owner = next((part for part in reversed(above) if part not in _NOT_NAMED), None)
        if owner in (None, "..", "."):
            owner = _read_link(f"{folder}/{name}/device").rpartition("/")[2] or None
        if owner is not None:
            yield _owned(name, owner, SYSFS)


def _by_path_nodes(host: Host, folder: str) -> Iterator[_Node]:
    """pci-0000:c1:00.0-card leads to ../card1, platform-amdgpu_xcp_3-render to ../renderD131."""
    for link in _listed(host, folder):
        match = _LINK.fullmatch(link)
        name = os.path.basename(_read_link(f"{folder}/{link}")) if match else ""
        if match is None or not _is_node(name):
            continue
        kind, owner = match.groups()
        # A display adapter behind USB has the address of the USB controller in front of its own.
        if kind == "platform" or parse_address(owner) is not None:
            yield _owned(name, owner, BY_PATH)


def _owned(name: str, owner: str, source: str) -> _Node:
    address = parse_address(owner)
    if address is None:
        return _Node(name, None, shown(owner), source)
    segment, bus, device, function = address
    return _Node(name, f"{segment}:{bus}:{device}.{function}", None, source)


def _listed(host: Host, folder: str) -> list[str]:
    try:
        return host.list(folder)[:MAX_NODES]
    except (Absent, OSError):
        return []


def _read_link(path: str) -> str:
    """Where a symbolic link leads; empty for what is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _vendor(host: Host, folder: str) -> str | None:
    """ "1002" of `0x1002`."""
    try:
        match = _VENDOR.fullmatch(seldom(host, f"{folder}/vendor") or b"")
    except OSError:
        return None
    return match[1].decode().lower() if match else None


def _driver(folder: str) -> str | None:
    return shown(os.path.basename(_read_link(f"{folder}/driver"))) or None


def _parents(host: Host) -> dict[int, str]:
    """Render node's number -> PCI address of the GPU that it is a part of. KFD numbers partitions as functions."""
    found: dict[int, str] = {}
    folder = host.sys(KFD)
    for node in _listed(host, folder):
        try:
            # Never as it was a minute ago: another partitioning gives the same nodes to others.
            known = parse_properties(host.read_once(f"{folder}/{node}/properties"))
        except (Absent, OSError, Malformed):
            continue
        domain, location, minor = (known.get(name) for name in _WANTED)
        # A CPU has neither place nor node.
        if location and minor:
            found[minor] = f"{domain or 0:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.0"
    return found


def parse_properties(data: bytes) -> dict[bytes, int]:
    """The numbers wanted here of a KFD node's properties: lines of a name and a number."""
    found: dict[bytes, int] = {}
    for line in data.splitlines():
        name, _, number = line.partition(b" ")
        if name in _WANTED and (value := uint64(number.strip())) is not None:
            found[name] = value
    return found
