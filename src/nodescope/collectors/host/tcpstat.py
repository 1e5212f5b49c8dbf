"""TCP connections by state."""

from __future__ import annotations

import contextlib
import socket
from typing import ClassVar, Final

from nodescope.host import Absent, Host
from nodescope.kernel.inet_diag import Tally, TcpSockets
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

CONNECTION_STATES: Final = Metric("node_tcp_connection_states", "gauge", "Number of connection states.", ("state",))

STATES: Final = (
    "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
    "listen", "closing",
)  # fmt: skip
"""Names of the states from 1 on (include/net/tcp_states.h)."""

_LABELS: Final = {number: (name,) for number, name in enumerate(STATES, 1)}
_UNKNOWN: Final = ("unknown",)
_RECEIVE, _SEND = ("rx_queued_bytes",), ("tx_queued_bytes",)


def rows_of(tallies: list[Tally]) -> list[Row]:
    """One row for each state that there is, and the two queues; nothing where there is no socket."""
    rows: dict[tuple[str, ...], float] = {}
    for tally in tallies:
        for state, (number, receive_queue, send_queue) in tally.items():
            for labels, value in (
                (_LABELS.get(state, _UNKNOWN), number),
                (_RECEIVE, receive_queue),
                (_SEND, send_queue),
            ):
                rows[labels] = rows.get(labels, 0) + value
    return list(rows.items())


class TcpstatCollector:
    """How many TCP sockets are in each state, and how many bytes wait in their queues.

    *Source*: sock_diag(7), include/uapi/linux/inet_diag.h. *Units*: sockets; bytes for the states rx_queued_bytes and
    tx_queued_bytes, in which a listening socket counts with its backlog. *Absent when*: the kernel has no sock_diag; a
    state that no socket is in. *Cost*: a dump of all sockets, of IPv4 and, where there is /proc/net/tcp6, of IPv6.
    """

    name: ClassVar[str] = "tcpstat"
    metrics: ClassVar[tuple[Metric, ...]] = (CONNECTION_STATES,)
    left_out: int = 0

    def __init__(self, host: Host, sockets: TcpSockets) -> None:
        self._host = host
        self._tcp6 = host.proc("net/tcp6")
        self._sockets = sockets

    def collect(self) -> list[Family]:
        tallies = [self._sockets.tally(socket.AF_INET)]
        if self._host.exists(self._tcp6):
            with contextlib.suppress(Absent):
                tallies.append(self._sockets.tally(socket.AF_INET6))
        rows = rows_of(tallies)
        return [Family(CONNECTION_STATES, rows)] if rows else []


def build(host: Host, settings: Settings) -> TcpstatCollector:
    return TcpstatCollector(host, TcpSockets())
