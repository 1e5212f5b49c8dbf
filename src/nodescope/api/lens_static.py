"""What `amd-smi static` would say of a GPU, from what every vendor's driver tells of it.

Source: the records; PCI Express base specification (speed of each generation). AMD's driver shows the chip's unique
number where amd-smi says asic_serial, and the part number of the VBIOS as its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from nodescope.records.amd_static import (
    AmdAsic,
    AmdBoard,
    AmdBus,
    AmdDriver,
    AmdLimit,
    AmdNuma,
    AmdPartition,
    AmdStatic,
    AmdVbios,
    AmdVram,
    Quantity,
)
from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import Gpu
from nodescope.records.pci import PciDevice

BYTES_PER_MEGABYTE: Final = 1 << 20
"""amd-smi's units are powers of 1024."""

VENDORS: Final[Mapping[str, tuple[str, str, str | None]]] = {
    "amd": ("0x1002", "Advanced Micro Devices Inc. [AMD/ATI]", "amdgpu"),
    "nvidia": ("0x10de", "NVIDIA Corporation", "nvidia"),
    "intel": ("0x8086", "Intel Corporation", None),
}
"""PCI number, name in pci.ids and driver (Intel has two) of each vendor."""

GIGATRANSFERS: Final[Mapping[int, float]] = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0, 7: 128.0}
"""Per second, of each generation of PCI Express."""

_UNIQUE: Final = re.compile(r"(0x)?[0-9A-Fa-f]{1,16}")
_HEX: Final = re.compile(r"(0[xX])?([0-9A-Fa-f]{4})([0-9A-Fa-f]{4})?")

S = TypeVar("S", bound=msgspec.Struct)


class Told(NamedTuple):
    """What is known of a GPU. `driver`: the name of its kernel module."""

    gpu: Gpu
    pci: PciDevice | None
    driver: str | None


def static(told: Told, number: int) -> AmdStatic:
    """A GPU in amd-smi's words."""
    identity, reading = told.gpu.identity, told.gpu.reading
    return AmdStatic(
        gpu=number,
        asic=_asic(identity, told.pci),
        bus=_bus(identity, reading, told.pci),
        vbios=_vbios(identity),
        limit=_limit(reading),
        driver=AmdDriver(name=told.driver or _vendor(identity)[2], version=identity.driver_version),
        board=_board(identity),
        partition=AmdPartition(
            compute_partition=identity.compute_partition, memory_partition=identity.memory_partition
        ),
        numa=AmdNuma(node=identity.numa_node),
        vram=AmdVram(
            type=identity.memory_type,
            vendor=identity.memory_vendor,
            size=_megabytes(reading.memory_total_bytes),
            bit_width=identity.memory_bit_width,
        ),
    )


def filled(known: S, other: S) -> S:
    """`known`, with what it does not tell from `other`; groups likewise."""
    values = {}
    for name in known.__struct_fields__:
        mine, others = getattr(known, name), getattr(other, name)
        if mine is None or (isinstance(mine, (tuple, dict)) and not mine):
            values[name] = others
        elif isinstance(mine, msgspec.Struct) and type(mine) is type(others) and not isinstance(mine, Quantity):
            values[name] = filled(mine, others)
    return msgspec.structs.replace(known, **values)


def _vendor(identity: GpuIdentity) -> tuple[str | None, str | None, str | None]:
    return VENDORS.get(identity.vendor, (None, None, None))


def _asic(identity: GpuIdentity, pci: PciDevice | None) -> AmdAsic:
    number, name, _ = _vendor(identity)
    is_amd = identity.vendor == "amd"
    return AmdAsic(
        market_name=identity.model,
        vendor_id=number,
        vendor_name=name,
        subvendor_id=_hex(pci.subsystem_vendor_id if pci else None) or _hex(identity.pci_subsystem_id, low=True),
        device_id=_hex(pci.device_id if pci else None) or _hex(identity.pci_device_id),
        subsystem_id=_hex(pci.subsystem_device_id if pci else None) or _hex(identity.pci_subsystem_id),
        rev_id=f"0x{pci.revision.removeprefix('0x')}" if pci and pci.revision else None,
        asic_serial=_unique(identity) if is_amd else identity.serial,
        oam_id=identity.oam_id,
        num_compute_units=identity.compute_units,
        target_graphics_version=identity.architecture if is_amd else None,
    )


def _unique(identity: GpuIdentity) -> str | None:
    """The unique number as amd-smi writes it; of a GPU without one (its uuid is then something else) its serial."""
    if _UNIQUE.fullmatch(identity.uuid) and identity.uuid != identity.serial:
        return f"0x{int(identity.uuid, 16):X}"
    return identity.serial


def _hex(text: str | None, low: bool = False) -> str | None:
    """Four digits of "74a1", "0x74a1" or NVIDIA's "0x233510DE": the device's, or with `low` the vendor's."""
    match = _HEX.fullmatch(text or "")
    if match is None or (low and not match[3]):
        return None
    return f"0x{(match[3] if low else match[2]).lower()}"


def _bus(identity: GpuIdentity, reading: GpuReading, pci: PciDevice | None) -> AmdBus:
    generation = reading.pcie_max_generation
    speed = pci.max_link_speed_gigatransfers_per_second if pci else None
    if speed is None and generation is not None:
        speed = GIGATRANSFERS.get(generation)
    if generation is None:
        generation = next((number for number, rate in GIGATRANSFERS.items() if rate == speed), None)
    width = reading.pcie_max_width_lanes
    return AmdBus(
        bdf=identity.pci_address,
        max_pcie_width=width if width is not None or pci is None else pci.max_link_width_lanes,
        max_pcie_speed=None if speed is None else Quantity(_number(speed), "GT/s"),
        pcie_interface_version=None if generation is None else f"Gen {generation}",
        slot_type=None if identity.oam_id is None else "OAM",
    )


def _vbios(identity: GpuIdentity) -> AmdVbios:
    if identity.vendor == "amd":
        return AmdVbios(part_number=identity.vbios_version)
    return AmdVbios(version=identity.vbios_version, part_number=identity.part_number)


def _limit(reading: GpuReading) -> AmdLimit:
    return AmdLimit(
        max_power=_watts(reading.power_limit_max_milliwatts),
        min_power=_watts(reading.power_limit_min_milliwatts),
        socket_power=_watts(reading.power_limit_milliwatts),
        **_temperature_limits(reading),
    )


def _temperature_limits(reading: GpuReading) -> dict[str, Quantity | None]:
    """Those of each sensor; of a GPU that has one for all, the hottest spot's."""
    limits = {
        f"{what}_{spot}_temperature": _celsius(reading.driver_fields.get(f"{sensor}_temperature_{limit}_celsius"))
        for what, limit in (("slowdown", "crit"), ("shutdown", "emergency"))
        for spot, sensor in (("edge", "edge"), ("hotspot", "junction"), ("vram", "mem"))
    }
    if any(limits.values()):
        return limits
    return {
        "slowdown_hotspot_temperature": _celsius(reading.temperature_slowdown_celsius),
        "shutdown_hotspot_temperature": _celsius(reading.temperature_shutdown_celsius),
    }


def _board(identity: GpuIdentity) -> AmdBoard:
    """What the EEPROM says of other vendors' boards are their numbers alone."""
    if identity.vendor != "amd":
        return AmdBoard(model_number=identity.part_number, product_serial=identity.serial)
    return AmdBoard(
        model_number=identity.part_number,
        product_serial=identity.serial,
        fru_id=identity.board_id,
        product_name=identity.model,
        manufacturer_name=identity.brand,
    )


def _watts(milliwatts: int | None) -> Quantity | None:
    return None if milliwatts is None else Quantity(_number(milliwatts / 1000), "W")


def _celsius(degrees: float | None) -> Quantity | None:
    return None if degrees is None else Quantity(_number(degrees), "C")


def _megabytes(size: int | None) -> Quantity | None:
    return None if size is None else Quantity(size // BYTES_PER_MEGABYTE, "MB")


def _number(value: float) -> int | float:
    """Whole numbers without a point, as the tool writes them."""
    return int(value) if value == int(value) else value
