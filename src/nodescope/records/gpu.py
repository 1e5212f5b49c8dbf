"""Records of GPUs, the same for every vendor.

An identity changes only with the inventory's generation; a reading is of one moment. Fields keep the driver's own units
(named last), so that counters stay exact; a profile scales them.
"""

from __future__ import annotations

import msgspec


def _used_ratio(used: int | None, total: int | None, reserved: int | None) -> float | None:
    usable = (total or 0) - (reserved or 0)
    return None if used is None or usable <= 0 else used / usable


class GpuIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a GPU is.

    `vendor`: "nvidia", "amd", "intel". `index`: the vendor library's. `pci_address`: the kernel's form,
    "0000:18:00.0". `device`: the name under /dev, "nvidia0". `cpu_affinity`: a list as the kernel writes it,
    "0-55,112-167". `dri_card`, `dri_render`: "card1", "renderD129". `compute_partition`, `memory_partition`: as AMD
    writes them, "CPX", "NPS4". `uuid` is what stays with the board: NVIDIA's UUID; of others the unique number in hex,
    else the serial number, else the PCI address.
    """

    vendor: str
    uuid: str
    index: int | None = None
    minor: int | None = None
    pci_address: str | None = None
    device: str | None = None
    model: str | None = None
    brand: str | None = None
    architecture: str | None = None
    compute_capability: str | None = None
    serial: str | None = None
    board_id: str | None = None
    part_number: str | None = None
    vbios_version: str | None = None
    firmware_version: str | None = None
    driver_version: str | None = None
    library_version: str | None = None
    cuda_version: str | None = None
    inforom_image_version: str | None = None
    inforom_oem_version: str | None = None
    inforom_ecc_version: str | None = None
    inforom_power_version: str | None = None
    pci_device_id: str | None = None
    pci_subsystem_id: str | None = None
    numa_node: int | None = None
    cpu_affinity: str | None = None
    dri_card: str | None = None
    dri_render: str | None = None
    compute_partition: str | None = None
    memory_partition: str | None = None
    compute_units: int | None = None
    oam_id: int | None = None
    memory_type: str | None = None
    memory_vendor: str | None = None
    memory_bit_width: int | None = None

    @property
    def pci_bus_id(self) -> str | None:
        """The address as NVIDIA's tools write it, "00000000:18:00.0": a domain of eight digits, upper case."""
        domain, colon, rest = (self.pci_address or "").partition(":")
        return f"{domain:0>8}:{rest}".upper() if colon else None


class InstanceIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a partition of a GPU is (NVIDIA: a MIG device; AMD: an XCP).

    `profile`: "1g.18gb", "CPX". `index`: its slot; slots are sparse. Of NVIDIA's: `profile_id`: the driver's number of
    the GPU instance's profile. `placement_start`, `placement_size`: where the GPU instance lies, in slices of memory.
    """

    gpu_uuid: str
    uuid: str
    index: int | None = None
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None
    profile: str | None = None
    profile_id: int | None = None
    placement_start: int | None = None
    placement_size: int | None = None
    multiprocessors: int | None = None
    compute_units: int | None = None
    pci_address: str | None = None
    dri_card: str | None = None
    dri_render: str | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a GPU reads at one moment. None: the driver does not say.

    `throttle_reasons`: NVML's mask of clocks event reasons. `*_violation_ns`: how long clocks were held down, by cause,
    since the driver was loaded. `energy_millijoules`, `pcie_*_bytes`, errors: counters since the driver was loaded;
    `*_aggregate_*`: of the board's life. `pcie_*_bytes` may wrap. Modes and states are the driver's own numbers.
    `*_per_second`: over the time since the sample before; the parent works them out from the counters.

    `driver_fields`: NVML field values that have no field here, by their names without NVML_FI_DEV_ or NVML_FI_ in lower
    case ("c2c_link_count"). `profiling`: GPM metrics by their names without NVML_GPM_METRIC_ in lower case
    ("sm_util", percent; "pcie_tx_per_sec", MiB/s). `temperature_celsius`: of the GPU; of one with an edge sensor and a
    junction sensor the edge's, of one with only the latter that one's. `memory_used_percent`: where only a share is
    told. `engines`: use of each engine in percent, by its
    driver's name. `throttled_ns`: how long clocks were held down by each cause, counters. `peer_nvlink_status`: UUID of
    another GPU -> whether it is reached over NVLink, as NVML numbers it.
    """

    utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    encoder_utilization_percent: float | None = None
    decoder_utilization_percent: float | None = None
    jpeg_utilization_percent: float | None = None
    ofa_utilization_percent: float | None = None

    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    bar1_total_bytes: int | None = None
    bar1_used_bytes: int | None = None
    bar1_free_bytes: int | None = None
    gtt_total_bytes: int | None = None
    gtt_used_bytes: int | None = None
    memory_used_percent: float | None = None

    temperature_celsius: float | None = None
    edge_temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    junction_temperature_celsius: float | None = None
    temperature_margin_celsius: float | None = None
    temperature_slowdown_celsius: float | None = None
    temperature_shutdown_celsius: float | None = None
    temperature_max_operating_celsius: float | None = None
    memory_temperature_max_operating_celsius: float | None = None

    power_milliwatts: int | None = None
    power_average_milliwatts: int | None = None
    power_instant_milliwatts: int | None = None
    power_limit_milliwatts: int | None = None
    power_limit_enforced_milliwatts: int | None = None
    power_limit_min_milliwatts: int | None = None
    power_limit_max_milliwatts: int | None = None
    power_limit_default_milliwatts: int | None = None
    energy_millijoules: int | None = None

    clock_graphics_megahertz: int | None = None
    clock_sm_megahertz: int | None = None
    clock_memory_megahertz: int | None = None
    clock_video_megahertz: int | None = None
    clock_soc_megahertz: int | None = None
    clock_fabric_megahertz: int | None = None
    clock_max_graphics_megahertz: int | None = None
    clock_max_sm_megahertz: int | None = None
    clock_max_memory_megahertz: int | None = None
    clock_max_video_megahertz: int | None = None
    clock_application_graphics_megahertz: int | None = None
    clock_application_memory_megahertz: int | None = None

    throttle_reasons: int | None = None
    power_violation_ns: int | None = None
    thermal_violation_ns: int | None = None
    sync_boost_violation_ns: int | None = None
    board_limit_violation_ns: int | None = None
    low_utilization_violation_ns: int | None = None
    reliability_violation_ns: int | None = None
    total_app_clocks_violation_ns: int | None = None
    total_base_clocks_violation_ns: int | None = None
    performance_state: int | None = None
    fan_speed_percent: float | None = None
    fan_revolutions_per_minute: int | None = None
    voltage_millivolts: int | None = None

    pcie_generation: int | None = None
    pcie_width_lanes: int | None = None
    pcie_max_generation: int | None = None
    pcie_max_width_lanes: int | None = None
    pcie_tx_bytes: int | None = None
    pcie_rx_bytes: int | None = None
    pcie_replays: int | None = None
    pcie_tx_kilobytes_per_second: float | None = None
    pcie_rx_kilobytes_per_second: float | None = None
    nvlink_megabytes_per_second: float | None = None
    nvlink_tx_megabytes_per_second: float | None = None
    nvlink_rx_megabytes_per_second: float | None = None

    ecc_mode: int | None = None
    ecc_mode_pending: int | None = None
    ecc_corrected_volatile_errors: int | None = None
    ecc_uncorrected_volatile_errors: int | None = None
    ecc_corrected_aggregate_errors: int | None = None
    ecc_uncorrected_aggregate_errors: int | None = None
    retired_pages_corrected: int | None = None
    retired_pages_uncorrected: int | None = None
    retired_pages_pending: int | None = None
    remapped_rows_corrected: int | None = None
    remapped_rows_uncorrected: int | None = None
    remapped_rows_pending: int | None = None
    remapped_rows_failure: int | None = None
    remap_banks_max: int | None = None
    remap_banks_high: int | None = None
    remap_banks_partial: int | None = None
    remap_banks_low: int | None = None
    remap_banks_none: int | None = None
    channel_repair_pending: int | None = None
    tpc_repair_pending: int | None = None
    memory_unrepairable: int | None = None

    recovery_action: int | None = None
    persistence_mode: int | None = None
    compute_mode: int | None = None
    mig_mode: int | None = None
    mig_mode_pending: int | None = None
    cc_mode: int | None = None
    fabric_state: int | None = None
    fabric_status: int | None = None
    fabric_health_mask: int | None = None
    vgpu_license_status: int | None = None

    driver_fields: dict[str, int | float] = {}
    profiling: dict[str, float] = {}
    engines: dict[str, float] = {}
    throttled_ns: dict[str, int] = {}
    peer_nvlink_status: dict[str, int] = {}

    @property
    def memory_used_ratio(self) -> float | None:
        """Used memory as a share of what programs can have; DCGM's FB_USED_PERCENT, which is 0 to 1."""
        ratio = _used_ratio(self.memory_used_bytes, self.memory_total_bytes, self.memory_reserved_bytes)
        return self.memory_used_percent / 100 if ratio is None and self.memory_used_percent is not None else ratio

    @property
    def memory_share_percent(self) -> float | None:
        """`memory_used_ratio` in percent; what a tool tells in percent is as it tells it."""
        used = None if self.memory_used_bytes is None else 100 * self.memory_used_bytes
        share = _used_ratio(used, self.memory_total_bytes, self.memory_reserved_bytes)
        return self.memory_used_percent if share is None else share


class InstanceReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a partition reads. Memory is that of its GPU instance: two compute instances of one share it."""

    uuid: str
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    bar1_total_bytes: int | None = None
    bar1_used_bytes: int | None = None
    bar1_free_bytes: int | None = None
    ecc_uncorrected_volatile_errors: int | None = None
    utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    clock_graphics_megahertz: int | None = None
    profiling: dict[str, float] = {}

    @property
    def memory_used_ratio(self) -> float | None:
        """As that of the GPU."""
        return _used_ratio(self.memory_used_bytes, self.memory_total_bytes, self.memory_reserved_bytes)


class LinkReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One link of a GPU to another device (NVIDIA: NVLink; AMD: XGMI).

    `active`: 1 where it is up. `version`: the link's generation, in the driver's words. `remote_type`: "gpu", "switch",
    "cpu", "unknown". Bytes and errors are counters since the driver was loaded.
    """

    link: int
    active: int | None = None
    version: str | None = None
    remote_type: str | None = None
    remote_pci_address: str | None = None
    speed_megabytes_per_second: int | None = None
    tx_kibibytes: int | None = None
    rx_kibibytes: int | None = None
    crc_flit_errors: int | None = None
    crc_data_errors: int | None = None
    replay_errors: int | None = None
    recovery_errors: int | None = None
    ecc_data_errors: int | None = None
    throughput_megabytes_per_second: float | None = None
    tx_megabytes_per_second: float | None = None
    rx_megabytes_per_second: float | None = None


class EccReading(msgspec.Struct, frozen=True, kw_only=True):
    """ECC errors at one place. `corrected`: "corrected", "uncorrected" or, of AMD, "deferred". `life`: "volatile"
    (since the driver was loaded) or "aggregate" (of the board's life). `location`: "dram", "sram", "l2_cache" ..."""

    location: str
    corrected: str
    life: str
    errors: int


class ProcessReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process that uses a GPU. `type`: "compute", "graphics" or "compute,graphics". `pid`: of the host's namespace.

    `instance_uuid`: the partition it runs in, where the GPU is partitioned. `name` and `user` are filled by the parent,
    from procfs: the command's name and the name or number of the user. `engine_ns`: what it had of each engine,
    counters.
    """

    pid: int
    type: str
    instance_uuid: str | None = None
    memory_used_bytes: int | None = None
    sm_utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    encoder_utilization_percent: float | None = None
    decoder_utilization_percent: float | None = None
    gtt_used_bytes: int | None = None
    compute_units_used: int | None = None
    sdma_microseconds: int | None = None
    engine_ns: dict[str, int] = {}
    name: str | None = None
    user: str | None = None


class GpuReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a source read of one GPU at one moment.

    `state`: "ok"; "lost" (no longer answers on its bus); "reset_required"; "denied" (no permission); "unresponsive" (a
    call has not returned); "failed" (any other error that costs the whole GPU). `reason`: why, in one sentence.
    `sampled_monotonic_seconds`: CLOCK_MONOTONIC when the reading was complete, which all processes share.
    `busy_call`, `busy_seconds`: the call that has not returned, if any, and for how long. `left_out`: calls that failed
    for a reason other than that the device has no such thing. `processes_told`: whether the driver says who uses the
    GPU; where it does not, no process is not none.
    """

    uuid: str
    state: str = "ok"
    reason: str = ""
    sampled_monotonic_seconds: float = 0.0
    busy_call: str = ""
    busy_seconds: float = 0.0
    left_out: int = 0
    reading: GpuReading = GpuReading()
    links: tuple[LinkReading, ...] = ()
    ecc: tuple[EccReading, ...] = ()
    processes: tuple[ProcessReading, ...] = ()
    processes_told: bool = True
    instances: tuple[InstanceReading, ...] = ()
