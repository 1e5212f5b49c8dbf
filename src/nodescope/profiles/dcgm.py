"""Profile dcgm: the names, labels, units and quirks of dcgm-exporter.

*Source*: dcgm_fields.h, and dcgm-exporter's counter files and templates (4.x). An entity's labels go before those of a
row; `labelled` puts them together. Which rows are shown is a `Selection`: `DEFAULT`, or a user's counter file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.profiles import Row
from nodescope.profiles.dcgm_driver_fields import DRIVER, NVLINK
from nodescope.profiles.dcgm_fields import DEVICE, LABEL_FIELDS
from nodescope.profiles.dcgm_profiling import PROFILING
from nodescope.records.dcgm import DcgmClockEvents, DcgmEntity, DcgmHealth, DcgmPeer, DcgmXidCount, DcgmXidTotal

WINDOW_MILLISECONDS: Final = 300_000
_WINDOW: Final = ("window_size_in_ms", f"={WINDOW_MILLISECONDS}")

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    DcgmEntity: (*DEVICE, *NVLINK, *DRIVER, *PROFILING),
    DcgmXidCount: (
        Row(
            "DCGM_EXP_XID_ERRORS_COUNT",
            "counter",
            "reported XIDs during last window",
            (("xid", "xid"), _WINDOW),
            "count",
        ),
    ),
    DcgmXidTotal: (Row("DCGM_EXP_XID_ERRORS_TOTAL", "counter", "XIDs that were seen.", (("xid", "xid"),), "count"),),
    DcgmClockEvents: (
        Row(
            "DCGM_EXP_CLOCK_EVENTS_COUNT",
            "counter",
            "reported clock events",
            (("clock_event", "event"), _WINDOW),
            "count",
        ),
        Row(
            "DCGM_EXP_CLOCK_EVENTS_TOTAL",
            "counter",
            "Clock events that have begun.",
            (("clock_event", "event"),),
            "total",
        ),
    ),
    DcgmPeer: (
        Row(
            "DCGM_EXP_P2P_STATUS",
            "counter",
            "P2P NvLink status",
            (("peer_gpu", "peer"), ("link_status", "status")),
            "value",
        ),
    ),
    DcgmHealth: (
        Row(
            "DCGM_EXP_GPU_HEALTH_STATUS",
            "counter",
            "DCGM reported health status",
            (("health_watch", "watch"), ("health_error_code", "error_code")),
            "value",
        ),
    ),
}
"""Every field that can be chosen, by the record that it is of."""

FIELDS: Final[dict[str, tuple[type, Row]]] = {row.name: (kind, row) for kind, rows in PROFILE.items() for row in rows}

LABELS: Final = (
    ("gpu", "identity.index"),
    ("UUID", "identity.uuid"),
    ("pci_bus_id", "identity.pci_bus_id"),
    ("device", "device"),
    ("modelName", "model"),
)
INSTANCE_LABELS: Final = (("GPU_I_PROFILE", "gpu_instance_profile"), ("GPU_I_ID", "instance.gpu_instance_id"))
POD_LABELS: Final = (("container", "pod.container"), ("namespace", "pod.namespace"), ("pod", "pod.name"))
SHARE_LABELS: Final = (*POD_LABELS, ("vgpu", "pod.share"))
"""Of a pod that shares a GPU with others, by time or MPS."""
HOST_LABELS: Final = (("Hostname", "hostname"),)
OLD_NAMES: Final = {
    "UUID": "uuid",
    "container": "container_name",
    "namespace": "pod_namespace",
    "pod": "pod_name",
}
"""What labels of entities were called by dcgm-exporter 1.x."""

DEFAULT: Final = (
    "DCGM_FI_DEV_SM_CLOCK",
    "DCGM_FI_DEV_MEM_CLOCK",
    "DCGM_FI_DEV_MEMORY_TEMP",
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "DCGM_FI_DEV_PCIE_TX_THROUGHPUT",
    "DCGM_FI_DEV_PCIE_RX_THROUGHPUT",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_MEM_COPY_UTIL",
    "DCGM_FI_DEV_ENC_UTIL",
    "DCGM_FI_DEV_DEC_UTIL",
    "DCGM_FI_DEV_XID_ERRORS",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_FB_RESERVED",
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "DCGM_FI_PROF_DRAM_ACTIVE",
    "DCGM_FI_PROF_PCIE_TX_BYTES",
    "DCGM_FI_PROF_PCIE_RX_BYTES",
)
"""Those that dcgm-exporter's two lists have on, and ECC errors and PCIe throughput, which they have not."""

DEFAULT_LABELS: Final = ("DCGM_FI_DRIVER_VERSION",)


class Selection(NamedTuple):
    """Which fields are shown: rows by the record they are of, and (label name, field) for those that are labels.

    `not_obtainable`: (name, why) of fields that were asked for and cannot be given.
    """

    rows: Mapping[type, tuple[Row, ...]]
    labels: tuple[tuple[str, str], ...]
    not_obtainable: tuple[tuple[str, str], ...] = ()


class Naming(NamedTuple):
    """How entities are named, as dcgm-exporter's switches have it. `pods`: with those that the kubelet gave them to;
    `shares`: and one that several share once for each of them, else for the last.

    `hostname`: with the host's name. `old`: labels have the names of 1.x. `dashes`: in place of a model name's blanks.
    """

    pods: bool = False
    shares: bool = False
    hostname: bool = True
    old: bool = False
    dashes: bool = False


DEFAULT_NAMING: Final = Naming()


def default_selection() -> Selection:
    """What is shown without a counter file."""
    rows: dict[type, tuple[Row, ...]] = {}
    for name in DEFAULT:
        kind, row = FIELDS[name]
        rows[kind] = (*rows.get(kind, ()), row)
    return Selection(rows, tuple((name, LABEL_FIELDS[name]) for name in DEFAULT_LABELS))


def labelled(
    selection: Selection,
    instances: bool,
    naming: Naming = DEFAULT_NAMING,
    of_pod: tuple[tuple[str, str], ...] = (),
) -> dict[type, tuple[Row, ...]]:
    """The rows of `selection` with all their labels, in dcgm-exporter's order: of whole GPUs, or of GPU instances.

    `of_pod`: the labels of those that the kubelet gave to one.
    """
    of_part = INSTANCE_LABELS if instances else ()
    of_host = HOST_LABELS if naming.hostname else ()
    labels = (*_named(LABELS, naming), *of_part, *of_host, *selection.labels, *_named(of_pod, naming))
    return {
        kind: tuple(row._replace(labels=(*_of(kind, labels), *row.labels), keeps_name=True) for row in rows)
        for kind, rows in selection.rows.items()
    }


def _named(labels: tuple[tuple[str, str], ...], naming: Naming) -> tuple[tuple[str, str], ...]:
    return tuple((OLD_NAMES.get(name, name), field) for name, field in labels) if naming.old else labels


def _of(kind: type, labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """`labels` for records of `kind`, which have the entity inside."""
    return labels if kind is DcgmEntity else tuple((name, f"entity.{field}") for name, field in labels)
