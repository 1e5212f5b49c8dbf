"""Profile worker of docker-stats: the names of the worker docker-stats exporter, port 9501.

*Source*: the exporter's two programs and its guide, which have different names: all are here. `container` is the
name, `id` the first twelve letters of the id. Three families have a text in the label `value`, as `docker stats`
prints it, and are always 1: each new text is a new series, so dashboards had better use the numbers beside them.
"""

from __future__ import annotations

from typing import Final

from nodescope import __version__
from nodescope.profiles import Row
from nodescope.records.docker_stats import DockerContainer, DockerEngine, DockerStatsExporter, DockerTotals

_NAMED: Final = (("container", "name"),)
_CONTAINER: Final = (*_NAMED, ("id", "id"))
TEXTS: Final = ("memory_usage", "network_io", "block_io")


def _gauges(labels: tuple[tuple[str, str], ...], *fields: tuple[str, str, str]) -> tuple[Row, ...]:
    return tuple(Row(f"docker_{name}", "gauge", what, labels, field, keeps_name=True) for name, what, field in fields)


PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    DockerStatsExporter: (
        *_gauges((), ("stats_exporter_up", "Docker stats exporter is running", "=1")),
        *_gauges(
            (("version", f"={__version__}"), ("language", "=python")),
            ("stats_exporter_info", "Docker stats exporter information", "=1"),
        ),
    ),
    DockerTotals: _gauges(
        (),
        ("containers_total", "Total number of containers being monitored", "containers"),
        ("containers_total_cpu_percent", "Total CPU usage of all containers in percent", "cpu_percent"),
    ),
    DockerEngine: _gauges(
        (),
        ("engine_cpu_percent", "Docker engine CPU usage percentage", "cpu_percent"),
        ("engine_memory_percent", "Docker engine memory usage percentage", "memory_percent"),
        ("engine_memory_kb", "Docker engine memory usage in KB", "memory_kilobytes"),
    ),
    DockerContainer: (
        *_gauges(
            _CONTAINER,
            ("container_cpu_percent", "Container CPU usage percentage", "cpu_percent"),
            ("container_memory_percent", "Container memory usage percentage", "memory_percent"),
        ),
        *_gauges(
            _NAMED,
            ("container_memory_bytes", "Container memory usage in bytes", "memory_bytes"),
            ("container_network_rx_bytes", "Container network bytes received", "receive_bytes"),
            ("container_network_tx_bytes", "Container network bytes sent", "transmit_bytes"),
        ),
    ),
}
"""Rows of numbers; those of `TEXTS` are `TEXT_ROWS`, for only containers that have the text have them."""

TEXT_ROWS: Final = {
    field: _gauges((*_CONTAINER, ("value", field)), (f"container_{field}", what, "=1"))
    for field, what in zip(
        TEXTS, ("Container memory usage", "Container network I/O", "Container block I/O"), strict=True
    )
}
