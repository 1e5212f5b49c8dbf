"""What the MI300X of a simulated machine are: names, numbers and places that never change.

Figures: AMD Instinct MI300X data sheet; KFD topology of such nodes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.load import mix
from nodescope.simulate.pci_tree import GEN5, Ids, PciNode, pci_address

GPUS: Final = 8
MIB: Final = 2**20
MODEL: Final = "AMD Instinct MI300X OAM"
DRIVER: Final = "6.12.12"
VBIOS: Final = "113-M3000100-103"
IDS: Final = Ids("1002", "74a1", "120000", "amdgpu", "1002", "74a1")
VRAM_BYTES: Final = 196_288 * MIB
GTT_BYTES: Final = 1_031_796 * MIB
XCCS: Final = 8
COMPUTE_UNITS: Final = 304
HIVE: Final = 0xD2C7_5E71_1A8B_90F7

PARTITIONS: Final = {"SPX": 1, "DPX": 2, "QPX": 4, "CPX": 8}
MEMORY_PARTITIONS: Final = ("NPS1", "NPS4")
NODES: Final = 2
"""NUMA nodes of the machine, which share the GPUs equally."""

_ROOT_BUSES: Final = (0x10, 0x30, 0x50, 0x70, 0x90, 0xB0, 0xD0, 0xF0)
_SWITCH_BUS: Final = 1
_PORTS_BUS: Final = 2
_NIC_BUS: Final = 3
_GPU_BUS: Final = 5
"""Buses behind each root bus: of its switch, of that one's ports, and behind these."""

FIRST_CARD: Final = 1
"""The first card is the board's own display."""
FIRST_RENDER: Final = 128
_HOLE: Final = 3
"""From this GPU on cards are numbered one higher: a device that had the number is gone."""


class Options(NamedTuple):
    """How a node of MI300X is set up. Numbers of GPUs count from 0.

    `metrics`: version of gpu_metrics. `dot`: partitions are amdgpu_xcp.N, as some drivers name them, not amdgpu_xcp_N.
    `suspended`: GPUs in runtime suspend. `removed`: GPUs that are gone from the bus. `broken`: GPUs with uncorrectable
    errors of their memory.
    """

    gpus: int = GPUS
    compute_partition: str = "SPX"
    memory_partition: str = "NPS1"
    metrics: tuple[int, int] = (1, 8)
    seed: int = 1
    domain: int = 0
    dot: bool = False
    suspended: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()

    @property
    def partitions(self) -> int:
        return PARTITIONS[self.compute_partition]


class Board(NamedTuple):
    """One GPU. `number`: its place in the order of PCI addresses. `key`: for what is drawn for it."""

    number: int
    key: int
    options: Options

    @property
    def node(self) -> int:
        return self.number * NODES // max(self.options.gpus, NODES)

    @property
    def unique_id(self) -> int:
        return self.key | 1 << 63

    @property
    def serial(self) -> str:
        return f"6922{self.key % 10**8:08d}"

    @property
    def hwmon(self) -> int:
        return 10 + self.number

    @property
    def pci(self) -> PciNode:
        address, above = place(self.number, _GPU_BUS, self.options.domain)
        return PciNode(address, root(self.number, self.options.domain), above, IDS, self.node, GEN5, GEN5)

    def card(self, partition: int) -> int:
        return FIRST_CARD + self.number * XCCS + partition + (self.number >= _HOLE)

    def render(self, partition: int) -> int:
        return FIRST_RENDER + self.number * XCCS + partition

    def platform(self, partition: int) -> str:
        """The device of a partition but the first, which is the GPU's own."""
        return f"amdgpu_xcp{'.' if self.options.dot else '_'}{self.number * (XCCS - 1) + partition - 1}"

    def gpu_id(self, partition: int) -> int:
        """KFD's number."""
        return 1 + mix(self.key + partition) % 0xFFFE

    def kfd_node(self, partition: int) -> int:
        return NODES + self.number * self.options.partitions + partition

    def location(self, partition: int) -> int:
        """Bus and device of the GPU, and the partition where PCI has the function."""
        return int(self.pci.address.split(":")[1], 16) << 8 | partition


def boards(options: Options) -> tuple[Board, ...]:
    """Those that are there. Raises `ValueError` for options that there are not."""
    if options.compute_partition not in PARTITIONS or options.memory_partition not in MEMORY_PARTITIONS:
        wanted = f"one of {', '.join(PARTITIONS)} and one of {', '.join(MEMORY_PARTITIONS)}"
        raise ValueError(f"MI300X: expected {wanted}, got {options.compute_partition} {options.memory_partition}")
    if not 0 <= options.gpus <= GPUS:
        raise ValueError(f"MI300X: expected 0 to {GPUS} GPUs, got {options.gpus}")
    key = mix(options.seed & (2**64 - 1))
    numbers = [number for number in range(options.gpus) if number not in options.removed]
    return tuple(Board(number, mix(key + number), options) for number in numbers)


def root(number: int, domain: int = 0) -> str:
    """The host bridge of a GPU, and of the network card beside it."""
    return f"pci{domain:04x}:{_ROOT_BUSES[number]:02x}"


def place(number: int, behind: int = _NIC_BUS, domain: int = 0) -> tuple[str, tuple[str, ...]]:
    """Address of a device behind the switch of GPU `number`, and the bridges above it; by itself the network card's."""
    bus = _ROOT_BUSES[number]
    port = 0 if behind == _NIC_BUS else 1
    above = (
        pci_address(bus, 1, 1, domain),
        pci_address(bus + _SWITCH_BUS, 0, 0, domain),
        pci_address(bus + _PORTS_BUS, port, 0, domain),
    )
    return pci_address(bus + behind, 0, 0, domain), above
