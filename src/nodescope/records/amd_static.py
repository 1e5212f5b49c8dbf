"""Records of what AMD's tools tell of a GPU that does not change: what `amd-smi static` says.

Source: amd-smi's documentation (`amd-smi static --json`). Names are that tool's own, so that a record encoded as JSON
is the tool's document again, the same for every release of it. Where the tool says "N/A" there is None here; a group
that it does not tell of is a record without values.
"""

from __future__ import annotations

import msgspec


class Quantity(msgspec.Struct, frozen=True):
    """A number and its unit as the tool writes it: "W", "C", "GT/s", "GB/s", and "B" to "TB" for powers of 1024."""

    value: int | float
    unit: str = ""


class AmdAsic(msgspec.Struct, frozen=True, kw_only=True):
    """The chip. Numbers of vendors and devices are written in hex, "0x74a1"; so is `asic_serial`, which is unique.

    `rev_id`: in hex. `oam_id`: the place of the module on its board. `target_graphics_version`: "gfx942".
    """

    market_name: str | None = None
    vendor_id: str | None = None
    vendor_name: str | None = None
    subvendor_id: str | None = None
    device_id: str | None = None
    subsystem_id: str | None = None
    rev_id: str | None = None
    asic_serial: str | None = None
    oam_id: int | None = None
    num_compute_units: int | None = None
    target_graphics_version: str | None = None


class AmdBus(msgspec.Struct, frozen=True, kw_only=True):
    """Where it sits. `bdf`: the PCI address, "0000:c1:00.0". `slot_type`: "OAM", "PCIE", "CEM"."""

    bdf: str | None = None
    max_pcie_width: int | None = None
    max_pcie_speed: Quantity | None = None
    pcie_interface_version: str | None = None
    slot_type: str | None = None


class AmdVbios(msgspec.Struct, frozen=True, kw_only=True):
    """Its firmware for the start; newer releases name the group `ifwi`."""

    name: str | None = None
    build_date: str | None = None
    part_number: str | None = None
    version: str | None = None


class AmdLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Its limits. `socket_power`: the power cap that is set; releases from 7.0 name it `ppt0.socket_power_limit`."""

    max_power: Quantity | None = None
    min_power: Quantity | None = None
    socket_power: Quantity | None = None
    slowdown_edge_temperature: Quantity | None = None
    slowdown_hotspot_temperature: Quantity | None = None
    slowdown_vram_temperature: Quantity | None = None
    shutdown_edge_temperature: Quantity | None = None
    shutdown_hotspot_temperature: Quantity | None = None
    shutdown_vram_temperature: Quantity | None = None


class AmdDriver(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel module. `version`: its own; of one that comes with the kernel, the kernel's."""

    name: str | None = None
    version: str | None = None


class AmdBoard(msgspec.Struct, frozen=True, kw_only=True):
    """What its EEPROM (FRU) says."""

    model_number: str | None = None
    product_serial: str | None = None
    fru_id: str | None = None
    product_name: str | None = None
    manufacturer_name: str | None = None


class AmdRas(msgspec.Struct, frozen=True, kw_only=True):
    """Reliability features. Schemas are "ENABLED" or "DISABLED"; `ecc_block_state`: the same by block, "UMC" ..."""

    eeprom_version: str | None = None
    bad_page_threshold: int | None = None
    parity_schema: str | None = None
    single_bit_schema: str | None = None
    double_bit_schema: str | None = None
    poison_schema: str | None = None
    ecc_block_state: dict[str, str] = {}


class AmdPartition(msgspec.Struct, frozen=True, kw_only=True):
    """How it is divided: "SPX" ... "CPX", "NPS1" ... `partition_id`: which of its parts this is."""

    compute_partition: str | None = None
    memory_partition: str | None = None
    partition_id: int | None = None


class AmdPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One policy that can be chosen."""

    policy_id: int | None = None
    policy_description: str | None = None


class AmdSocPstate(msgspec.Struct, frozen=True, kw_only=True):
    """Performance states of the SoC. `current_id`: the one chosen."""

    num_supported: int | None = None
    current_id: int | None = None
    policies: tuple[AmdPolicy, ...] = ()


class AmdXgmiPlpd(msgspec.Struct, frozen=True, kw_only=True):
    """Power-down policies of the links (per-link power down). `current_id`: the one chosen."""

    num_supported: int | None = None
    current_id: int | None = None
    plpds: tuple[AmdPolicy, ...] = ()


class AmdNuma(msgspec.Struct, frozen=True, kw_only=True):
    """The node of memory that is near. None where the machine has but one and the tool says so by -1."""

    node: int | None = None
    affinity: int | None = None


class AmdVram(msgspec.Struct, frozen=True, kw_only=True):
    """Its memory. `type`: "HBM3". `vendor`: "HYNIX". `bit_width`: of its bus."""

    type: str | None = None
    vendor: str | None = None
    size: Quantity | None = None
    bit_width: int | None = None
    max_bandwidth: Quantity | None = None


class AmdCache(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of cache, of which there are `num_cache_instance`, each shared by `max_num_cu_shared` compute units."""

    cache: int | None = None
    cache_properties: tuple[str, ...] = ()
    cache_size: Quantity | None = None
    cache_level: int | None = None
    max_num_cu_shared: int | None = None
    num_cache_instance: int | None = None


class AmdStatic(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, or one partition of one, as `amd-smi static` tells of it.

    `gpu`: the tool's index. `soc_pstate`, `xgmi_plpd`: None where the GPU has no such policies. Its DRM nodes are not
    told here.
    """

    gpu: int
    asic: AmdAsic = AmdAsic()
    bus: AmdBus = AmdBus()
    vbios: AmdVbios = AmdVbios()
    limit: AmdLimit = AmdLimit()
    driver: AmdDriver = AmdDriver()
    board: AmdBoard = AmdBoard()
    ras: AmdRas = AmdRas()
    partition: AmdPartition = AmdPartition()
    soc_pstate: AmdSocPstate | None = None
    xgmi_plpd: AmdXgmiPlpd | None = None
    process_isolation: str | None = None
    numa: AmdNuma = AmdNuma()
    vram: AmdVram = AmdVram()
    cache_info: tuple[AmdCache, ...] = ()
