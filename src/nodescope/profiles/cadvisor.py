"""Profile cadvisor: containers under cAdvisor's names.

*Source*: cAdvisor's documentation (docs/storage/prometheus.md): names, types, help texts, units. Labels are those that
the kubelet's cAdvisor and a cAdvisor of its own have together: `id` is the cgroup's path, `name` the container's name,
`container`, `pod` and `namespace` are Kubernetes', empty elsewhere; a pod's network has `pod` and `namespace` alone,
for it is its sandbox's. *Absent*: what takes a walk through a container's layers or processes
(container_fs_usage_bytes, container_tasks_state, container_sockets), and cgroups that are no container's (`id="/"`).
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


_CPU: Final = _rows(
    (*LABELS, ("cpu", "=total")),
    ("cpu_usage_seconds_total", _COUNTER, "Cumulative cpu time consumed in seconds.", "use.cpu_seconds"),
)
_FAULTS: Final = tuple(
    row
    for kind, scope, field in (
        ("pgfault", "container", "own_page_faults"),
        ("pgfault", "hierarchy", "use.page_faults"),
        ("pgmajfault", "container", "own_major_page_faults"),
        ("pgmajfault", "hierarchy", "use.major_page_faults"),
    )
    for row in _rows(
        (*LABELS, ("failure_type", f"={kind}"), ("scope", f"={scope}")),
        ("memory_failures_total", _COUNTER, "Cumulative count of memory allocation failures.", field),
    )
)
_PRESSURE: Final = _rows(
    LABELS,
    *(
        (
            f"pressure_{resource}_{how}_seconds_total",
            _COUNTER,
            f"Total time duration {what} due to {cause} congestion.",
            f"use.{resource}_{field}_seconds",
        )
        for resource, cause in (("cpu", "CPU"), ("memory", "memory"), ("io", "IO"))
        for how, what, field in (
            ("waiting", "tasks in the container have waited", "stalled"),
            ("stalled", "no tasks in the container could make progress", "full_stalled"),
        )
    ),
)
_OWN: Final = _rows(
    LABELS,
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
    ("cpu_cfs_burst_periods_total", _COUNTER, "Number of periods when burst occurs.", "use.cpu_burst_periods"),
    (
        "cpu_cfs_burst_seconds_total",
        _COUNTER,
        "Total time duration the container has been bursted.",
        "use.cpu_burst_seconds",
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
    ("memory_kernel_usage", _GAUGE, "Size of kernel memory allocated in bytes.", "use.memory_kernel_bytes"),
    (
        "memory_total_active_file_bytes",
        _GAUGE,
        "Current total active file in bytes.",
        "use.memory_active_file_bytes",
    ),
    (
        "memory_total_inactive_file_bytes",
        _GAUGE,
        "Current total inactive file in bytes.",
        "use.memory_inactive_file_bytes",
    ),
    (
        "memory_file_dirty_bytes",
        _GAUGE,
        "Number of bytes of file cache that has been modified but not yet written back to disk.",
        "use.memory_dirty_file_bytes",
    ),
    (
        "memory_file_writeback_bytes",
        _GAUGE,
        "Number of bytes of file cache that is currently being written back to disk.",
        "use.memory_writeback_bytes",
    ),
    (
        "memory_events_high_total",
        _COUNTER,
        "Cumulative count of memory.high throttle events for the container",
        "use.memory_high_events",
    ),
    (
        "memory_events_max_total",
        _COUNTER,
        "Cumulative count of memory.max limit hit events for the container",
        "use.memory_failures",
    ),
    (
        "memory_pgscan_total",
        _COUNTER,
        "Cumulative number of pages scanned by the page reclaim algorithm.",
        "use.pages_scanned",
    ),
    (
        "memory_pgsteal_total",
        _COUNTER,
        "Cumulative number of pages reclaimed by the page reclaim algorithm.",
        "use.pages_reclaimed",
    ),
    (
        "memory_workingset_refault_file_total",
        _COUNTER,
        "Cumulative number of refaults of previously evicted file pages.",
        "use.file_refaults",
    ),
    (
        "memory_workingset_refault_anon_total",
        _COUNTER,
        "Cumulative number of refaults of previously evicted anonymous pages.",
        "use.anonymous_refaults",
    ),
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
    ("spec_cpu_period", _GAUGE, "CPU period of the container.", "cpu_period_microseconds"),
    ("spec_cpu_quota", _GAUGE, "CPU quota of the container.", "cpu_quota_microseconds"),
    ("spec_cpu_shares", _GAUGE, "CPU share of the container.", "use.cpu_shares"),
    ("spec_memory_limit_bytes", _GAUGE, "Memory limit for the container.", "memory_limit_bytes_or_0"),
    (
        "spec_memory_swap_limit_bytes",
        _GAUGE,
        "Memory swap limit for the container.",
        "memory_swap_limit_bytes_or_0",
    ),
    (
        "spec_memory_reservation_limit_bytes",
        _GAUGE,
        "Memory reservation limit for the container.",
        "memory_reservation_bytes_or_0",
    ),
    ("health_state", _GAUGE, "The result of the container's health check", "health_number"),
    (
        "creation_time_seconds",
        _GAUGE,
        "Container creation time since unix epoch in seconds.",
        "container.created_seconds",
    ),
    (
        "start_time_seconds",
        _GAUGE,
        "Start time of the container since unix epoch in seconds.",
        "container.started_seconds",
    ),
    ("last_seen", _GAUGE, "Last time a container was seen by the exporter", "seen_seconds"),
)

USE: Final = (*_CPU, *_OWN, *_FAULTS, *_PRESSURE)
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
