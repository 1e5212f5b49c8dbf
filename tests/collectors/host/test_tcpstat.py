from __future__ import annotations

import socket

import pytest

from nodescope.collectors.host.tcpstat import TcpstatCollector, rows_of
from nodescope.host import Absent
from nodescope.kernel.inet_diag import Tally, TcpSockets
from tests.collectors.host.machine import Machine, series
from tests.kernel.network_namespace import in_a_network_namespace, ip


def states(**numbers: int) -> dict[str, float]:
    return {f'node_tcp_connection_states{{state="{state}"}}': number for state, number in numbers.items()}


class Sockets(TcpSockets):
    """A kernel whose sockets are written here, by address family; None where it cannot tell."""

    def __init__(self, **families: Tally | None) -> None:
        super().__init__()
        self.families = families

    def tally(self, family: socket.AddressFamily) -> Tally:
        found = self.families[family.name]
        if found is None:
            raise Absent(family.name)
        return found


def test_states() -> None:
    """Sockets of both families are summed, and so are states without a name; queues count over all states."""
    tallies = [{1: (2, 5, 6), 10: (1, 0, 128), 12: (1, 0, 0), 13: (1, 0, 0)}, {1: (1, 1, 0)}]
    assert {labels[0]: number for labels, number in rows_of(tallies)} == {
        "established": 3, "listen": 1, "unknown": 2, "rx_queued_bytes": 6, "tx_queued_bytes": 134,
    }  # fmt: skip


def test_every_state_has_its_name() -> None:
    """Numbers of include/net/tcp_states.h."""
    rows = rows_of([dict.fromkeys(range(1, 12), (1, 0, 0))])
    assert {labels[0] for labels, _ in rows} == {
        "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
        "listen", "closing", "rx_queued_bytes", "tx_queued_bytes",
    }  # fmt: skip


def test_no_sockets(machine: Machine) -> None:
    """Without sockets there is no family."""
    assert TcpstatCollector(machine.host, Sockets(AF_INET={})).collect() == []


def test_ipv6(machine: Machine) -> None:
    """Sockets of IPv6 are asked for where the kernel has them; one that cannot tell costs them alone."""
    sockets = Sockets(AF_INET={1: (1, 0, 0)}, AF_INET6={1: (1, 2, 0)})
    alone = states(established=1, rx_queued_bytes=0, tx_queued_bytes=0)
    assert series(TcpstatCollector(machine.host, sockets).collect()) == alone
    machine.write("proc/net/tcp6", b"")
    both = states(established=2, rx_queued_bytes=2, tx_queued_bytes=0)
    assert series(TcpstatCollector(machine.host, sockets).collect()) == both
    sockets.families["AF_INET6"] = None
    assert series(TcpstatCollector(machine.host, sockets).collect()) == alone


def test_absent(machine: Machine) -> None:
    """Without sock_diag there is nothing."""
    with pytest.raises(Absent):
        TcpstatCollector(machine.host, Sockets(AF_INET=None)).collect()


def test_this_kernel(machine: Machine) -> None:
    """Connections of a network of the test's own, with what waits in their queues, as they come and go."""
    machine.write("proc/net/tcp6", b"")
    collector = machine.build("tcpstat")

    def found() -> list[dict[str, float]]:
        ip("link set lo up")
        with socket.create_server(("127.0.0.1", 0), backlog=9) as server:
            client = socket.create_connection(server.getsockname())
            accepted, _ = server.accept()
            with client, accepted:
                client.sendall(b"not read")
                while len(accepted.recv(8, socket.MSG_PEEK)) < 8:
                    pass
                first = series(collector.collect())
        with socket.create_server(("127.0.0.1", 0), backlog=3):
            return [first, series(collector.collect())]

    first, second = in_a_network_namespace(found)
    # The backlog of the listening socket, and what is not acknowledged yet.
    assert first.pop('node_tcp_connection_states{state="tx_queued_bytes"}') in (9, 17)
    assert first == states(established=2, listen=1, rx_queued_bytes=8)
    assert second['node_tcp_connection_states{state="listen"}'] == 1
    assert 'node_tcp_connection_states{state="established"}' not in second
