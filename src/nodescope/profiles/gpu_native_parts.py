"""Profile native of GPUs: the parts of a GPU, and who uses it.

*Source*: as `gpu_native`.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import MetricType
from nodescope.profiles import Row
from nodescope.profiles.gpu_native_profiling import profiling
from nodescope.profiles.gpu_native_reading import GPU_LABELS, MEGA, NANO, PERCENT, Labels, rows
from nodescope.records.gpu_engine import GpuProcessEngine
from nodescope.records.gpu_snapshot import GpuProcess

KIBIBYTE: Final = 1024
MICRO: Final = 1_000_000

_INSTANCE: Final[Labels] = (
    ("hw_id", "instance.uuid"),
    ("hw_parent", "identity.uuid"),
    ("gpu", "identity.index"),
)
INSTANCES: Final = (
    Row(
        "hw_gpu_instance_info",
        "gauge",
        "A partition of the GPU (NVIDIA: a MIG instance) and what it is, always 1.",
        (
            *_INSTANCE,
            ("index", "instance.index"),
            ("profile", "instance.profile"),
            ("gpu_instance_id", "instance.gpu_instance_id"),
            ("compute_instance_id", "instance.compute_instance_id"),
            *(
                (field, f"instance.{field}")
                for field in ("multiprocessors", "compute_units", "pci_address", "dri_card", "dri_render")
            ),
        ),
        "=1",
    ),
    *(
        Row(f"hw_gpu_instance_{name}", "gauge", what, _INSTANCE, f"shared.{field}")
        for name, what, field in (
            ("memory_limit_bytes", "Size of the GPU instance's memory.", "memory_total_bytes"),
            ("memory_usage_bytes", "Memory of the GPU instance that is used.", "memory_used_bytes"),
            ("memory_free_bytes", "Memory of the GPU instance that is free.", "memory_free_bytes"),
            ("memory_reserved_bytes", "Memory of it that the driver keeps for itself.", "memory_reserved_bytes"),
            ("memory_utilization_ratio", "Used memory as a share of what programs can have.", "memory_used_ratio"),
            ("bar1_limit_bytes", "Size of BAR1, through which the host sees its memory.", "bar1_total_bytes"),
            ("bar1_usage_bytes", "How much of its BAR1 is used.", "bar1_used_bytes"),
            ("bar1_free_bytes", "How much of its BAR1 is free.", "bar1_free_bytes"),
        )
    ),
    Row(
        "hw_gpu_instance_errors_total",
        "counter",
        "ECC errors of the GPU instance since the driver was loaded.",
        (*_INSTANCE, ("error_type", "=uncorrected")),
        "shared.ecc_uncorrected_volatile_errors",
    ),
    *rows(
        "hw_gpu_instance_utilization_ratio",
        "gauge",
        "Share of time that the partition was busy with a task.",
        "hw_gpu_task",
        (("general", "reading.utilization_percent"), ("memory", "reading.memory_utilization_percent")),
        per=PERCENT,
        labels=_INSTANCE,
    ),
    Row(
        "hw_gpu_instance_clock_hertz",
        "gauge",
        "Clock frequencies of the partition.",
        (*_INSTANCE, ("domain", "=graphics")),
        "reading.clock_graphics_megahertz",
        MEGA,
    ),
    *profiling("hw_gpu_instance", _INSTANCE, "shared"),
)

_LINK: Final[Labels] = (*GPU_LABELS, ("link", "reading.link"))
LINKS: Final = (
    Row("hw_gpu_link_up", "gauge", "Whether the link is up.", _LINK, "reading.active"),
    Row(
        "hw_gpu_link_info",
        "gauge",
        "A link between the GPU and another device, always 1.",
        (
            *_LINK,
            ("version", "reading.version"),
            ("remote_type", "reading.remote_type"),
            ("remote_pci_address", "reading.remote_pci_address"),
        ),
        "=1",
    ),
    Row(
        "hw_gpu_link_bandwidth_limit_bytes_per_second",
        "gauge",
        "Speed of the link.",
        _LINK,
        "reading.speed_megabytes_per_second",
        MEGA,
    ),
    *rows(
        "hw_gpu_link_io_bytes_total",
        "counter",
        "Bytes received and sent over the link.",
        "network_io_direction",
        (("receive", "reading.rx_kibibytes"), ("transmit", "reading.tx_kibibytes")),
        KIBIBYTE,
        labels=_LINK,
    ),
    *rows(
        "hw_gpu_link_errors_total",
        "counter",
        "Errors of the link.",
        "error_type",
        tuple((kind, f"reading.{kind}_errors") for kind in ("crc_flit", "crc_data", "replay", "recovery", "ecc_data")),
        labels=_LINK,
    ),
)

PEERS: Final = (
    Row(
        "hw_gpu_peer_nvlink_reached",
        "gauge",
        "Whether the GPU reaches another one over NVLink, and what the driver says of it.",
        (*GPU_LABELS, ("peer_hw_id", "peer.uuid"), ("peer_gpu", "peer.index"), ("status", "status")),
        "reached",
    ),
)

_PROCESS: Final[Labels] = (
    *GPU_LABELS,
    ("gpu_instance", "reading.instance_uuid"),
    ("pid", "reading.pid"),
    ("name", "reading.name"),
    ("user", "reading.user"),
    ("type", "reading.type"),
)
_ENGINE: Final[Labels] = (
    *((name, f"process.{field}") for name, field in _PROCESS),
    ("engine", "engine"),
)
_TOLD: Final[tuple[tuple[str, MetricType, str, str, float], ...]] = (
    ("memory_usage_bytes", "gauge", "Memory of the GPU that a process uses.", "memory_used_bytes", 1),
    ("gtt_usage_bytes", "gauge", "Memory of the host that the GPU uses for a process.", "gtt_used_bytes", 1),
    ("compute_units", "gauge", "Compute units that a process keeps busy.", "compute_units_used", 1),
    ("sdma_seconds_total", "counter", "Time that a process has had of copy engines.", "sdma_microseconds", MICRO),
)
PROCESSES: Final[dict[type, tuple[Row, ...]]] = {
    GpuProcess: (
        *(
            Row(f"hw_gpu_process_{name}", kind, what, _PROCESS, f"reading.{field}", per=per)
            for name, kind, what, field, per in _TOLD
        ),
        *rows(
            "hw_gpu_process_utilization_ratio",
            "gauge",
            "Share of time that the GPU was busy with a task for a process.",
            "hw_gpu_task",
            (
                ("general", "reading.sm_utilization_percent"),
                ("memory", "reading.memory_utilization_percent"),
                ("encoder", "reading.encoder_utilization_percent"),
                ("decoder", "reading.decoder_utilization_percent"),
            ),
            per=PERCENT,
            labels=_PROCESS,
        ),
    ),
    GpuProcessEngine: (
        Row(
            "hw_gpu_process_engine_seconds_total",
            "counter",
            "Time that a process has had of an engine.",
            _ENGINE,
            "nanoseconds",
            per=NANO,
        ),
    ),
}
"""Series of single processes, for those who ask for them."""

_USER: Final[Labels] = (*GPU_LABELS, ("user", "user"))
USERS: Final = (
    Row("hw_gpu_user_processes", "gauge", "Processes of a user on the GPU.", _USER, "processes"),
    Row(
        "hw_gpu_user_memory_usage_bytes",
        "gauge",
        "Memory of the GPU that a user's processes use.",
        _USER,
        "memory_used_bytes",
    ),
    Row(
        "hw_gpu_user_utilization_ratio",
        "gauge",
        "Share of time that the GPU was busy for a user's processes.",
        _USER,
        "sm_utilization_percent",
        per=PERCENT,
    ),
)
