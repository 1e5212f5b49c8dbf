"""Profile cadvisor: containers under cAdvisor's names.

*Source*: cAdvisor's documentation (docs/storage/prometheus.md): names, types, help texts, units. Labels are those that
the kubelet's cAdvisor and a cAdvisor of its own have together: `id` is the cgroup's path, `name` the container's name,
`container`, `pod` and `namespace` are Kubernetes', empty elsewhere. *Absent*: what takes a walk through a container's
layers or processes (container_fs_usage_bytes, container_tasks_state, container_sockets).
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import MetricType
from nodescope.profiles import Row
from nodescope.records.container_view import ContainerIoView, ContainerNetworkView, ContainerView

Labels = tuple[tuple[str, str], ...]
_GAUGE: Final = "gauge"
_COUNTER: Final = "counter"

LABELS: Final[Labels] = (
    ("container", "container.pod_container"),
    ("id", "cgroup"),
    ("image", "container.image"),
    ("name", "container.name"),
    ("namespace", "container.pod_namespace"),
    ("pod", "container.pod_name"),
)


def _rows(labels: Labels, *fields: tuple[str, MetricType, str, str]) -> tuple[Row, ...]:
    return tuple(
        Row(f"container_{name}", kind, what, labels, field, keeps_name=True) for name, kind, what, field in fields
    )


USE: Final = _rows(
    LABELS,
    ("cpu_usage_seconds_total", _COUNTER, "Cumulative cpu time consumed in seconds.", "use.cpu_seconds"),
    ("cpu_user_seconds_total", _COUNTER, "Cumulative user cpu time consumed in seconds.", "use.cpu_user_seconds"),
    ("cpu_system_seconds_total", _COUNTER, "Cumulative system cpu time consumed in seconds.", "use.cpu_system_seconds"),
    ("cpu_cfs_periods_total", _COUNTER, "Number of elapsed enforcement period intervals.", "use.cpu_periods"),
    (
        "cpu_cfs_throttled_periods_total",
        _COUNTER,
        "Number of throttled period intervals.",
        "use.cpu_throttled_periods",
    ),
    (
        "cpu_cfs_throttled_seconds_total",
        _COUNTER,
        "Total time duration the container has been throttled.",
        "use.cpu_throttled_seconds",
    ),
    (
        "memory_usage_bytes",
        _GAUGE,
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        "use.memory_used_bytes",
    ),
    ("memory_working_set_bytes", _GAUGE, "Current working set in bytes.", "use.memory_working_set_bytes"),
    ("memory_rss", _GAUGE, "Size of RSS in bytes.", "use.memory_rss_bytes"),
    ("memory_cache", _GAUGE, "Number of bytes of page cache memory.", "use.memory_cache_bytes"),
    ("memory_mapped_file", _GAUGE, "Size of memory mapped files in bytes.", "use.memory_mapped_file_bytes"),
    ("memory_swap", _GAUGE, "Container swap usage in bytes.", "use.memory_swap_bytes"),
    ("memory_max_usage_bytes", _GAUGE, "Maximum memory usage recorded in bytes", "use.memory_max_used_bytes"),
    ("memory_failcnt", _COUNTER, "Number of memory usage hits limits", "use.memory_failures"),
    (
        "oom_events_total",
        _COUNTER,
        "Count of out of memory events observed for the container",
        "use.oom_kills",
    ),
    ("threads", _GAUGE, "Number of threads running inside the container", "use.pids"),
    (
        "threads_max",
        _GAUGE,
        "Maximum number of threads allowed inside the container, infinity if value is zero",
        "pids_limit_or_0",
    ),
    (
        "pressure_cpu_waiting_seconds_total",
        _COUNTER,
        "Total time duration tasks in the container have waited due to CPU congestion.",
        "use.cpu_stalled_seconds",
    ),
    (
        "pressure_memory_waiting_seconds_total",
        _COUNTER,
        "Total time duration tasks in the container have waited due to memory congestion.",
        "use.memory_stalled_seconds",
    ),
    (
        "pressure_io_waiting_seconds_total",
        _COUNTER,
        "Total time duration tasks in the container have waited due to IO congestion.",
        "use.io_stalled_seconds",
    ),
    ("spec_cpu_period", _GAUGE, "CPU period of the container.", "cpu_period_microseconds"),
    ("spec_cpu_quota", _GAUGE, "CPU quota of the container.", "cpu_quota_microseconds"),
    ("spec_memory_limit_bytes", _GAUGE, "Memory limit for the container.", "memory_limit_bytes_or_0"),
    (
        "start_time_seconds",
        _GAUGE,
        "Start time of the container since unix epoch in seconds.",
        "container.started_seconds",
    ),
    ("last_seen", _GAUGE, "Last time a container was seen by the exporter", "seen_seconds"),
)

_DEVICE: Final[Labels] = (*LABELS, ("device", "device"))
IO: Final = (
    *_rows(
        _DEVICE,
        ("fs_reads_bytes_total", _COUNTER, "Cumulative count of bytes read", "io.read_bytes"),
        ("fs_reads_total", _COUNTER, "Cumulative count of reads completed", "io.reads"),
        ("fs_writes_bytes_total", _COUNTER, "Cumulative count of bytes written", "io.written_bytes"),
        ("fs_writes_total", _COUNTER, "Cumulative count of writes completed", "io.writes"),
    ),
    *(
        row
        for operation, field in (("Read", "io.read_bytes"), ("Write", "io.written_bytes"))
        for row in _rows(
            (*_DEVICE, ("major", "major"), ("minor", "minor"), ("operation", f"={operation}")),
            ("blkio_device_usage_total", _COUNTER, "Blkio Device bytes usage", field),
        )
    ),
)

NETWORK: Final = _rows(
    (*LABELS, ("interface", "network.interface")),
    *(
        (f"network_{way}_{name}_total", _COUNTER, what.format(past, doing), f"network.{way}_{field}")
        for way, past, doing in (("receive", "received", "receiving"), ("transmit", "transmitted", "transmitting"))
        for name, what, field in (
            ("bytes", "Cumulative count of bytes {0}", "bytes"),
            ("packets", "Cumulative count of packets {0}", "packets"),
            ("errors", "Cumulative count of errors encountered while {1}", "errors"),
            ("packets_dropped", "Cumulative count of packets dropped while {1}", "dropped"),
        )
    ),
)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    ContainerView: USE,
    ContainerIoView: IO,
    ContainerNetworkView: NETWORK,
}
