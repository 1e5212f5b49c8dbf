"""Profile native of containers: OpenTelemetry's names, in base units.

*Source*: OpenTelemetry's semantic conventions for containers (container.uptime, container.cpu.*, container.memory.*,
container.disk.io, container.network.io) and its rules for Prometheus names. What has no name there
is `nodescope_container_*`. Values have few labels; all else of what a
container is is on `nodescope_container_info`.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import MetricType
from nodescope.profiles import Row
from nodescope.records.container import DeviceClaim, RuntimeStatus
from nodescope.records.container_choice import ContainersLeftOut
from nodescope.records.container_view import (
    ContainerGiven,
    ContainerIoView,
    ContainerLabel,
    ContainerNetworkView,
    ContainerState,
    ContainerView,
    RuntimeContainers,
)

Labels = tuple[tuple[str, str], ...]
PERCENT: Final = 100
LABELS: Final[Labels] = (("container_id", "container.key"), ("container_name", "container.name"))
_OWN: Final = "nodescope_container_"
_GAUGE: Final[MetricType] = "gauge"
_COUNTER: Final[MetricType] = "counter"


def _rows(prefix: str, kind: MetricType, labels: Labels, *fields: tuple[str, str, str]) -> tuple[Row, ...]:
    return tuple(Row(prefix + name, kind, what, labels, field) for name, what, field in fields)


def _same(*names: str, of: str) -> Labels:
    return tuple((name, f"{of}.{name}") for name in names)


def _modes(name: str, what: str, label: str, of: str, *modes: tuple[str, str], labels: Labels = LABELS) -> list[Row]:
    """One counter whose rows differ in one label: its value and the field that it shows."""
    return [Row(name, _COUNTER, what, (*labels, (label, f"={value}")), f"{of}.{field}") for value, field in modes]


INFO: Final = Row(
    f"{_OWN}info",
    _GAUGE,
    "What the container is, always 1.",
    (
        *LABELS,
        *_same("runtime", "namespace", "image", "image_digest", of="container"),
        *_same("pod_name", "pod_namespace", "pod_uid", "pod_container", of="container"),
        *_same("compose_project", "compose_service", "user", "slurm_job", of="container"),
    ),
    "=1",
)
USE: Final = (
    INFO,
    Row("container_uptime_seconds", _GAUGE, "The time the container has been running.", LABELS, "uptime_seconds"),
    *_modes(
        "container_cpu_time_seconds_total", "CPU time that the container has used.", "cpu_mode", "use",
        ("user", "cpu_user_seconds"), ("system", "cpu_system_seconds"),
    ),
    Row("container_cpu_usage", _GAUGE, "CPUs that the container is using.", LABELS, "use.cpu_percent", per=PERCENT),
    *_rows(
        "container_memory_", _GAUGE, LABELS,
        ("usage_bytes", "Memory that the container uses.", "use.memory_used_bytes"),
        ("working_set_bytes", "Memory that it uses, less inactive file pages.", "use.memory_working_set_bytes"),
        ("rss_bytes", "Anonymous memory of the container.", "use.memory_rss_bytes"),
        ("available_bytes", "What is left of its memory limit above the working set.", "memory_available_bytes"),
    ),
    *_rows(
        _OWN, _GAUGE, LABELS,
        ("memory_limit_bytes", "Memory that the container may use; absent without a limit.", "memory_limit_bytes"),
        ("memory_cache_bytes", "File pages of the container.", "use.memory_cache_bytes"),
        ("memory_mapped_file_bytes", "File pages that it has mapped.", "use.memory_mapped_file_bytes"),
        ("memory_swap_bytes", "Swap that it uses.", "use.memory_swap_bytes"),
        ("memory_peak_bytes", "Most memory that it ever used.", "use.memory_max_used_bytes"),
        ("cpu_limit_cores", "CPUs that the container may use; absent without a limit.", "cpu_limit_cores"),
        ("pids", "Processes and threads in the container.", "use.pids"),
        ("pids_limit", "Processes and threads that it may have; absent without a limit.", "pids_limit"),
        ("exit_code", "Exit code of a container that has ended.", "exit_code"),
        ("oom_killed", "Whether the runtime or the cgroup says that it was killed for memory.", "oom_killed"),
        ("created_timestamp_seconds", "When the container was created, Unix time.", "container.created_seconds"),
        ("started_timestamp_seconds", "When it was last started, Unix time.", "container.started_seconds"),
        ("finished_timestamp_seconds", "When it last ended, Unix time.", "container.finished_seconds"),
    ),
    *_rows(
        _OWN, _COUNTER, LABELS,
        ("cpu_seconds_total", "CPU time that the container has used, in all modes.", "use.cpu_seconds"),
        ("cpu_periods_total", "Periods in which its CPU limit was enforced.", "use.cpu_periods"),
        ("cpu_throttled_periods_total", "Periods in which it was throttled.", "use.cpu_throttled_periods"),
        ("cpu_throttled_seconds_total", "How long it was throttled.", "use.cpu_throttled_seconds"),
        ("memory_failures_total", "How often it ran into its memory limit.", "use.memory_failures"),
        ("oom_events_total", "How often it ran out of memory.", "use.oom_events"),
        ("oom_kills_total", "Processes of it that were killed for memory.", "use.oom_kills"),
        ("restarts_total", "How often its runtime has restarted it.", "container.restarts"),
    ),
    *_modes(
        f"{_OWN}stalled_seconds_total", "Time in which a task of it waited for a resource.", "resource", "use",
        ("cpu", "cpu_stalled_seconds"), ("memory", "memory_stalled_seconds"), ("io", "io_stalled_seconds"),
    ),
)  # fmt: skip
STATES: Final = tuple(
    Row(f"{_OWN}{kind}", _GAUGE, what, (*LABELS, (kind, "state")), f"{kind}_active")
    for kind, what in (
        ("state", "1 for the state that the container is in, 0 for the others."),
        ("health", "1 for what its health check says, 0 for the others; absent without one."),
    )
)
_DEVICE: Final = (*LABELS, ("system_device", "device"))
_DIRECTION: Final = "disk_io_direction"
IO: Final = (
    *_modes(
        "container_disk_io_bytes_total", "Bytes that the container read from and wrote to a disk.", _DIRECTION, "io",
        ("read", "read_bytes"), ("write", "written_bytes"), labels=_DEVICE,
    ),
    *_modes(
        f"{_OWN}disk_operations_total", "Reads and writes of the container on a disk.", _DIRECTION, "io",
        ("read", "reads"), ("write", "writes"), labels=_DEVICE,
    ),
)  # fmt: skip
NETWORK: Final = tuple(
    row
    for name, what, field in (
        ("container_network_io_bytes_total", "Bytes over an interface of the container.", "bytes"),
        (f"{_OWN}network_packets_total", "Packets over an interface of the container.", "packets"),
        (f"{_OWN}network_errors_total", "Errors of an interface of the container.", "errors"),
        (f"{_OWN}network_dropped_total", "Packets that an interface of the container dropped.", "dropped"),
    )
    for row in _modes(
        name, what, "network_io_direction", "network",
        ("receive", f"receive_{field}"), ("transmit", f"transmit_{field}"),
        labels=(*LABELS, ("network_interface_name", "network.interface")),
    )
)  # fmt: skip
LABEL: Final = (
    Row(
        f"{_OWN}label", _GAUGE, "A label of the container, of those that collector.container.labels names; 1.",
        (*LABELS, ("label_name", "name"), ("label_value", "value")), "=1",
    ),
)  # fmt: skip
GIVEN: Final = (
    Row(
        f"{_OWN}device", _GAUGE, "A GPU or RDMA device that the container was given or asked for; 1.",
        (*LABELS, ("kind", "kind"), ("evidence", "evidence"), ("vendor", "vendor"), ("device", "device")), "=1",
    ),
)  # fmt: skip
CLAIMS: Final = (
    Row(
        f"{_OWN}device_claim", _GAUGE, "Who holds a GPU, a partition or an RDMA device, and by what it is known; 1.",
        (
            ("device", "device"), ("kind", "kind"), ("evidence", "evidence"), ("request", "request"),
            ("container_id", "container_id"),
            ("container_name", "container"), ("runtime", "runtime"), ("pod_name", "pod_name"),
            ("pod_namespace", "pod_namespace"), ("user", "user"), ("slurm_job", "slurm_job"), ("conflict", "conflict"),
        ),
        "=1",
    ),
)  # fmt: skip
_RUNTIME: Final[Labels] = (("runtime", "runtime"), ("socket", "socket"))
RUNTIMES: Final = (
    Row(
        f"{_OWN}runtime_info", _GAUGE, "A container runtime and how it fares, always 1.",
        (*_RUNTIME, ("state", "state"), ("version", "version"), ("api_version", "api_version")), "=1",
    ),
    *_rows(
        f"{_OWN}runtime_", _COUNTER, _RUNTIME,
        ("events_total", "Events that were heard of the runtime.", "events"),
        ("inferred_events_total", "Events that were missed, and inferred from what had changed.", "events_inferred"),
        ("dropped_events_total", "Events that were dropped.", "events_dropped"),
        ("reconnects_total", "How often its event stream was connected to again.", "reconnects"),
    ),
)  # fmt: skip

COUNTS: Final = (
    Row(f"{_OWN}runtime_containers", _GAUGE, "Containers that the runtime tells of.", _RUNTIME, "containers"),
)

LEFT_OUT: Final = (
    Row(f"{_OWN}filtered_containers", _GAUGE, "Containers that the filter does not show.", (), "containers"),
    Row(f"{_OWN}filtered_events_total", _COUNTER, "Events of containers that the filter does not show.", (), "events"),
    Row(f"{_OWN}unknown_requests", _GAUGE, "Requests of devices that name none of this node.", (), "requests"),
    Row(f"{_OWN}dropped_claims", _GAUGE, "Claims on devices beyond the most that are shown.", (), "claims"),
    Row(
        f"{_OWN}unread_files",
        _GAUGE,
        "Cgroups of containers, and files in them, that could not be read or understood, or are too many.",
        (),
        "files",
    ),
)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    ContainerView: USE,
    ContainerState: STATES,
    ContainerIoView: IO,
    ContainerNetworkView: NETWORK,
    ContainerLabel: LABEL,
    ContainerGiven: GIVEN,
    DeviceClaim: CLAIMS,
    RuntimeStatus: RUNTIMES,
    RuntimeContainers: COUNTS,
    ContainersLeftOut: LEFT_OUT,
}
