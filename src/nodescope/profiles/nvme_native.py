"""Profile native of NVMe: controllers on PCI and over fabrics, and the paths to their namespaces.

Sizes of namespaces, and subsystems, are node_exporter's families (node_nvme_*, node_nvmesubsystem_*).
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.nvme import NvmeController, NvmeNamespace, NvmePath

_CONTROLLER: Final = (("controller", "name"),)

CONTROLLERS: Final = (
    Row(
        "nodescope_nvme_controller_info",
        "gauge",
        "An NVMe controller and how it is reached, always 1.",
        (
            *_CONTROLLER,
            ("model", "model"),
            ("serial", "serial"),
            ("firmware_version", "firmware_version"),
            ("transport", "transport"),
            ("address", "transport_address"),
            ("subsystem", "subsystem"),
            ("nqn", "subsystem_nqn"),
            ("numa_node", "numa_node"),
        ),
        "=1",
    ),
    Row(
        "nodescope_nvme_controller_state",
        "gauge",
        "The state that the controller is in, always 1.",
        (*_CONTROLLER, ("transport", "transport"), ("state", "state")),
        "known_state",
    ),
    *(
        Row(f"nodescope_nvme_controller_{name}", "gauge", what, _CONTROLLER, field)
        for name, what, field in (
            ("live", "Whether the controller takes commands.", "live"),
            ("queues", "Queues of the controller, the one for administration among them.", "queue_count"),
            (
                "reconnect_delay_seconds",
                "Time between two attempts to connect again, over fabrics.",
                "reconnect_delay_limit_seconds",
            ),
            (
                "loss_timeout_seconds",
                "Time without a connection after which the controller is given up, over fabrics.",
                "loss_timeout_limit_seconds",
            ),
        )
    ),
)
NAMESPACES: Final = (
    Row(
        "nodescope_nvme_namespace_info",
        "gauge",
        "An NVMe namespace, always 1.",
        (
            ("namespace", "name"),
            ("subsystem", "subsystem"),
            ("nsid", "namespace_id"),
            ("wwid", "wwid"),
        ),
        "=1",
    ),
)
PATHS: Final = (
    Row(
        "nodescope_nvme_path_state",
        "gauge",
        "Asymmetric namespace access: the state of the way to a namespace through a controller, always 1.",
        (
            ("namespace", "namespace"),
            ("controller", "controller"),
            ("subsystem", "subsystem"),
            ("state", "ana_state"),
        ),
        "=1",
    ),
)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    NvmeController: CONTROLLERS,
    NvmeNamespace: NAMESPACES,
    NvmePath: PATHS,
}
