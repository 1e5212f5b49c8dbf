"""What an AMD GPU is: of its attributes in sysfs, its KFD nodes and tables of names.

*Source*: Documentation/gpu/amdgpu/driver-misc.rst; product_name, product_number, serial_number, fru_id and
manufacturer are of the board's EEPROM and empty on boards without one; a virtual machine has neither these nor
unique_id. None of the files in `TEXTS` wakes a GPU that sleeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.kfd import KfdNode
from nodescope.devices.amd.marketing_names import MarketingNames
from nodescope.devices.dri import dri_nodes
from nodescope.host import Host
from nodescope.kernel.hexadecimal import hex_uint64
from nodescope.kernel.number import uint64_any_base
from nodescope.records.gpu import GpuIdentity

VENDOR: Final = "amd"
NOTHING: Final = frozenset({"n/a", "na", "none", "unknown", "to be filled by o.e.m."})
"""What firmware writes where it has nothing to say."""

TEXTS: Final = (
    ("model", "product_name"),
    ("serial", "serial_number"),
    ("part_number", "product_number"),
    ("board_id", "fru_id"),
    ("brand", "manufacturer"),
    ("vbios_version", "vbios_version"),
    ("memory_vendor", "mem_info_vram_vendor"),
    ("cpu_affinity", "local_cpulist"),
)
WAKING: Final = (("compute_partition", "current_compute_partition"), ("memory_partition", "current_memory_partition"))


def provisional(address: str, index: int, nodes: Sequence[KfdNode]) -> GpuIdentity:
    """What is known without asking the GPU's own files."""
    unique_id = next((node.unique_id for node in nodes if node.unique_id), 0)
    return GpuIdentity(
        vendor=VENDOR,
        uuid=hexadecimal(unique_id) or address,
        index=index,
        pci_address=address,
        architecture=next((node.target for node in nodes if node.target), None),
        compute_units=sum(node.compute_units or 0 for node in nodes) or None,
        memory_bit_width=next((node.memory_bit_width for node in nodes if node.memory_bit_width), None),
    )


def complete(
    host: Host,
    files: DeviceFiles,
    names: MarketingNames,
    known: GpuIdentity,
    driver_version: str | None,
    asleep: bool = False,
    before: GpuIdentity | None = None,
) -> GpuIdentity:
    """`known`, which is provisional, with what the GPU's files say. `asleep`: read none that would wake it.

    `before`: what they said, which stands where the driver refuses some: during a reset a GPU is what it was.
    """
    found: dict[str, Any] = {field: _said(files.line(file)) for field, file in TEXTS}
    if not asleep:
        found |= {field: _said(files.line(file)) for field, file in WAKING}
    device, vendor, revision, subsystem, subsystem_vendor = (
        _hexadecimal(files.line(file))
        for file in ("device", "vendor", "revision", "subsystem_device", "subsystem_vendor")
    )
    if device is not None and vendor is not None:
        found["pci_device_id"] = f"0x{device:04X}{vendor:04X}"
    if subsystem is not None and subsystem_vendor is not None:
        found["pci_subsystem_id"] = f"0x{subsystem:04X}{subsystem_vendor:04X}"
    found["uuid"] = _uuid(files, known, found["serial"])
    numa_node = files.number("numa_node", files.anew)
    found["numa_node"] = numa_node if numa_node is not None and numa_node >= 0 else None
    found["oam_id"] = files.number("xgmi_physical_id", files.anew)
    if before is not None and files.refused and not _is_another(found, known, before):
        found |= _kept(found, known, before)
    if found["model"] is None and device is not None:
        found["model"] = names.of(device, revision or 0)
    found["driver_version"] = driver_version
    found["dri_card"], found["dri_render"] = dri_nodes(host, known.pci_address or "")
    same = {field: getattr(known, field) for field in _PROVISIONAL}
    return GpuIdentity(**same | found)


_TOLD: Final = (*(field for field, _ in (*TEXTS, *WAKING)), "oam_id", "pci_device_id", "pci_subsystem_id", "numa_node")
_PROVISIONAL: Final = ("vendor", "index", "pci_address", "architecture", "compute_units", "memory_bit_width")


def _kept(found: Mapping[str, Any], known: GpuIdentity, before: GpuIdentity) -> dict[str, Any]:
    """What was said `before` of what is missing now."""
    kept = {field: getattr(before, field) for field in _TOLD if found.get(field) is None}
    # Its own number is a better name than the serial number, and both than the place.
    if found["uuid"] in (known.pci_address, found["serial"]) and before.uuid != before.pci_address:
        kept["uuid"] = before.uuid
    return kept


def _is_another(found: Mapping[str, Any], known: GpuIdentity, before: GpuIdentity) -> bool:
    """Whether both have a number of their own, and not the same: another board is in that place."""
    has_number = found["uuid"] not in (known.pci_address, found["serial"])
    return has_number and before.uuid not in (before.pci_address, before.serial, found["uuid"])


def hexadecimal(unique_id: int) -> str | None:
    """The number of a board as sysfs writes it: sixteen digits in lower case. None for 0, which is none."""
    return f"{unique_id:016x}" if unique_id else None


def _uuid(files: DeviceFiles, known: GpuIdentity, serial: str | None) -> str:
    raw = files.line("unique_id") or ""
    unique_id = hexadecimal(hex_uint64(raw.lower().removeprefix("0x").encode()) or 0)
    if unique_id is None and known.uuid != known.pci_address:
        unique_id = known.uuid
    return unique_id or serial or known.uuid


def _said(value: str | None) -> str | None:
    return None if value is None or value.lower() in NOTHING else value


def _hexadecimal(value: str | None) -> int | None:
    return None if value is None else uint64_any_base(value.encode())
