"""Nodes of the KFD topology: GPUs and their partitions, as the compute part of amdgpu counts them.

*Source*: /sys/class/kfd/kfd/topology/nodes, drivers/gpu/drm/amd/amdkfd/kfd_topology.c. A node of a CPU has the gpu_id
0. `location_id` is bus, device and function in one number, as in PCI; in a partitioned GPU the function counts the
partitions, or with some drivers of ROCm's packages bits 28 to 31 do. Where a container's device cgroup denies a GPU its
node's files answer EPERM.
*Absent when*: the kernel has no KFD, as in many virtual machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64

NODES: Final = "class/kfd/kfd/topology/nodes"
MAX_NODES: Final = 1024
MAX_PROPERTIES: Final = 256
XGMI: Final = 11
"""Type of a link between GPUs (CRAT_IOLINK_TYPE_XGMI)."""

PARTITION_SHIFT: Final = 28
_PCI_DEVICE: Final = 0xFFFF
_FUNCTION: Final = 7

LOCAL_HEAPS: Final = frozenset({1, 2})
"""Types of a bank that is the GPU's own memory: public and private frame buffer."""


class KfdLink(NamedTuple):
    """A link to another node. Bandwidth in megabytes per second, where the kernel knows it."""

    to: int
    bandwidth: int | None


class KfdNode(NamedTuple):
    """One node that has a GPU, or a partition of one. `links`: XGMI's alone."""

    node: int
    gpu_id: int
    address: tuple[int, int]
    unique_id: int = 0
    compute_units: int | None = None
    render_minor: int | None = None
    target: str | None = None
    memory_bytes: int | None = None
    memory_bit_width: int | None = None
    links: tuple[KfdLink, ...] = ()

    @property
    def function(self) -> int:
        """Counts the partitions of a GPU."""
        return self.address[1] & _FUNCTION

    @property
    def pci_address(self) -> str:
        """As the kernel writes it; the functions behind the first of a partitioned GPU are not on the bus."""
        domain, location = self.address
        return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def parse_properties(data: bytes, source: str) -> dict[str, int]:
    """Lines of a name and a decimal number. Raises `Malformed` where there is no such line at all."""
    found: dict[str, int] = {}
    for line in data.split(b"\n")[:MAX_PROPERTIES]:
        name, _, word = line.strip().partition(b" ")
        number = uint64(word)
        if number is not None and name:
            found[name.decode("ascii", "replace")] = number
    if not found:
        raise Malformed(source, data, "lines of a name and a number")
    return found


def target_name(version: int) -> str | None:
    """The name of an instruction set from gfx_target_version: 90402 is gfx942, 90010 is gfx90a."""
    major, minor, stepping = version // 10_000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if major else None


class KfdTopology:
    """Reads all nodes. `files.path` names what is being read, should it hang."""

    def __init__(self, host: Host) -> None:
        self.files = DeviceFiles(host, host.sys(NODES))

    def nodes(self) -> tuple[KfdNode, ...]:
        """Those with a GPU, in order of their numbers."""
        numbers = sorted(int(name) for name in self.files.names("") if name.isascii() and name.isdigit())
        gpu_ids = {number: self.files.number(f"{number}/gpu_id", self.files.anew) for number in numbers[:MAX_NODES]}
        read = (self._node(number, gpu_id) for number, gpu_id in gpu_ids.items() if gpu_id != 0)
        return tuple(node for node in read if node is not None)

    def with_links(self, node: KfdNode) -> KfdNode:
        """`node` with its XGMI links: one folder each, which is many where all GPUs are partitioned."""
        folder = f"{node.node}/io_links"
        links = []
        for name in self.files.names(folder)[:MAX_NODES]:
            said = self._properties(f"{folder}/{name}/properties")
            if said.get("type") == XGMI and "node_to" in said:
                links.append(KfdLink(said["node_to"], said.get("max_bandwidth") or None))
        return node._replace(links=tuple(sorted(links)))

    def _node(self, number: int, gpu_id: int | None) -> KfdNode | None:
        """Without a gpu_id that could be read, one with SIMDs is a GPU."""
        said = self._properties(f"{number}/properties")
        if "location_id" not in said or (gpu_id is None and not said.get("simd_count")):
            return None
        memory_bytes, width = _memory(self._banks(number))
        simds, per_unit = said.get("simd_count", 0), said.get("simd_per_cu", 0)
        return KfdNode(
            node=number,
            gpu_id=gpu_id or 0,
            address=(said.get("domain", 0), _location(said["location_id"])),
            unique_id=said.get("unique_id", 0),
            compute_units=simds // per_unit if simds and per_unit else None,
            render_minor=said.get("drm_render_minor") or None,
            target=target_name(said.get("gfx_target_version", 0)),
            memory_bytes=memory_bytes,
            memory_bit_width=width,
        )

    def _banks(self, number: int) -> Iterable[Mapping[str, int]]:
        folder = f"{number}/mem_banks"
        return [self._properties(f"{folder}/{name}/properties") for name in self.files.names(folder)[:MAX_NODES]]

    def _properties(self, name: str) -> dict[str, int]:
        raw = self.files.anew(name)
        if not raw:
            return {}
        try:
            return parse_properties(raw, name)
        except Malformed:
            self.files.left_out += 1
            return {}


def _location(number: int) -> int:
    """Bus, device and function; the function counts the partitions wherever the driver counts them."""
    return number & _PCI_DEVICE | number >> PARTITION_SHIFT & _FUNCTION


def _memory(banks: Iterable[Mapping[str, int]]) -> tuple[int | None, int | None]:
    """Bytes and bits of width of the GPU's own memory."""
    own = [bank for bank in banks if bank.get("heap_type") in LOCAL_HEAPS]
    total = sum(bank.get("size_in_bytes", 0) for bank in own)
    return total or None, max((bank.get("width", 0) for bank in own), default=0) or None
