"""What a simulated machine counts about network protocols, in step with the traffic of its devices.

Source: Documentation/networking/snmp_counter.rst; RFC 1213, RFC 2863, RFC 4293.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.network import Links
from nodescope.simulate.part import Row
from nodescope.simulate.protocol_names import NETSTAT, SHOWN, SNMP, SNMP6
from nodescope.simulate.sockets import LISTENERS, Connections

# Of a thousand packets; the rest is ICMP and what has no counter of its own.
_TCP_PERMILLE: Final = 920
_UDP_PERMILLE: Final = 78

# Packets for each event.
_PER_ICMP: Final = 60_000
_PER_OPENED: Final = 9_000
_PER_ACCEPTED: Final = 5_500
_PER_RESET: Final = 41_000
_PER_RETRANSMISSION: Final = 26_000
_PER_UNORDERED: Final = 8_000
_PER_NO_PORT: Final = 3_000_000
_PER_FULL_BUFFER: Final = 11_000_000
_PER_BAD_SEGMENT: Final = 90_000_000

# Values that never change.
_STEADY: Final = {
    "Ip_Forwarding": 2,
    "Ip_DefaultTTL": 64,
    "Tcp_RtoAlgorithm": 1,
    "Tcp_RtoMin": 200,
    "Tcp_RtoMax": 120_000,
    "Tcp_MaxConn": -1,
}


class ProtocolsPart:
    """/proc/net/netstat, snmp and snmp6. What is not counted here is 0."""

    def __init__(self, links: Links, connections: Connections) -> None:
        self._links = links
        self._connections = connections

    def files(self, seconds: float) -> dict[str, bytes]:
        numbers = self._numbers(seconds)
        lines = [f"{name:<32}\t{numbers.get(_split(name), 0)}\n" for name in SNMP6]
        return {
            "proc/net/netstat": _pairs(NETSTAT, numbers),
            "proc/net/snmp": _pairs(SNMP, numbers),
            "proc/net/snmp6": "".join(lines).encode(),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        numbers = self._numbers(seconds)
        for name in SHOWN:
            yield f"node_netstat_{name}", {}, float(numbers.get(name, 0))

    def _numbers(self, seconds: float) -> dict[str, int]:
        received, sent = self._links.received(seconds), self._links.sent(seconds)
        retransmitted = sent.both // _PER_RETRANSMISSION
        full = received.v4 // _PER_FULL_BUFFER
        no_port = received.v4 // _PER_NO_PORT
        return {
            **_STEADY,
            "Ip_InReceives": received.v4,
            "Ip_InDelivers": received.v4,
            "Ip_OutRequests": sent.v4,
            "Ip_OutTransmits": sent.v4,
            "IpExt_InOctets": received.v4_bytes,
            "IpExt_OutOctets": sent.v4_bytes,
            "IpExt_InNoECTPkts": received.v4,
            "Ip6_InReceives": received.v6,
            "Ip6_InDelivers": received.v6,
            "Ip6_OutRequests": sent.v6,
            "Ip6_OutTransmits": sent.v6,
            "Ip6_InOctets": received.v6_bytes,
            "Ip6_OutOctets": sent.v6_bytes,
            "Ip6_InNoECTPkts": received.v6,
            **_icmp("Icmp", "InEchos", "OutEchoReps", received.v4 // _PER_ICMP),
            **_icmp("Icmp6", "InNeighborSolicits", "OutNeighborAdvertisements", received.v6 // _PER_ICMP),
            "IcmpMsg_InType8": received.v4 // _PER_ICMP,
            "IcmpMsg_OutType0": received.v4 // _PER_ICMP,
            "Tcp_InSegs": received.both * _TCP_PERMILLE // 1000,
            "Tcp_OutSegs": sent.both * _TCP_PERMILLE // 1000,
            "Tcp_ActiveOpens": sent.both // _PER_OPENED,
            "Tcp_PassiveOpens": received.both // _PER_ACCEPTED,
            "Tcp_CurrEstab": self._connections.both(seconds),
            "Tcp_EstabResets": received.both // _PER_RESET,
            "Tcp_OutRsts": sent.both // _PER_RESET,
            "Tcp_RetransSegs": retransmitted,
            "Tcp_InErrs": received.both // _PER_BAD_SEGMENT,
            "TcpExt_TCPTimeouts": retransmitted // LISTENERS,
            "TcpExt_TCPSynRetrans": retransmitted // 40,
            "TcpExt_TCPLostRetransmit": retransmitted // 25,
            "TcpExt_TCPFastRetrans": retransmitted // 2,
            "TcpExt_TCPOFOQueue": received.both // _PER_UNORDERED,
            "TcpExt_TW": sent.both // _PER_OPENED,
            "TcpExt_DelayedACKs": received.both // 70,
            "TcpExt_TCPHPHits": received.both // 3,
            "TcpExt_TCPPureAcks": received.both // 5,
            "TcpExt_TCPHPAcks": received.both // 4,
            "TcpExt_TCPOrigDataSent": sent.both // 2,
            "TcpExt_TCPDelivered": sent.both // 2,
            "Udp_InDatagrams": received.v4 * _UDP_PERMILLE // 1000,
            "Udp_OutDatagrams": sent.v4 * _UDP_PERMILLE // 1000,
            "Udp_NoPorts": no_port,
            "Udp_InErrors": full,
            "Udp_RcvbufErrors": full,
            "Udp6_InDatagrams": received.v6 * _UDP_PERMILLE // 1000,
            "Udp6_OutDatagrams": sent.v6 * _UDP_PERMILLE // 1000,
        }


def _icmp(protocol: str, asked: str, answered: str, messages: int) -> dict[str, int]:
    """Each question gets its answer."""
    names = ("InMsgs", asked, "OutMsgs", answered)
    return {f"{protocol}_{name}": messages for name in names}


def _pairs(protocols: dict[str, tuple[str, ...]], numbers: dict[str, int]) -> bytes:
    lines = []
    for protocol, names in protocols.items():
        values = [str(numbers.get(f"{protocol}_{name}", 0)) for name in names]
        lines.append(f"{protocol}: {' '.join(names)}\n{protocol}: {' '.join(values)}\n")
    return "".join(lines).encode()


def _split(name: str) -> str:
    """Ip6_InReceives of Ip6InReceives."""
    protocol, six, rest = name.partition("6")
    return f"{protocol}{six}_{rest}"
