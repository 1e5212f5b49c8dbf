"""What the eight H200 of a simulated machine are: names, numbers and places that never change.

Figures: what the driver reports of an H200, see NVML's reference.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.gpu_activity import MIB
from nodescope.simulate.load import mix

GPUS: Final = 8
DRIVER: Final = "570.86.15"
LIBRARY: Final = f"12.{DRIVER}"
CUDA: Final = "12.8"
MODEL: Final = "NVIDIA H200"
VBIOS: Final = "96.00.99.00.01"
SUBSYSTEM: Final = "0x18BE"
PCI_ADDRESSES: Final = tuple(f"0000:{bus:02x}:00.0" for bus in (0x18, 0x2A, 0x3A, 0x5D, 0x9A, 0xAB, 0xBA, 0xDB))
SWITCH_ADDRESSES: Final = tuple(f"0000:{bus:02x}:00.0" for bus in (0x07, 0x08, 0x09, 0x0A))
"""PCI addresses of the NVSwitches behind the NVLinks."""

FIRST_CARD: Final = 1
"""The first card is the board's own display."""
FIRST_RENDER: Final = 128

MEMORY_BYTES: Final = 143_771 * MIB
RESERVED_BYTES: Final = 614 * MIB
BAR1_BYTES: Final = 262_144 * MIB
MULTIPROCESSORS: Final = 132

INSTANCES: Final = 7
INSTANCE_PROFILE: Final = "1g.18gb"
INSTANCE_MULTIPROCESSORS: Final = 16
INSTANCE_BYTES: Final = 16_384 * MIB
INSTANCE_BAR1_BYTES: Final = 10_149 * MIB
FIRST_GPU_INSTANCE: Final = 7

NODE_CPUS: Final = ("0-3,8-11", "4-7,12-15")
"""The CPUs of each NUMA node; the nodes share the GPUs equally."""

_TEAMS: Final = (0, 0, 0, 0, 1, 1, 2, 3)
"""Which jobs a GPU works on: the first four on the same, the next two on others, the last two each on its own."""


class Board(NamedTuple):
    """One GPU. `number`: its index in NVML, and its minor.

    `jobs`, `own`: keys for what is drawn for its jobs, and for it alone.
    """

    number: int
    uuid: str
    jobs: int
    own: int
    node: int
    cpus: str

    @property
    def pci_address(self) -> str:
        return PCI_ADDRESSES[self.number]

    @property
    def card(self) -> str:
        return f"card{FIRST_CARD + self.number}"

    @property
    def render(self) -> str:
        return f"renderD{FIRST_RENDER + self.number}"


def boards(seed: int) -> tuple[Board, ...]:
    """All of a machine."""
    key = mix(seed & (2**64 - 1))
    found = []
    for index in range(GPUS):
        own, jobs = mix(key + index), mix(key - 1 - _TEAMS[index])
        node = index * len(NODE_CPUS) // GPUS
        found.append(Board(index, f"GPU-{_uuid(own)}", jobs, own, node, NODE_CPUS[node]))
    return tuple(found)


def identity(board: Board) -> dict[str, object]:
    """Fields of `GpuIdentity`."""
    return {
        "vendor": "nvidia",
        "uuid": board.uuid,
        "index": board.number,
        "minor": board.number,
        "pci_address": board.pci_address,
        "device": f"nvidia{board.number}",
        "model": MODEL,
        "brand": "NVIDIA",
        "architecture": "Hopper",
        "compute_capability": "9.0",
        "serial": f"165{board.own % 10**10:010d}",
        "board_id": f"0x{int(board.pci_address[5:7], 16) << 8:x}",
        "part_number": "699-2G520-0280-001",
        "vbios_version": VBIOS,
        "firmware_version": DRIVER,
        "driver_version": DRIVER,
        "library_version": LIBRARY,
        "cuda_version": CUDA,
        "inforom_image_version": "G520.0280.00.05",
        "inforom_oem_version": "2.1",
        "inforom_ecc_version": "7.16",
        "pci_device_id": "0x233510DE",
        "pci_subsystem_id": f"{SUBSYSTEM}10DE",
        "numa_node": board.node,
        "cpu_affinity": board.cpus,
    }


def instance_uuid(board: Board, slot: int) -> str:
    return f"MIG-{_uuid(mix(board.own + 1 + slot))}"


def instance_identity(board: Board, slot: int) -> dict[str, object]:
    """Fields of `InstanceIdentity`."""
    return {
        "gpu_uuid": board.uuid,
        "uuid": instance_uuid(board, slot),
        "index": slot,
        "gpu_instance_id": FIRST_GPU_INSTANCE + slot,
        "compute_instance_id": 0,
        "profile": INSTANCE_PROFILE,
        "multiprocessors": INSTANCE_MULTIPROCESSORS,
    }


def _uuid(key: int) -> str:
    digits = f"{key:016x}{mix(key):016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
