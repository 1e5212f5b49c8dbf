"""Rules on a GPU's links: PCIe and NVLink."""

from __future__ import annotations

from typing import Final

from nodescope.health.rule import CRITICAL, WARNING, Rule, Unread

_RESEAT: Final = "drain the node and reseat the GPU or its riser; look at the slot with lspci -vv -s {pci_address}"
_FABRIC: Final = "look at nvidia-fabricmanager (systemctl status, /var/log/fabricmanager.log), start it, then "
_LINK_RESET: Final = "let its jobs end, then {reset_command}; if it comes back, have GPU and baseboard looked at"

_FABRIC_FAULTS: Final = (
    ("fabric_degraded_bandwidth", 1, WARNING, "has less bandwidth than it should"),
    ("fabric_route_recovery", 1, WARNING, "is recovering a route"),
    ("fabric_route_unhealthy", 1, CRITICAL, "has a route that does not work"),
    ("fabric_access_timeout_recovery", 1, WARNING, "is recovering from accesses that timed out"),
)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "pcie",
        "pcie_width_percent",
        "<=",
        "pcie_width_critical_percent",
        CRITICAL,
        "only {pcie_width_lanes} of {pcie_max_width_lanes} PCIe lanes are in use",
        _RESEAT,
        ("pcie_width_lanes", "pcie_max_width_lanes"),
    ),
    Rule(
        "pcie",
        "pcie_width_percent",
        "<",
        "pcie_width_percent",
        WARNING,
        "only {pcie_width_lanes} of {pcie_max_width_lanes} PCIe lanes are in use",
        _RESEAT + "; where all GPUs of its kind have as few, the machine is built so (threshold pcie_width_percent)",
        ("pcie_width_lanes", "pcie_max_width_lanes"),
    ),
    Rule(
        "pcie",
        "pcie_missing_generations",
        ">=",
        1,
        WARNING,
        "the PCIe link runs at generation {pcie_generation} of {pcie_max_generation} though the GPU is busy",
        _RESEAT + "; see that the BIOS does not limit the slot",
        ("pcie_generation", "pcie_max_generation", "utilization_percent"),
        "pcie_generation_seconds",
    ),
    Rule(
        "pcie",
        "pcie_replays_last_hour",
        ">=",
        "pcie_replays_last_hour",
        WARNING,
        "the PCIe link repeats transfers, {pcie_replays_last_hour} times in the last hour: its signal is bad",
        _RESEAT,
        ("pcie_replays",),
    ),
    Rule(
        "nvlink",
        "nvlinks_all_down",
        "==",
        1,
        CRITICAL,
        "none of {nvlinks_expected} NVLinks is up",
        _FABRIC + "{reset_command}",
        ("nvlinks_active", "nvlinks_expected", "fabric_state"),
    ),
    Rule(
        "nvlink",
        "nvlinks_missing",
        ">=",
        1,
        WARNING,
        "NVLinks are down, {nvlinks_missing} of {nvlinks_expected}: {nvlinks_down}",
        _LINK_RESET,
        ("nvlinks_active", "nvlinks_expected", "nvlinks_expected_by"),
    ),
    Rule(
        "nvlink",
        "fabric_pending",
        "==",
        1,
        CRITICAL,
        "the GPU has not joined its NVLink fabric, so that CUDA cannot start on it",
        _FABRIC + "restart what waits for the GPU",
        ("fabric_state", "fabric_status"),
        "fabric_seconds",
    ),
    Rule(
        "nvlink",
        "fabric_pending",
        "==",
        1,
        WARNING,
        "the GPU is still joining its NVLink fabric; CUDA cannot start on it before",
        "wait a minute; if it lasts, look at nvidia-fabricmanager",
        ("fabric_state", "fabric_status"),
    ),
    Rule(
        "nvlink",
        "fabric_failed",
        "==",
        1,
        CRITICAL,
        "the GPU could not join its NVLink fabric (NVML error {fabric_status})",
        _FABRIC + "{reset_command}",
        ("fabric_state", "fabric_status"),
    ),
    *(
        Rule(
            "nvlink",
            name,
            "==",
            value,
            state,
            f"the GPU's NVLink fabric {what}",
            "look at the fabric manager's log for the link or switch it names; if it lasts, " + _LINK_RESET,
            ("fabric_health_mask",),
        )
        for name, value, state, what in _FABRIC_FAULTS
    ),
    Rule(
        "nvlink",
        "fabric_incorrect_configuration",
        ">=",
        2,
        CRITICAL,
        "the GPU's NVLink fabric is configured wrongly (NVML code {fabric_incorrect_configuration})",
        "see nvidia-smi -q, Fabric, for what is wrong, and correct the fabric manager's configuration",
        ("fabric_health_mask",),
    ),
    Rule(
        "nvlink",
        "nvlink_recoveries_last_hour",
        ">=",
        "nvlink_recoveries_last_hour",
        WARNING,
        "NVLinks failed and were trained anew in the last hour; recoveries: {nvlink_recoveries_last_hour}",
        _LINK_RESET,
        ("nvlink_worst",),
    ),
    Rule(
        "nvlink",
        "nvlink_errors_last_hour",
        ">=",
        "nvlink_errors_last_hour",
        WARNING,
        "NVLinks repeated transfers or had data errors {nvlink_errors_last_hour} times in the last hour",
        _LINK_RESET,
        ("nvlink_worst",),
    ),
    Rule(
        "nvlink",
        "nvlink_crc_errors_last_hour",
        ">=",
        "nvlink_crc_errors_last_hour",
        WARNING,
        "NVLinks had {nvlink_crc_errors_last_hour} CRC errors in the last hour: the signal of a link is bad",
        _LINK_RESET,
        ("nvlink_worst",),
    ),
)
UNREAD: Final[tuple[Unread, ...]] = (
    Unread(
        "pcie",
        "pcie_width_lanes",
        "the width of the PCIe link could not be read",
        "in a virtual machine it is often hidden; else see nodescope's log",
        "tells_sensors",
        1,
    ),
)
