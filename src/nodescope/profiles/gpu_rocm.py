"""Profile rocm: the names, labels, units and quirks of device-metrics-exporter.

*Source*: ROCm/device-metrics-exporter (pkg/amdgpu/gpuagent, docs/configuration/metricslist.md): names, help texts,
units; all are gauges, counters too. What it has and this has not is in docs/rocm.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.gpu_rocm_ecc import ecc
from nodescope.records.rocm import RocmGpu, RocmLink, RocmNode, RocmPartition, RocmProcess

MILLI: Final = 1000
TICK_NANOSECONDS: Final = 1_000_000
MEBIBYTE: Final = 1024 * 1024

Labels = tuple[tuple[str, str], ...]
Profile = dict[type, tuple[Row, ...]]

LABELS: Final[Labels] = (
    ("gpu_id", "entry.gpu_id"),
    ("card_model", "entry.card_model"),
    ("serial_number", "entry.identity.serial"),
    ("gpu_partition_id", "entry.partition_id"),
    ("gpu_compute_partition_type", "entry.compute_partition"),
    ("gpu_memory_partition_type", "entry.memory_partition"),
    ("deployment_mode", "=baremetal"),
    ("hostname", "entry.hostname"),
)
FURTHER_LABELS: Final[dict[str, str]] = {
    "gpu_uuid": "entry.identity.uuid",
    "card_series": "entry.identity.model",
    "card_vendor": "=AMD",
    "driver_version": "entry.identity.driver_version",
    "vbios_version": "entry.identity.vbios_version",
}
"""Those that are shown on request."""

_Plain = tuple[str, str, str]
"""End of the name behind `gpu_` or a whole name, help, field."""

_PLAIN: Final[tuple[_Plain, ...]] = (
    ("gpu_edge_temperature", "Current edge temperature in Celsius", "reading.edge_temperature_celsius"),
    (
        "gpu_junction_temperature",
        "Current junction/hotspot temperature in Celsius",
        "reading.junction_temperature_celsius",
    ),
    ("gpu_memory_temperature", "Current memory temperature in Celsius", "reading.memory_temperature_celsius"),
    ("gpu_gfx_activity", "Graphics engine usage in Percentage (0-100)", "reading.utilization_percent"),
    ("gpu_umc_activity", "Memory engine usage in Percentage (0-100)", "reading.memory_utilization_percent"),
    ("gpu_mma_activity", "Average MultiMedia (MM) engine usage in Percentage (0-100)", "reading.engines[mm]"),
    ("gpu_voltage", "Current SoC voltage in mV", "reading.driver_fields[voltage_soc]"),
    ("gpu_gfx_voltage", "Current gfx voltage in mV", "reading.voltage_millivolts"),
    ("gpu_memory_voltage", "Current memory voltage in mV", "reading.driver_fields[voltage_mem]"),
    ("pcie_speed", "Current PCIe speed in GT/s", "pcie_speed"),
    ("pcie_max_speed", "Maximum PCIe speed in GT/s", "pcie_max_speed"),
    ("pcie_bandwidth", "Current PCIe bandwidth in Mb/s", "reading.driver_fields[pcie_bandwidth_inst]"),
    ("pcie_replay_count", "Total number of PCIe replays", "reading.pcie_replays"),
    (
        "pcie_recovery_count",
        "Total number of PCIe recoveries",
        "reading.driver_fields[pcie_l0_to_recov_count_acc]",
    ),
    (
        "pcie_replay_rollover_count",
        "PCIe replay accumulated count",
        "reading.driver_fields[pcie_replay_rover_count_acc]",
    ),
    ("pcie_nack_sent_count", "PCIe NAK sent accumulated count", "reading.driver_fields[pcie_nak_sent_count_acc]"),
    (
        "pcie_nack_received_count",
        "PCIe NAK received accumulated count",
        "reading.driver_fields[pcie_nak_rcvd_count_acc]",
    ),
    ("pcie_rx", "Accumulated bytes received from the PCIe link", "reading.pcie_rx_bytes"),
    ("pcie_tx", "Accumulated bytes transmitted to the PCIe link", "reading.pcie_tx_bytes"),
    (
        "pcie_bidirectional_bandwidth",
        "Accumulated bandwidth on PCIe link in GB/sec",
        "reading.driver_fields[pcie_bandwidth_acc]",
    ),
    (
        "gpu_vram_max_bandwidth",
        "GPU VRAM maximum bandwidth at max memory clock in GB/s",
        "reading.driver_fields[mem_max_bandwidth]",
    ),
    (
        "gpu_violation_current_accumulated_counter",
        "current accumulated violation counter",
        "reading.driver_fields[accumulation_counter]",
    ),
    ("gpu_health", "Health of the GPU (0 = Unhealthy | 1 = Healthy)", "health"),
)
_POWERS: Final[tuple[_Plain, ...]] = (
    ("gpu_package_power", "Current socket power in Watts", "power_instant_milliwatts"),
    ("gpu_average_package_power", "Average socket power in Watts", "power_average_milliwatts"),
    ("gpu_power_usage", "GPU Power usage in Watts", "power_milliwatts"),
)
_MEMORIES: Final[tuple[_Plain, ...]] = (
    ("gpu_total_vram", "Total VRAM memory of the GPU (in MB)", "reading.memory_total_bytes"),
    ("gpu_used_vram", "Used VRAM memory of the GPU (in MB)", "reading.memory_used_bytes"),
    ("gpu_free_vram", "Free VRAM memory of the GPU (in MB)", "free_bytes"),
    ("gpu_total_visible_vram", "Total visible VRAM memory of the GPU (in MB)", "reading.bar1_total_bytes"),
    ("gpu_used_visible_vram", "Used visible VRAM memory of the GPU (in MB)", "reading.bar1_used_bytes"),
    ("gpu_free_visible_vram", "Free visible VRAM memory of the GPU (in MB)", "free_visible_bytes"),
    (
        "gpu_total_gtt",
        "Total graphics translation table memory of the GPU (in MB)",
        "reading.gtt_total_bytes",
    ),
    ("gpu_used_gtt", "Used graphics translation table memory of the GPU (in MB)", "reading.gtt_used_bytes"),
    ("gpu_free_gtt", "Free graphics translation table memory of the GPU (in MB)", "free_gtt_bytes"),
)
_VIOLATIONS: Final[tuple[_Plain, ...]] = (
    ("processor_hot_residency", "process hot residency", "prochot"),
    ("ppt_residency", "package power tracking", "ppt"),
    ("socket_thermal_residency", "socket thermal", "socket_thermal"),
    ("vr_thermal_residency", "voltage rail", "vr_thermal"),
    ("hbm_thermal_residency", "HBM", "hbm_thermal"),
)
_CORES: Final = "per accelerated compute processor(xcp) per compute core (xcc)"
_BUSY: Final = f"busy instantaneous {_CORES}, as per partitioning of the system"
_EACH: Final[tuple[tuple[str, str, str, str, int], ...]] = (
    (
        "gpu_vcn_activity",
        "List of Video Core Next (VCN) encode/decode usage in percentage",
        "vcn_index",
        "reading.engines[vcn_{}]",
        8,
    ),
    (
        "gpu_jpeg_activity",
        "List of JPEG engine usage in Percentage (0-100)",
        "jpeg_index",
        "reading.engines[jpeg_{}]",
        64,
    ),
    ("gpu_vcn_busy_instantaneous", f"Vcn {_BUSY}", "xcc_index", "reading.engines[vcn_{}]", 8),
    ("gpu_jpeg_busy_instantaneous", f"Jpeg {_BUSY}", "xcc_index", "reading.engines[jpeg_{}]", 64),
    (
        "gpu_hbm_temperature",
        "List of current HBM temperatures in Celsius",
        "hbm_index",
        "reading.driver_fields[temperature_hbm_{}]",
        8,
    ),
)
"""Name, help, label of the number, field, most there are."""

CLOCK_TYPES: Final = (("system", 8), ("memory", 1), ("video", 4), ("data", 4), ("soc", 4), ("fabric", 1))
"""Clocks in the order of `clock_index`, and the most of each."""

_CLOCK_LIMITS: Final = (
    ("system", "clock_max_graphics_megahertz"),
    ("memory", "clock_max_memory_megahertz"),
    ("video", "clock_max_video_megahertz"),
)


def profile(further: Sequence[str] = ()) -> Profile:
    """The rows, with the `further` labels on each but `gpu_nodes_total`."""
    labels = (*LABELS, *((name, FURTHER_LABELS[name]) for name in further))
    return {
        RocmNode: (Row("gpu_nodes_total", "gauge", "Number of GPUs in the node", (("hostname", "hostname"),), "gpus"),),
        RocmGpu: (
            *(Row(name, "gauge", what, labels, field) for name, what, field in _PLAIN),
            *(Row(name, "gauge", what, labels, f"reading.{field}", per=MILLI) for name, what, field in _POWERS),
            *(Row(name, "gauge", what, labels, field, per=MEBIBYTE, whole=True) for name, what, field in _MEMORIES),
            Row(
                "gpu_energy_consumed",
                "gauge",
                "Accumulated energy consumed by the GPU in uJ",
                labels,
                "reading.energy_millijoules",
                MILLI,
            ),
            *_violations(labels),
            *_each(labels),
            *_clocks(labels),
            *ecc(labels),
        ),
        RocmPartition: (
            Row(
                "gpu_gfx_busy_instantaneous",
                "gauge",
                f"Gfx {_BUSY}",
                (*labels, ("xcc_index", "=0")),
                "core_busy_percent",
            ),
        ),
        RocmLink: (
            *(
                Row(
                    f"gpu_xgmi_link_{way}",
                    "gauge",
                    f"Accumulated XGMI Link Data {word} in KB",
                    (*labels, ("link_index", "reading.link")),
                    f"reading.{way}_kibibytes",
                )
                for way, word in (("rx", "Read"), ("tx", "Write"))
            ),
        ),
        RocmProcess: (
            Row(
                "gpu_process_cu_occupancy",
                "gauge",
                "Compute Unit occupancy for a process in percent",
                (*labels, ("process_id", "reading.pid")),
                "occupancy_percent",
            ),
        ),
    }


def _violations(labels: Labels) -> Iterable[Row]:
    """Residencies in ticks of the firmware, of which there are a thousand a second."""
    return (
        Row(
            f"gpu_violation_{name}_accumulated",
            "gauge",
            f"{what} accumulated violation counter",
            labels,
            f"reading.throttled_ns[{cause}]",
            per=TICK_NANOSECONDS,
            whole=True,
        )
        for name, what, cause in _VIOLATIONS
    )


def _each(labels: Labels) -> Iterable[Row]:
    return (
        Row(name, "gauge", what, (*labels, (label, f"={number}")), field.format(number))
        for name, what, label, field, most in _EACH
        for number in range(most)
    )


def _clocks(labels: Labels) -> Iterable[Row]:
    keys = [(kind, f"{kind}_{number}") for kind, most in CLOCK_TYPES for number in range(most)]
    first = {kind: str(index) for index, (kind, key) in reversed(list(enumerate(keys)))}
    for index, (kind, key) in enumerate(keys):
        where = (*labels, ("clock_index", f"={index}"), ("clock_type", f"={kind}"))
        yield Row("gpu_clock", "gauge", "List of current GPU clock frequencies in MHz", where, f"clocks[{key}]")
    for kind, field in _CLOCK_LIMITS:
        where = (*labels, ("clock_index", f"={first[kind]}"), ("clock_type", f"={kind}"))
        what = "List of current GPU max clock frequencies in MHz"
        yield Row("gpu_max_clock", "gauge", what, where, f"reading.{field}")


PROFILE: Final = profile()
