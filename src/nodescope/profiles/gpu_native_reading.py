"""Profile native of GPUs: what is read of a whole GPU.

*Source*: as `gpu_native`.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import MetricType
from nodescope.profiles import Row

PERCENT: Final = 100
MILLI: Final = 1000
MEGA: Final = 1_000_000
NANO: Final = 1_000_000_000

Labels = tuple[tuple[str, str], ...]

GPU_LABELS: Final[Labels] = (("hw_id", "identity.uuid"), ("gpu", "identity.index"))
_TYPED: Final[Labels] = (*GPU_LABELS, ("hw_type", "=gpu"))


def rows(
    name: str,
    kind: MetricType,
    what: str,
    label: str,
    fields: tuple[tuple[str, str], ...],
    scale: float = 1,
    per: float = 1,
    labels: Labels = GPU_LABELS,
) -> tuple[Row, ...]:
    """One family whose rows differ in one label: its values and the fields that they show."""
    return tuple(Row(name, kind, what, (*labels, (label, f"={value}")), field, scale, per) for value, field in fields)


def gauges(*fields: tuple[str, str, str], per: float = 1) -> tuple[Row, ...]:
    return tuple(Row(name, "gauge", what, GPU_LABELS, field, per=per) for name, what, field in fields)


BUSY: Final[tuple[str, MetricType, str, str]] = (
    "hw_gpu_utilization_ratio",
    "gauge",
    "Share of time that the GPU was busy with a task.",
    "hw_gpu_task",
)
UTILIZATION: Final = rows(
    *BUSY,
    (
        ("general", "reading.utilization_percent"),
        ("memory", "reading.memory_utilization_percent"),
        ("encoder", "reading.encoder_utilization_percent"),
        ("decoder", "reading.decoder_utilization_percent"),
        ("jpeg", "reading.jpeg_utilization_percent"),
        ("optical_flow", "reading.ofa_utilization_percent"),
    ),
    per=PERCENT,
)

ENGINES: Final = (Row(*BUSY[:3], (*GPU_LABELS, (BUSY[3], "engine")), "utilization_percent", per=PERCENT),)
"""Of a record of one engine, in the same family."""

MEMORY: Final = gauges(
    ("hw_gpu_memory_limit_bytes", "Size of the GPU's memory.", "reading.memory_total_bytes"),
    ("hw_gpu_memory_usage_bytes", "Memory that is used.", "reading.memory_used_bytes"),
    ("hw_gpu_memory_free_bytes", "Memory that is free.", "reading.memory_free_bytes"),
    ("hw_gpu_memory_reserved_bytes", "Memory that the driver keeps for itself.", "reading.memory_reserved_bytes"),
    (
        "hw_gpu_memory_utilization_ratio",
        "Used memory as a share of what programs can have.",
        "reading.memory_used_ratio",
    ),
    ("hw_gpu_bar1_limit_bytes", "Size of BAR1, through which the host sees memory.", "reading.bar1_total_bytes"),
    ("hw_gpu_bar1_usage_bytes", "How much of BAR1 is used.", "reading.bar1_used_bytes"),
    ("hw_gpu_bar1_free_bytes", "How much of BAR1 is free.", "reading.bar1_free_bytes"),
    ("hw_gpu_gtt_limit_bytes", "Most of the host's memory that the GPU can use.", "reading.gtt_total_bytes"),
    ("hw_gpu_gtt_usage_bytes", "How much of the host's memory the GPU uses.", "reading.gtt_used_bytes"),
)

_LOCATION: Final = "hw_sensor_location"
_GPU_SENSOR: Final[Labels] = (*GPU_LABELS, (_LOCATION, "=gpu"))
_MEMORY_SENSOR: Final[Labels] = (*GPU_LABELS, (_LOCATION, "=memory"))
_LIMIT: Final = ("hw_temperature_limit_celsius", "gauge", "Temperature limits, by what happens there.")
HEAT: Final = (
    *rows(
        "hw_temperature_celsius",
        "gauge",
        "Temperature.",
        _LOCATION,
        (
            ("gpu", "reading.temperature_celsius"),
            ("memory", "reading.memory_temperature_celsius"),
            ("junction", "reading.junction_temperature_celsius"),
        ),
    ),
    *rows(
        *_LIMIT,
        "hw_limit_type",
        (
            ("throttled", "reading.temperature_slowdown_celsius"),
            ("critical", "reading.temperature_shutdown_celsius"),
            ("max", "reading.temperature_max_operating_celsius"),
        ),
        labels=_GPU_SENSOR,
    ),
    *rows(
        *_LIMIT,
        "hw_limit_type",
        (("max", "reading.memory_temperature_max_operating_celsius"),),
        labels=_MEMORY_SENSOR,
    ),
    *gauges(
        (
            "hw_gpu_temperature_margin_celsius",
            "Degrees to the nearest limit at which clocks are lowered.",
            "reading.temperature_margin_celsius",
        )
    ),
    *gauges(("hw_fan_speed_ratio", "Fan speed as a share of its highest.", "reading.fan_speed_percent"), per=PERCENT),
    *gauges(("hw_fan_speed_rpm", "Fan speed, in revolutions per minute.", "reading.fan_revolutions_per_minute")),
)

POWER: Final = (
    Row("hw_power_watts", "gauge", "Power drawn.", _TYPED, "reading.power_milliwatts", per=MILLI),
    Row("hw_energy_joules_total", "counter", "Energy consumed.", _TYPED, "reading.energy_millijoules", per=MILLI),
    *gauges(
        ("hw_gpu_power_average_watts", "Power drawn, a mean over one second.", "reading.power_average_milliwatts"),
        ("hw_gpu_power_instant_watts", "Power drawn at this instant.", "reading.power_instant_milliwatts"),
        per=MILLI,
    ),
    *rows(
        "hw_gpu_power_limit_watts",
        "gauge",
        "Power limits: the one asked for, the one in force, the least and greatest that can be set, the default.",
        "hw_limit_type",
        (
            ("requested", "reading.power_limit_milliwatts"),
            ("enforced", "reading.power_limit_enforced_milliwatts"),
            ("min", "reading.power_limit_min_milliwatts"),
            ("max", "reading.power_limit_max_milliwatts"),
            ("default", "reading.power_limit_default_milliwatts"),
        ),
        per=MILLI,
    ),
    *gauges(("hw_voltage_volts", "Voltage of the GPU's cores.", "reading.voltage_millivolts"), per=MILLI),
)

_DOMAINS: Final = ("graphics", "sm", "memory", "video")
THROTTLED: Final[tuple[str, MetricType, str]] = (
    "hw_gpu_throttle_seconds_total",
    "counter",
    "How long clocks were held down, by cause.",
)
CLOCKS: Final = (
    *rows(
        "hw_gpu_clock_hertz",
        "gauge",
        "Clock frequencies.",
        "domain",
        tuple((domain, f"reading.clock_{domain}_megahertz") for domain in (*_DOMAINS, "soc", "fabric")),
        MEGA,
    ),
    *rows(
        "hw_gpu_clock_limit_hertz",
        "gauge",
        "Highest clock frequencies.",
        "domain",
        tuple((domain, f"reading.clock_max_{domain}_megahertz") for domain in _DOMAINS),
        MEGA,
    ),
    *rows(
        "hw_gpu_clock_application_hertz",
        "gauge",
        "Clock frequencies that programs are to have.",
        "domain",
        tuple((domain, f"reading.clock_application_{domain}_megahertz") for domain in ("graphics", "memory")),
        MEGA,
    ),
    *rows(
        *THROTTLED,
        "cause",
        tuple(
            (cause, f"reading.{cause}_violation_ns")
            for cause in (
                "power",
                "thermal",
                "sync_boost",
                "board_limit",
                "low_utilization",
                "reliability",
                "total_app_clocks",
                "total_base_clocks",
            )
        ),
        per=NANO,
    ),
    *gauges(
        (
            "hw_gpu_performance_state",
            "Performance state: 0 is the fastest, 15 the slowest.",
            "reading.performance_state",
        ),
    ),
)

THROTTLED_TIMES: Final = (Row(*THROTTLED, (*GPU_LABELS, ("cause", "cause")), "nanoseconds", per=NANO),)
"""Of a record of one cause, in the same family."""

PCIE: Final = (
    *rows(
        "hw_gpu_io_bytes_total",
        "counter",
        "Bytes received and sent over PCIe.",
        "network_io_direction",
        (("receive", "reading.pcie_rx_bytes"), ("transmit", "reading.pcie_tx_bytes")),
    ),
    Row(
        "hw_gpu_pcie_replays_total",
        "counter",
        "Packets that were sent again over PCIe.",
        GPU_LABELS,
        "reading.pcie_replays",
    ),
    *gauges(
        ("hw_gpu_pcie_generation", "Generation of the PCIe link now; it falls when idle.", "reading.pcie_generation"),
        ("hw_gpu_pcie_generation_limit", "Highest generation of the PCIe link.", "reading.pcie_max_generation"),
        ("hw_gpu_pcie_lanes", "Lanes of the PCIe link now.", "reading.pcie_width_lanes"),
        ("hw_gpu_pcie_lanes_limit", "Most lanes of the PCIe link.", "reading.pcie_max_width_lanes"),
    ),
)

_KINDS: Final = ("corrected", "uncorrected")
ERRORS: Final = (
    *rows(
        "hw_errors_total",
        "counter",
        "ECC errors of the GPU's memories since the driver was loaded.",
        "error_type",
        tuple((kind, f"reading.ecc_{kind}_volatile_errors") for kind in _KINDS),
        labels=_TYPED,
    ),
    *rows(
        "hw_gpu_ecc_lifetime_errors_total",
        "counter",
        "ECC errors of the GPU's memories in the life of the board.",
        "error_type",
        tuple((kind, f"reading.ecc_{kind}_aggregate_errors") for kind in _KINDS),
    ),
    *rows(
        "hw_gpu_retired_pages_total",
        "counter",
        "Pages of memory that are no longer used, by the errors that led to it.",
        "error_type",
        tuple((kind, f"reading.retired_pages_{kind}") for kind in _KINDS),
    ),
    *rows(
        "hw_gpu_remapped_rows_total",
        "counter",
        "Rows of memory that spare ones stand for, by the errors that led to it.",
        "error_type",
        tuple((kind, f"reading.remapped_rows_{kind}") for kind in _KINDS),
    ),
    *rows(
        "hw_gpu_remap_banks",
        "gauge",
        "Banks of memory, by how many spare rows they have left.",
        "spare_rows",
        tuple((left, f"reading.remap_banks_{left}") for left in ("max", "high", "partial", "low", "none")),
    ),
    *gauges(
        ("hw_gpu_retired_pages_pending", "Whether pages wait for being retired.", "reading.retired_pages_pending"),
        ("hw_gpu_remapped_rows_pending", "Whether rows wait for a reset to be remapped.",
         "reading.remapped_rows_pending"),
        ("hw_gpu_remapped_rows_failure", "Whether a row could not be remapped.", "reading.remapped_rows_failure"),
        ("hw_gpu_channel_repair_pending", "Whether a channel of memory waits for a reset to be repaired.",
         "reading.channel_repair_pending"),
        ("hw_gpu_tpc_repair_pending", "Whether a TPC waits for a reset to be repaired.", "reading.tpc_repair_pending"),
        ("hw_gpu_memory_unrepairable", "Whether memory has an error that cannot be repaired.",
         "reading.memory_unrepairable"),
    ),
)  # fmt: skip

MODES: Final = gauges(
    ("hw_gpu_ecc_mode", "Whether ECC is on.", "reading.ecc_mode"),
    ("hw_gpu_ecc_mode_pending", "Whether ECC is on after the next reset.", "reading.ecc_mode_pending"),
    ("hw_gpu_mig_mode", "Whether MIG is on.", "reading.mig_mode"),
    ("hw_gpu_mig_mode_pending", "Whether MIG is on after the next reset.", "reading.mig_mode_pending"),
    ("hw_gpu_persistence_mode", "Whether the driver stays loaded without clients.", "reading.persistence_mode"),
    ("hw_gpu_compute_mode", "Compute mode: 0 default, 2 prohibited, 3 one process alone.", "reading.compute_mode"),
    ("hw_gpu_confidential_computing_mode", "Confidential computing mode; 0 is off.", "reading.cc_mode"),
    ("hw_gpu_recovery_action", "What the driver asks for: 0 nothing, 1 a reset, 2 a reboot of the node, 3 to drain "
     "peer-to-peer traffic, 4 to drain and reset, others see its documentation.", "reading.recovery_action"),
    ("hw_gpu_fabric_state", "NVLink fabric: 1 not started, 2 under way, 3 joined.", "reading.fabric_state"),
    ("hw_gpu_fabric_status", "How joining the fabric ended, an NVML return code; 0 is well.", "reading.fabric_status"),
    ("hw_gpu_fabric_health_mask", "Health of the fabric, as NVML encodes it.", "reading.fabric_health_mask"),
    ("hw_gpu_vgpu_license_status", "Whether a vGPU licence is held.", "reading.vgpu_license_status"),
)  # fmt: skip
