"""The answers of Primus-Lens' node exporter, for GPUs of every vendor.

Source: its documentation and its client's types; `rdma dev show` (words for a node's type); ibv_devinfo (GUIDs by
bytes).
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from nodescope.api.lens_inventory import Inventory, Item
from nodescope.api.lens_records import LensCardMetrics, LensGpu, LensRdma
from nodescope.api.lens_static import filled, static
from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import MAX_DRI_DEVICES, MAX_GPUS, MAX_RDMA_DEVICES, Answer, chosen, limited
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu import GpuReading, InstanceReading
from nodescope.records.gpu_snapshot import Gpu
from nodescope.records.kinds import of_kind
from nodescope.records.rdma import RdmaDevice, RdmaPort

FIRST_VENDORS: Final = ("amd", "nvidia", "intel")
"""Whose driver's version is told where there are several."""

PERCENT_DIGITS: Final = 2
GFX_ACTIVITY: Final = "gfx_activity_acc"
MEMORY_ACTIVITY: Final = "mem_activity_acc"
MEMORY_BANDWIDTH: Final = "average_memory_bandwidth"
"""Accumulators among a reading's driver fields, by their names in the driver's gpu_metrics."""

_GUID: Final = re.compile(r"[0-9A-Fa-f]{16}")


def gpus(node: Node, query: Query) -> Answer:
    """What each GPU is: amd-smi's own words where it was asked, else the same from what the driver tells."""
    inventory = Inventory(node)
    items = chosen(inventory.items, query, _identified)
    shown, left_out = limited(items, MAX_GPUS)
    return Answer([described(inventory, item) for item in shown], inventory.age_seconds, left_out)


def card_metrics(node: Node, query: Query) -> Answer:
    """What each GPU reads; of a partition of AMD's what is its own."""
    inventory = Inventory(node)
    items = [item for item in chosen(inventory.items, query, _identified) if item.gpu or item.instance]
    shown, left_out = limited(items, MAX_GPUS)
    return Answer([_metrics(item) for item in shown], inventory.age_seconds, left_out)


def driver_version(node: Node, query: Query) -> Answer:
    """The version of the driver of the first vendor that has one."""
    versions = node.driver_versions()
    vendors = (query["vendor"],) if "vendor" in query else FIRST_VENDORS
    return Answer(next((versions[vendor] for vendor in vendors if vendor in versions), None), node.gpus().age_seconds)


def dri_mapping(node: Node, query: Query) -> Answer:
    """DRM nodes by the card's path; by the render node's where there is no card."""
    inventory = Inventory(node)
    named = [(dri.card or dri.render, dri) for dri in inventory.dri]
    shown, left_out = limited([(path, dri) for path, dri in named if path], MAX_DRI_DEVICES)
    return Answer(dict(shown), node.dri().age_seconds, left_out)


def rdma(node: Node, query: Query) -> Answer:
    """RDMA devices, with what their first port tells."""
    found = node.rdma()
    first: dict[str, RdmaPort] = {}
    for port in of_kind(found.records, RdmaPort):
        if port.device not in first or port.port < first[port.device].port:
            first[port.device] = port
    shown, left_out = limited(of_kind(found.records, RdmaDevice), MAX_RDMA_DEVICES)
    return Answer([_rdma(device, first.get(device.name)) for device in shown], found.age_seconds, left_out)


def _identified(item: Item) -> tuple[str, str]:
    return item.vendor, item.uuid


def described(inventory: Inventory, item: Item) -> LensGpu:
    """What a GPU, or a partition that is listed as one, is."""
    told = item.static or AmdStatic(gpu=item.number)
    if item.gpu is not None:
        told = filled(told, static(inventory.told(item.gpu), item.number))
    return LensGpu(
        gpu=item.number,
        vendor=item.vendor,
        uuid=item.uuid,
        asic=told.asic,
        bus=replace(told.bus, bdf=item.pci_address),
        vbios=told.vbios,
        limit=told.limit,
        driver=told.driver,
        board=told.board,
        ras=told.ras,
        partition=told.partition,
        soc_pstate=told.soc_pstate,
        xgmi_plpd=told.xgmi_plpd,
        process_isolation=told.process_isolation,
        numa=told.numa,
        vram=told.vram,
        cache_info=told.cache_info,
        dri_device=inventory.dri_of(item),
    )


def _metrics(item: Item) -> LensCardMetrics:
    if item.gpu is not None:
        return _whole(item, item.gpu)
    reading = InstanceReading(uuid=item.uuid) if item.instance is None else item.instance.reading
    used = _percent(reading.memory_used_ratio)
    return LensCardMetrics(
        gpu=item.number,
        vendor=item.vendor,
        uuid=item.uuid,
        gpu_use_percent=reading.utilization_percent,
        gpu_memory_allocated_percent=used,
        memory_use_percent=used,
        gpu_memory_rw_activity_percent=reading.memory_utilization_percent,
    )


def _whole(item: Item, gpu: Gpu) -> LensCardMetrics:
    reading = gpu.reading
    used = _percent(reading.memory_used_ratio)
    return LensCardMetrics(
        gpu=item.number,
        vendor=item.vendor,
        uuid=item.uuid,
        temperature=reading.temperature_celsius,
        temperature_junction=reading.junction_temperature_celsius,
        temperature_memory=reading.memory_temperature_celsius,
        socket_graphics_power_watts=_watts(reading),
        gpu_use_percent=reading.utilization_percent,
        gfx_activity=reading.driver_fields.get(GFX_ACTIVITY),
        gpu_memory_allocated_percent=used,
        memory_use_percent=used,
        gpu_memory_rw_activity_percent=reading.memory_utilization_percent,
        memory_activity=reading.driver_fields.get(MEMORY_ACTIVITY),
        avg_memory_bandwidth=reading.driver_fields.get(MEMORY_BANDWIDTH),
    )


def _watts(reading: GpuReading) -> float | None:
    for milliwatts in (reading.power_milliwatts, reading.power_instant_milliwatts, reading.power_average_milliwatts):
        if milliwatts is not None:
            return milliwatts / 1000
    return None


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else round(100 * ratio, PERCENT_DIGITS)


def _rdma(device: RdmaDevice, port: RdmaPort | None) -> LensRdma:
    return LensRdma(
        if_name=device.name,
        ifname=device.name,
        if_index=device.index,
        ifindex=device.index,
        node_type=device.node_type and device.node_type.lower(),
        fw=device.firmware_version,
        node_guid=guid_by_bytes(device.node_guid),
        sys_image_guid=guid_by_bytes(device.sys_image_guid),
        port_guid=guid_by_bytes(port.port_guid) if port else None,
        link_layer=port.link_layer if port else None,
    )


def guid_by_bytes(guid: str | None) -> str | None:
    """ "9803:9bff:fe12:3456" -> "98:03:9b:ff:fe:12:34:56"; anything else as it is."""
    digits = (guid or "").replace(":", "")
    if not _GUID.fullmatch(digits):
        return guid
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
