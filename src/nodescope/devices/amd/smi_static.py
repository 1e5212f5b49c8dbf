"""What `amd-smi static` tells of one GPU -> the typed record of it, and what of it belongs to an identity.

Source: `amd-smi static --json` of ROCm 5.7 to 7.x. Groups and keys were renamed between releases; each value has the
paths that it had in any of them, newest first. "N/A" and its like are None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_values import at, kernel_address, name, quantity, small
from nodescope.records.amd_static import (
    AmdAsic,
    AmdBoard,
    AmdBus,
    AmdCache,
    AmdDriver,
    AmdLimit,
    AmdNuma,
    AmdPartition,
    AmdPolicy,
    AmdRas,
    AmdSocPstate,
    AmdStatic,
    AmdVbios,
    AmdVram,
    AmdXgmiPlpd,
)

MAX_CACHES: Final = 32
MAX_POLICIES: Final = 64
MAX_BLOCKS: Final = 64
MAX_PROPERTIES: Final = 16


class Column(NamedTuple):
    """A field of a group, how its value is read, and where it may stand."""

    field: str
    read: Callable[[Any], Any]
    paths: tuple[str, ...]


def _watts(value: Any) -> Any:
    return quantity(value, "W")


def _celsius(value: Any) -> Any:
    return quantity(value, "C")


def _transfers(value: Any) -> Any:
    return quantity(value, "GT/s")


def _megabytes(value: Any) -> Any:
    return quantity(value, "MB")


def _kilobytes(value: Any) -> Any:
    return quantity(value, "KB")


def _gigabytes_per_second(value: Any) -> Any:
    return quantity(value, "GB/s")


def _generation(value: Any) -> str | None:
    """ "Gen 4", also where only the number is told."""
    said = name(value)
    return f"Gen {said}" if said and said.isdecimal() else said


def _columns(group: str, read: Callable[[Any], Any], *fields: str) -> tuple[Column, ...]:
    return tuple(Column(field, read, (f"{group}.{field}",)) for field in fields)


ASIC: Final = (
    *_columns("asic", name, "market_name", "vendor_id", "vendor_name", "device_id", "rev_id", "asic_serial"),
    *_columns("asic", name, "subsystem_id", "target_graphics_version"),
    Column("subvendor_id", name, ("asic.subvendor_id", "asic.subvendor")),
    Column("oam_id", small, ("asic.oam_id", "asic.xgmi_physical_id")),
    Column("num_compute_units", small, ("asic.num_compute_units", "asic.num_of_compute_units")),
)
BUS: Final = (
    Column("bdf", kernel_address, ("bus.bdf", "bdf")),
    Column("max_pcie_width", small, ("bus.max_pcie_width", "bus.max_pcie_lanes")),
    Column("max_pcie_speed", _transfers, ("bus.max_pcie_speed",)),
    Column("pcie_interface_version", _generation, ("bus.pcie_interface_version",)),
    Column("slot_type", name, ("bus.slot_type", "bus.pcie_slot_type")),
)
VBIOS: Final = tuple(
    Column(field, name, (f"ifwi.{field}", f"vbios.{field}", f"vbios.vbios_{field}"))
    for field in ("name", "build_date", "part_number", "version")
)
LIMIT: Final = (
    Column("max_power", _watts, ("limit.max_power", "limit.ppt0.max_power_limit")),
    Column("min_power", _watts, ("limit.min_power", "limit.ppt0.min_power_limit")),
    Column(
        "socket_power",
        _watts,
        ("limit.socket_power", "limit.ppt0.socket_power_limit", "limit.current_power", "limit.power"),
    ),
    Column(
        "slowdown_edge_temperature", _celsius, ("limit.slowdown_edge_temperature", "limit.temperature_edge")
    ),
    Column(
        "slowdown_hotspot_temperature",
        _celsius,
        ("limit.slowdown_hotspot_temperature", "limit.temperature_junction"),
    ),
    Column("slowdown_vram_temperature", _celsius, ("limit.slowdown_vram_temperature", "limit.temperature_vram")),
    *_columns(
        "limit", _celsius, "shutdown_edge_temperature", "shutdown_hotspot_temperature", "shutdown_vram_temperature"
    ),
)  # fmt: skip
DRIVER: Final = (
    Column("name", name, ("driver.name", "driver.driver_name")),
    Column("version", name, ("driver.version", "driver.driver_version")),
)
BOARD: Final = (
    *_columns("board", name, "model_number", "fru_id", "product_name", "manufacturer_name"),
    Column("product_serial", name, ("board.product_serial", "board.serial_number")),
)
RAS: Final = (
    *_columns(
        "ras", name, "eeprom_version", "parity_schema", "single_bit_schema", "double_bit_schema", "poison_schema"
    ),
    *_columns("ras", small, "bad_page_threshold"),
)
PARTITION: Final = (
    Column("compute_partition", name, ("partition.compute_partition", "partition.accelerator_partition")),
    Column("memory_partition", name, ("partition.memory_partition",)),
    Column("partition_id", small, ("partition.partition_id", "partition_id")),
)
POLICIES: Final = (Column("num_supported", small, ("num_supported",)), Column("current_id", small, ("current_id",)))
POLICY: Final = (
    Column("policy_id", small, ("policy_id",)),
    Column("policy_description", name, ("policy_description",)),
)
NUMA: Final = (Column("node", small, ("numa.node",)), Column("affinity", small, ("numa.affinity",)))
VRAM: Final = (
    Column("type", name, ("vram.type", "vram.vram_type")),
    Column("vendor", name, ("vram.vendor", "vram.vram_vendor")),
    Column("size", _megabytes, ("vram.size", "vram.vram_size", "vram.vram_size_mb")),
    Column("bit_width", small, ("vram.bit_width", "vram.vram_bit_width")),
    Column("max_bandwidth", _gigabytes_per_second, ("vram.max_bandwidth",)),
)
CACHE: Final = (
    *_columns("c", small, "cache", "cache_level", "max_num_cu_shared"),
    Column("cache_size", _kilobytes, ("c.cache_size",)),
    Column("num_cache_instance", small, ("c.num_cache_instance", "c.num_cache_instances")),
)


def static(entry: Entry) -> AmdStatic | None:
    """The record of one GPU, or one partition of one; None where not even its number is told."""
    number = small(entry.get("gpu"))
    if number is None:
        return None
    return AmdStatic(
        gpu=number,
        asic=AmdAsic(**_told(entry, ASIC)),
        bus=AmdBus(**_told(entry, BUS)),
        vbios=AmdVbios(**_told(entry, VBIOS)),
        limit=AmdLimit(**_told(entry, LIMIT)),
        driver=AmdDriver(**_told(entry, DRIVER)),
        board=AmdBoard(**_told(entry, BOARD)),
        ras=AmdRas(**_told(entry, RAS), ecc_block_state=_block_states(entry)),
        partition=AmdPartition(**_told(entry, PARTITION)),
        soc_pstate=_soc_pstate(entry.get("soc_pstate") or entry.get("dpm_policy")),
        xgmi_plpd=_xgmi_plpd(entry.get("xgmi_plpd")),
        process_isolation=name(entry.get("process_isolation")),
        numa=AmdNuma(**_told(entry, NUMA)),
        vram=AmdVram(**_told(entry, VRAM)),
        cache_info=tuple(_caches(entry)),
    )


def _told(entry: Entry, columns: Iterable[Column]) -> dict[str, Any]:
    """The first that is known of each field."""
    return {
        field: next((found for path in paths if (found := read(at(entry, path))) is not None), None)
        for field, read, paths in columns
    }


def _block_states(entry: Entry) -> dict[str, str]:
    """By block in upper case: told as an object, or as a list of objects with block and status, also as `ras`."""
    told = entry["ras"] if isinstance(entry.get("ras"), list) else at(entry, "ras.ecc_block_state")
    if isinstance(told, list):
        told = {item.get("block"): item.get("status") for item in told if isinstance(item, dict)}
    if not isinstance(told, dict):
        return {}
    pairs = ((name(block), name(state)) for block, state in list(told.items())[:MAX_BLOCKS])
    return {block.upper(): state for block, state in pairs if block and state}


def _soc_pstate(told: Any) -> AmdSocPstate | None:
    if not isinstance(told, dict):
        return None
    return AmdSocPstate(**_told(told, POLICIES), policies=_policies(told.get("policies")))


def _xgmi_plpd(told: Any) -> AmdXgmiPlpd | None:
    if not isinstance(told, dict):
        return None
    return AmdXgmiPlpd(**_told(told, POLICIES), plpds=_policies(told.get("plpds") or told.get("policies")))


def _policies(listed: Any) -> tuple[AmdPolicy, ...]:
    items = listed[:MAX_POLICIES] if isinstance(listed, list) else ()
    return tuple(AmdPolicy(**_told(item, POLICY)) for item in items if isinstance(item, dict))


def _caches(entry: Entry) -> Iterable[AmdCache]:
    """A list of objects, or an object of them by "cache_0" ..."""
    listed = entry.get("cache_info") or entry.get("cache")
    if isinstance(listed, dict):
        listed = [{"cache": index, **item} for index, item in enumerate(listed.values()) if isinstance(item, dict)]
    for item in listed[:MAX_CACHES] if isinstance(listed, list) else ():
        if isinstance(item, dict):
            yield AmdCache(**_told({"c": item}, CACHE), cache_properties=_properties(item.get("cache_properties")))


def _properties(told: Any) -> tuple[str, ...]:
    if isinstance(told, str):
        told = told.split(",")
    found = (name(one) for one in told[:MAX_PROPERTIES]) if isinstance(told, list) else ()
    return tuple(one for one in found if one)
