"""IP virtual servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.collectors.host.ipvs_table import Backend, Table, parse_statistics, parse_table
from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family, Metric, Row, single
from nodescope.settings import Settings, SettingsError

LABELS: Final[dict[str, Callable[[Backend], str]]] = {
    "local_address": lambda backend: backend.service.local_address,
    "local_port": lambda backend: backend.service.local_port,
    "remote_address": lambda backend: backend.remote_address,
    "remote_port": lambda backend: backend.remote_port,
    "proto": lambda backend: backend.service.proto,
    "local_mark": lambda backend: backend.service.local_mark,
}

Rows = tuple[Row, Row, Row]
"""Active connections, inactive connections and weight, all with the same labels."""

STATISTICS: Final = (
    Metric("node_ipvs_connections_total", "counter", "The total number of connections made."),
    Metric("node_ipvs_incoming_packets_total", "counter", "The total number of incoming packets."),
    Metric("node_ipvs_outgoing_packets_total", "counter", "The total number of outgoing packets."),
    Metric("node_ipvs_incoming_bytes_total", "counter", "The total amount of incoming data."),
    Metric("node_ipvs_outgoing_bytes_total", "counter", "The total amount of outgoing data."),
)


def backend_metrics(labels: tuple[str, ...]) -> tuple[Metric, Metric, Metric]:
    """Active connections, inactive connections and weight."""
    return (
        Metric(
            "node_ipvs_backend_connections_active",
            "gauge",
            "The current active connections by local and remote address.",
            labels,
        ),
        Metric(
            "node_ipvs_backend_connections_inactive",
            "gauge",
            "The current inactive connections by local and remote address.",
            labels,
        ),
        Metric("node_ipvs_backend_weight", "gauge", "The current backend weight by local and remote address.", labels),
    )


class IpvsCollector:
    """What the kernel's load balancer has passed on, and the state of each server behind it.

    *Source*: /proc/net/ip_vs_stats, /proc/net/ip_vs, ipvsadm(8), Documentation/networking/ipvs-sysctl.rst. *Units*:
    connections, packets, bytes; weights have none. Backends with equal labels are summed. *Absent when*: the kernel's
    module ip_vs is not loaded. *Cost*: two reads.
    """

    name: ClassVar[str] = "ipvs"
    metrics: ClassVar[tuple[Metric, ...]] = (*STATISTICS, *backend_metrics(tuple(LABELS)))
    left_out: int = 0

    def __init__(self, host: Host, labels: tuple[str, ...]) -> None:
        self._host = host
        self._statistics = host.proc("net/ip_vs_stats")
        self._table = host.proc("net/ip_vs")
        self._labels = tuple(LABELS[label] for label in labels)
        self._metrics = backend_metrics(labels)
        self._read: bytes | None = None
        self._families: list[Family] = []
        self._parsed = Table([], {}, 0)
        self._made: dict[Backend, Rows] = {}

    def collect(self) -> list[Family]:
        self.left_out = 0
        failed: Malformed | OSError | None = None
        families: list[Family] = []
        try:
            families += self._totals(self._host.read(self._statistics, at_once=True, built_in=True))
        except (Malformed, OSError) as error:
            self.left_out += 1
            failed = error.with_traceback(None)
        try:
            families += self._backends(self._host.read(self._table, built_in=True))
        except Absent:
            self._read = None
        except (Malformed, OSError) as error:
            self.left_out += 1
            self._read = None
            failed = failed or error
        if not families and failed is not None:
            raise failed
        return families

    def _totals(self, data: bytes) -> list[Family]:
        numbers = parse_statistics(data, self._statistics)
        self.left_out += None in numbers
        return [
            single(metric, number) for metric, number in zip(STATISTICS, numbers, strict=True) if number is not None
        ]

    def _backends(self, data: bytes) -> list[Family]:
        if data != self._read:
            self._parsed = parse_table(data, self._table, self._parsed.known)
            self._families = self._summed(self._parsed.backends)
            self._read = data
        self.left_out += self._parsed.left_out
        return self._families

    def _summed(self, backends: list[Backend]) -> list[Family]:
        made, self._made = self._made, {}
        sums: dict[tuple[str, ...], Rows] = {}
        for backend in backends:
            rows = self._made[backend] = made.get(backend) or self._rows(backend)
            labels = rows[0][0]
            before = sums.get(labels)
            if before is not None:
                active, inactive, weight = (one[1] + other[1] for one, other in zip(before, rows, strict=True))
                rows = (labels, active), (labels, inactive), (labels, weight)
            sums[labels] = rows
        columns = zip(*sums.values(), strict=True)
        return [Family(metric, column) for metric, column in zip(self._metrics, columns, strict=False)]

    def _rows(self, backend: Backend) -> Rows:
        labels = tuple([label(backend) for label in self._labels])
        return (labels, backend.active), (labels, backend.inactive), (labels, backend.weight)


def build(host: Host, settings: Settings) -> IpvsCollector:
    key = "collector.ipvs.backend-labels"
    wanted = [label.strip() for label in settings[key].split(",")]
    unknown = sorted(set(wanted) - {*LABELS, ""})
    if unknown:
        raise SettingsError(
            f"{key} ({settings.origin(key)}): unknown label {', '.join(unknown)}: expected some of {', '.join(LABELS)}"
        )
    return IpvsCollector(host, tuple(label for label in LABELS if label in wanted))
