"""What a GPU is. Source: nvml.h, "Device Queries"; read once for each generation of the inventory."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import SUCCESS
from nodescope.devices.nvidia.child.library import TEXT_BYTES, Library, text_in

CPU_WORDS: Final = 32
BITS: Final = ctypes.sizeof(ctypes.c_ulong) * 8
NODE_WORDS: Final = 16
SCOPE_NODE: Final = 0
"""NVML_AFFINITY_SCOPE_NODE."""

TEXTS: Final[tuple[tuple[str, str, tuple[int, ...], int], ...]] = (
    ("model", "nvmlDeviceGetName", (), 96),
    ("serial", "nvmlDeviceGetSerial", (), 30),
    ("part_number", "nvmlDeviceGetBoardPartNumber", (), 80),
    ("vbios_version", "nvmlDeviceGetVbiosVersion", (), 32),
    ("inforom_image_version", "nvmlDeviceGetInforomImageVersion", (), 16),
    ("inforom_oem_version", "nvmlDeviceGetInforomVersion", (0,), 16),
    ("inforom_ecc_version", "nvmlDeviceGetInforomVersion", (1,), 16),
    ("inforom_power_version", "nvmlDeviceGetInforomVersion", (2,), 16),
)
"""Field, call, its arguments, the size of its buffer."""

BRANDS: Final = {
    1: "Quadro",
    2: "Tesla",
    3: "NVS",
    4: "GRID",
    5: "GeForce",
    6: "Titan",
    7: "NVIDIA Virtual Applications",
    8: "NVIDIA Virtual PC",
    9: "NVIDIA Virtual Compute Server",
    10: "NVIDIA RTX Virtual Workstation",
    11: "NVIDIA Cloud Gaming",
    12: "Quadro RTX",
    13: "NVIDIA RTX",
    14: "NVIDIA",
    15: "GeForce RTX",
    16: "Titan RTX",
    18: "NVIDIA RTX Virtual Game Development",
}
ARCHITECTURES: Final = {
    2: "Kepler",
    3: "Maxwell",
    4: "Pascal",
    5: "Volta",
    6: "Turing",
    7: "Ampere",
    8: "Ada Lovelace",
    9: "Hopper",
    10: "Blackwell",
    13: "Rubin",
}

Values = dict[str, Any]


def read(calls: Calls, handle: Any, library: Library, identity: Values) -> None:
    """Fills in `identity`, a dict of `GpuIdentity` that has vendor, UUID and index. Raises `GpuLost`, `CallFailed`."""
    identity["driver_version"] = library.driver_version
    identity["library_version"] = library.library_version
    identity["cuda_version"] = library.cuda_version
    pci = pynvml.nvmlPciInfo_t()
    if calls.ask("nvmlDeviceGetPciInfo_v3", handle, ctypes.byref(pci)) == SUCCESS:
        identity["pci_address"] = pci_address(pci)
        identity["pci_device_id"] = f"0x{pci.pciDeviceId:08X}"
        identity["pci_subsystem_id"] = f"0x{pci.pciSubSystemId:08X}"
    minor = uint(calls, "nvmlDeviceGetMinorNumber", handle)
    identity["minor"] = minor
    identity["device"] = None if minor is None else f"nvidia{minor}"
    for field, call, arguments, size in TEXTS:
        identity[field] = text(calls, call, handle, arguments, size)
    identity["firmware_version"] = _firmware(calls, handle)
    identity["brand"] = BRANDS.get(uint(calls, "nvmlDeviceGetBrand", handle) or 0)
    identity["architecture"] = ARCHITECTURES.get(uint(calls, "nvmlDeviceGetArchitecture", handle) or 0)
    board = uint(calls, "nvmlDeviceGetBoardId", handle)
    identity["board_id"] = None if board is None else f"0x{board:x}"
    identity["compute_capability"] = _capability(calls, handle)
    identity["numa_node"] = _numa_node(calls, handle)
    identity["cpu_affinity"] = _cpu_affinity(calls, handle)


def uuid(calls: Calls, handle: Any) -> str | None:
    """A GPU's UUID; None where it does not say."""
    return text(calls, "nvmlDeviceGetUUID", handle)


def pci_address(pci: Any) -> str:
    """The address in the kernel's form; the driver's has eight digits of the domain."""
    return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"


def uint(calls: Calls, name: str, handle: Any) -> int | None:
    """The number that a call gives; None where it fails."""
    number = ctypes.c_uint()
    return number.value if calls.ask(name, handle, ctypes.byref(number)) == SUCCESS else None


def text(calls: Calls, name: str, handle: Any, arguments: tuple[int, ...] = (), size: int = TEXT_BYTES) -> str | None:
    """The text that a call writes into `size` bytes; None where it fails or there is none."""
    buffer = ctypes.create_string_buffer(max(size, TEXT_BYTES))
    return text_in(buffer) if calls.ask(name, handle, *arguments, buffer, size) == SUCCESS else None


def cpu_list(words: Sequence[int]) -> str:
    """A mask of CPUs as the kernel writes lists.

    >>> cpu_list([0b10111])
    '0-2,4'
    """
    cpus = [place * BITS + bit for place, word in enumerate(words) for bit in range(BITS) if word >> bit & 1]
    ranges: list[list[int]] = []
    for cpu in cpus:
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def _firmware(calls: Calls, handle: Any) -> str | None:
    """The GSP's firmware. Absent where the GPU runs without."""
    buffer = ctypes.create_string_buffer(TEXT_BYTES)
    return text_in(buffer) if calls.ask("nvmlDeviceGetGspFirmwareVersion", handle, buffer) == SUCCESS else None


def _capability(calls: Calls, handle: Any) -> str | None:
    major, minor = ctypes.c_int(), ctypes.c_int()
    code = calls.ask("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}" if code == SUCCESS else None


def _numa_node(calls: Calls, handle: Any) -> int | None:
    """The node whose memory is nearest. Absent where there are several, or the machine has but one.

    Not nvmlDeviceGetNumaNodeId: that is the node that a GPU's own memory is.
    """
    words = (ctypes.c_ulong * NODE_WORDS)()
    if calls.ask("nvmlDeviceGetMemoryAffinity", handle, NODE_WORDS, words, SCOPE_NODE) != SUCCESS:
        return None
    nodes = cpu_list(list(words))
    return int(nodes) if nodes.isdigit() else None


def _cpu_affinity(calls: Calls, handle: Any) -> str | None:
    words = (ctypes.c_ulong * CPU_WORDS)()
    code = calls.ask("nvmlDeviceGetCpuAffinity", handle, CPU_WORDS, words)
    return cpu_list(list(words)) or None if code == SUCCESS else None
