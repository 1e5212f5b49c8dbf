"""Profile epic: the names of the mock node exporter of MONITOR-POC, for which its dashboards were made.

What it has no name for (one CPU, what disks do) has one in the same style. `NETWORK` and `LOAD` are names that
node_exporter has too.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row

_CPU: Final = (("cpu", "cpu"),)
_DISK: Final = (("device", "device"),)

NODE: Final[tuple[Row, ...]] = (
    Row("exporter_errors_total", "counter", "How often a source of these metrics could not be read.", (), "errors"),
    Row("node_cpu_usage_percent", "gauge", "CPU usage of all CPUs, in percent.", (), "cpu_usage_percent"),
    Row("node_memory_used_bytes", "gauge", "Memory that is not available, in bytes.", (), "memory_used_bytes"),
    Row("node_memory_total_bytes", "gauge", "Memory, in bytes.", (), "memory_total_bytes"),
    Row("node_disk_used_bytes", "gauge", "Used space of the root filesystem, in bytes.", (), "disk_used_bytes"),
    Row("node_disk_total_bytes", "gauge", "Size of the root filesystem, in bytes.", (), "disk_total_bytes"),
)
CPU: Final[tuple[Row, ...]] = (
    Row("node_cpu_core_usage_percent", "gauge", "CPU usage of each CPU, in percent.", _CPU, "usage_percent"),
)
DISK: Final[tuple[Row, ...]] = (
    Row(
        "node_disk_read_bytes_per_second",
        "gauge",
        "Bytes read from each disk in a second.",
        _DISK,
        "read_bytes_per_second",
    ),
    Row(
        "node_disk_written_bytes_per_second",
        "gauge",
        "Bytes written to each disk in a second.",
        _DISK,
        "written_bytes_per_second",
    ),
    Row("node_disk_read_iops", "gauge", "Reads that each disk completed in a second.", _DISK, "reads_per_second"),
    Row("node_disk_write_iops", "gauge", "Writes that each disk completed in a second.", _DISK, "writes_per_second"),
)
NETWORK: Final[tuple[Row, ...]] = (
    Row(
        "node_network_receive_bytes_total",
        "counter",
        "Bytes that all network devices received.",
        (),
        "network_receive_bytes",
    ),
    Row(
        "node_network_transmit_bytes_total",
        "counter",
        "Bytes that all network devices sent.",
        (),
        "network_transmit_bytes",
    ),
)
LOAD: Final[tuple[Row, ...]] = (
    Row("node_load1", "gauge", "1m load average.", (), "load1"),
    Row("node_load5", "gauge", "5m load average.", (), "load5"),
    Row("node_load15", "gauge", "15m load average.", (), "load15"),
)
