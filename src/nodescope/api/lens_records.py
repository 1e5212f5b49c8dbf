"""What Primus-Lens' node exporter answers, as types: the fields of its documentation and those that its code sends.

Source: its documentation and its client's types. Where the two spell a field differently both are there. What is not
known is null, where that exporter sends 0 or "". `vendor`, `uuid` and `temperature` are ours.
"""

from __future__ import annotations

import msgspec

from nodescope.records.amd_static import (
    AmdAsic,
    AmdBoard,
    AmdBus,
    AmdCache,
    AmdDriver,
    AmdLimit,
    AmdNuma,
    AmdPartition,
    AmdRas,
    AmdSocPstate,
    AmdVbios,
    AmdVram,
    AmdXgmiPlpd,
)


class LensDri(msgspec.Struct, frozen=True, kw_only=True):
    """The DRM nodes of a device. `card`: "/dev/dri/card0"; `render`: "/dev/dri/renderD128"."""

    card: str | None = None
    render: str | None = None
    pci_addr: str | None = None
    pci_addr_camel: str | None = msgspec.field(default=None, name="pciAddr")
    card_id: int | None = None
    card_id_camel: int | None = msgspec.field(default=None, name="cardId")


class LensGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of /gpus, in the words of `amd-smi static`. `gpu`: its number on this node."""

    gpu: int
    vendor: str
    uuid: str
    asic: AmdAsic
    bus: AmdBus
    vbios: AmdVbios
    limit: AmdLimit
    driver: AmdDriver
    board: AmdBoard
    ras: AmdRas
    partition: AmdPartition
    soc_pstate: AmdSocPstate | None
    xgmi_plpd: AmdXgmiPlpd | None
    process_isolation: str | None
    numa: AmdNuma
    vram: AmdVram
    cache_info: tuple[AmdCache, ...]
    dri_device: LensDri | None


class LensCardMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of /cardMetrics: degrees Celsius, watts, percent. `memory_use_percent` is `gpu_memory_allocated_percent`.

    `gfx_activity`, `memory_activity`: the driver's accumulators, not percentages. `temperature`: of the GPU, where it
    has a single sensor.
    """

    gpu: int
    vendor: str
    uuid: str
    temperature: float | None = None
    temperature_junction: float | None = None
    temperature_memory: float | None = None
    socket_graphics_power_watts: float | None = None
    gpu_use_percent: float | None = None
    gfx_activity: float | None = None
    gpu_memory_allocated_percent: float | None = None
    memory_use_percent: float | None = None
    gpu_memory_rw_activity_percent: float | None = None
    memory_activity: float | None = None
    avg_memory_bandwidth: float | None = None


class LensRdma(msgspec.Struct, frozen=True, kw_only=True):
    """One device of /rdma. `link_layer`, `port_guid`: of its first port. GUIDs: "98:03:9b:ff:fe:12:34:56"."""

    if_name: str
    ifname: str
    if_index: int | None = None
    ifindex: int | None = None
    node_type: str | None = None
    fw: str | None = None
    node_guid: str | None = None
    sys_image_guid: str | None = None
    port_guid: str | None = None
    link_layer: str | None = None
