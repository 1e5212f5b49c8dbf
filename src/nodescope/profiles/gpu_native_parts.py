"""Profile native of GPUs: the parts of a GPU, and who uses it.

*Source*: as `gpu_native`.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.gpu_native_profiling import profiling
from nodescope.profiles.gpu_native_reading import GPU_LABELS, MEGA, PERCENT, Labels, rows
from nodescope.records.gpu_snapshot import GpuProcess

KIBIBYTE: Final = 1024

_INSTANCE: Final[Labels] = (
    ("hw_id", "instance.uuid"),
    ("hw_parent", "identity.uuid"),
    ("gpu", "identity.index"),
)
INSTANCES: Final = (
    Row(
        "hw_gpu_instance_info",
        "gauge",
        "A MIG instance and what it is, always 1.",
        (
            *_INSTANCE,
            ("index", "instance.index"),
            ("profile", "instance.profile"),
            ("gpu_instance_id", "instance.gpu_instance_id"),
            ("compute_instance_id", "instance.compute_instance_id"),
            ("multiprocessors", "instance.multiprocessors"),
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

_PROCESS: Final[Labels] = (
    *GPU_LABELS,
    ("gpu_instance", "reading.instance_uuid"),
    ("pid", "reading.pid"),
    ("name", "reading.name"),
    ("user", "reading.user"),
    ("type", "reading.type"),
)
PROCESSES: Final[dict[type, tuple[Row, ...]]] = {
    GpuProcess: (
        Row(
            "hw_gpu_process_memory_usage_bytes",
            "gauge",
            "Memory of the GPU that a process uses.",
            _PROCESS,
            "reading.memory_used_bytes",
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
    )
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
