"""Profile native of ports that are listened on."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.listening import ListeningPort, ListeningTables

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    ListeningPort: (
        Row(
            "nodescope_listening_port",
            "gauge",
            "A TCP port of the host that is listened on, always 1.",
            (("port", "port"), ("family", "family")),
            "=1",
        ),
    ),
    ListeningTables: (
        Row("nodescope_listening_ports", "gauge", "TCP ports of the host that are listened on.", (), "ports"),
        Row(
            "nodescope_listening_ports_dropped_total",
            "counter",
            "Ports that were not shown, for there were too many at once.",
            (),
            "dropped_total",
        ),
        Row(
            "nodescope_listening_malformed_rows_total",
            "counter",
            "Rows of the kernel's tables of TCP sockets that could not be read.",
            (),
            "malformed_rows_total",
        ),
    ),
}
