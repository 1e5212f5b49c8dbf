"""Profile native of GPUs: OpenTelemetry's names, in base units.

*Source*: OpenTelemetry's semantic conventions for hardware (hw.gpu.*, hw.power, hw.energy, hw.temperature, hw.errors,
hw.fan.speed_ratio, hw.status) and its rules for Prometheus names. What has no name there is `hw_gpu_*` in the same
style; what nodescope says of its own work is `nodescope_gpu_*`. Values have few labels: `hw_id` is the GPU's UUID,
`gpu` its index; all else of a GPU's identity is on `hw_gpu_info`. A label or a number that begins with "=" is that
text itself.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.gpu_native_holders import HOLDERS
from nodescope.profiles.gpu_native_parts import INSTANCES, LINKS, PEERS, PROCESSES, USERS
from nodescope.profiles.gpu_native_profiling import PROFILING, WINDOW
from nodescope.profiles.gpu_native_reading import (
    CLOCKS,
    ENGINES,
    ERRORS,
    GPU_LABELS,
    HEAT,
    MEMORY,
    MODES,
    PCIE,
    POWER,
    THROTTLED_TIMES,
    UTILIZATION,
    Labels,
)
from nodescope.records.attributed import Attributed
from nodescope.records.gpu_engine import GpuEngine, GpuThrottledTime
from nodescope.records.gpu_peer import GpuPeer
from nodescope.records.gpu_snapshot import (
    DroppedReadings,
    Gpu,
    GpuEcc,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuSource,
    GpuThrottle,
    MissedXids,
    XidCount,
)
from nodescope.records.gpu_use import GpuStatus, GpuUse, GpuUserUse

__all__ = ["PROCESSES", "PROFILE"]

INFO: Final = (
    Row(
        "hw_gpu_info",
        "gauge",
        "What the GPU is, always 1.",
        (
            *GPU_LABELS,
            ("hw_vendor", "identity.vendor"),
            ("hw_model", "identity.model"),
            ("hw_name", "identity.device"),
            ("hw_serial_number", "identity.serial"),
            ("hw_driver_version", "identity.driver_version"),
            ("hw_firmware_version", "identity.firmware_version"),
            ("hw_bios_version", "identity.vbios_version"),
            *(
                (field, f"identity.{field}")
                for field in (
                    "minor",
                    "pci_address",
                    "pci_device_id",
                    "pci_subsystem_id",
                    "numa_node",
                    "cpu_affinity",
                    "dri_card",
                    "dri_render",
                    "brand",
                    "architecture",
                    "compute_capability",
                    "board_id",
                    "part_number",
                    "library_version",
                    "cuda_version",
                    "inforom_image_version",
                    "inforom_oem_version",
                    "inforom_ecc_version",
                    "inforom_power_version",
                    "compute_partition",
                    "memory_partition",
                    "compute_units",
                    "oam_id",
                    "memory_type",
                    "memory_vendor",
                    "memory_bit_width",
                )
            ),
        ),
        "=1",
    ),
)
STATE: Final = (
    Row("nodescope_gpu_up", "gauge", "Whether the GPU answers.", GPU_LABELS, "up"),
    Row("nodescope_gpu_age_seconds", "gauge", "Age of what is told of the GPU.", GPU_LABELS, "age_seconds"),
    Row(
        "nodescope_gpu_state",
        "gauge",
        "How the GPU answers, in one word, always 1: see docs/gpu.md.",
        (*GPU_LABELS, ("state", "state")),
        "=1",
    ),
)

_XID: Final[Labels] = (*GPU_LABELS, ("xid", "xid"), ("class", "xid_class"), ("severity", "severity"))
_SOURCE: Final[Labels] = (("vendor", "vendor"), ("kind", "kind"))
SOURCE: Final = (
    Row(
        "nodescope_gpu_source_info",
        "gauge",
        "Where readings of GPUs come from, and how that fares, always 1.",
        (
            *_SOURCE,
            ("state", "state"),
            ("driver_version", "driver_version"),
            ("library_version", "library_version"),
            ("cuda_version", "cuda_version"),
        ),
        "=1",
    ),
    *(
        Row(f"nodescope_gpu_source_{name}", "gauge", what, _SOURCE, field)
        for name, what, field in (
            ("gpus", "GPUs that the source knows.", "gpus"),
            ("generation", "How often the inventory of GPUs has changed.", "generation"),
        )
    ),
    *(
        Row(f"nodescope_gpu_source_{name}_total", "counter", what, _SOURCE, field)
        for name, what, field in (
            ("starts", "How often the source was started.", "starts"),
            ("hung_calls", "Calls into the driver that did not return in time.", "hung_calls"),
            ("abandoned", "Sources that could not be ended.", "abandoned"),
        )
    ),
)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    Gpu: (
        *INFO,
        *STATE,
        *UTILIZATION,
        *MEMORY,
        *HEAT,
        *POWER,
        *CLOCKS,
        *PCIE,
        *ERRORS,
        *MODES,
        *WINDOW,
        *PROFILING,
    ),
    GpuEngine: ENGINES,
    GpuThrottledTime: THROTTLED_TIMES,
    GpuInstance: INSTANCES,
    GpuLink: LINKS,
    GpuPeer: PEERS,
    GpuEcc: (
        Row(
            "hw_gpu_ecc_location_errors_total",
            "counter",
            "ECC errors by where they were; life: volatile is since the driver was loaded, aggregate of the board.",
            (
                *GPU_LABELS,
                ("location", "reading.location"),
                ("error_type", "reading.corrected"),
                ("life", "reading.life"),
            ),
            "reading.errors",
        ),
    ),
    GpuThrottle: (
        Row(
            "hw_gpu_throttle_active",
            "gauge",
            "Whether a reason holds the GPU's clocks down.",
            (*GPU_LABELS, ("reason", "reason")),
            "active",
        ),
    ),
    XidCount: (
        Row("hw_gpu_xid_errors_total", "counter", "XIDs of the GPU, by number.", _XID, "count"),
        Row(
            "hw_gpu_xid_last_seen_timestamp_seconds",
            "gauge",
            "When an XID of the GPU was last seen.",
            _XID,
            "last_seen_seconds",
        ),
    ),
    GpuStatus: (
        Row(
            "hw_status",
            "gauge",
            "Whether the GPU is in a state: 1 or 0 for each of them.",
            (*GPU_LABELS, ("hw_type", "=gpu"), ("hw_state", "state")),
            "value",
        ),
    ),
    GpuHealth: (
        Row(
            "nodescope_gpu_health",
            "gauge",
            "Verdict on a component of the GPU: 0 ok, 1 warning, 2 critical, 3 unknown.",
            (*GPU_LABELS, ("component", "component")),
            "value",
        ),
    ),
    GpuUse: (Row("hw_gpu_processes", "gauge", "Processes that use the GPU.", GPU_LABELS, "processes"),),
    GpuUserUse: USERS,
    Attributed: HOLDERS,
    GpuSource: SOURCE,
    DroppedReadings: (
        Row(
            "nodescope_gpu_readings_dropped_total",
            "counter",
            "Readings that were out of range and are not shown, by kind.",
            (("vendor", "vendor"), ("kind", "kind")),
            "count",
        ),
    ),
    MissedXids: (
        Row(
            "nodescope_gpu_xids_missed_total",
            "counter",
            "What may have cost XIDs their count: records of the kernel log that were overwritten before they were read"
            ", or were malformed, and XIDs for which there was no room.",
            (("vendor", "vendor"), ("kind", "kind")),
            "count",
        ),
    ),
}
