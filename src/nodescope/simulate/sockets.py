"""The sockets and neighbours of a simulated machine, its connection tracking, and its CPUs' share of its packets.

Source: proc_net(5); net/core/net-procfs.c; Documentation/networking/nf_conntrack-sysctl.rst.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.network import Links
from nodescope.simulate.part import Row, texts

_PAGE_BYTES: Final = 4096
_BITS: Final = 2**32

# Connections of TCP: those that are always there, and more under full load.
_CONNECTIONS: Final = 140
_CONNECTIONS_OF_LOAD: Final = 2_600
_V6_CONNECTIONS: Final = 22
LISTENERS: Final = 9
_V6_LISTENERS: Final = 4
_TIME_WAIT_PERMILLE: Final = 180
_OTHER_SOCKETS: Final = 610
"""Those of AF_UNIX, netlink and packets."""
_PAGES_OF_UDP: Final = 3

# Sockets of UDP: address, port, user, inode; and bytes that wait under full load.
_UDP: Final[tuple[tuple[str, int, int, int, int], ...]] = (
    ("3600007F", 53, 101, 21_411, 0),
    ("3500007F", 53, 101, 21_409, 0),
    ("0B0A000A", 68, 100, 22_870, 0),
    ("0100007F", 323, 0, 25_013, 0),
    ("00000000", 8125, 997, 31_877, 212_992),
)
_UDP6: Final[tuple[tuple[str, int, int, int, int], ...]] = (
    ("00000000000000000000000001000000", 323, 0, 25_014, 0),
    ("00000000000000000000000000000000", 8125, 997, 31_878, 8_192),
)
_UDP_HEADING: Final = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer"
    " drops            \n"
)
_UDP6_HEADING: Final = (
    "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when"
    " retrnsmt   uid  timeout inode ref pointer drops\n"
)
_UDP_LINE: Final = (
    "{:5d}: {}:{:04X} {}:0000 07 00000000:{:08X} 00:00000000 00000000 {:5d}        0 {} 2 0000000000000000 0\n"
)
_DATAGRAM_BYTES: Final = 1_280

_NEIGHBOURS: Final = {"eth0": 7, "eth1": 4}
_ARP_HEADING: Final = "IP address       HW type     Flags       HW address            Mask     Device\n"
_ARP_LINE: Final = "{:<16} 0x1         0x2         {}     *        {}\n"

_CONNTRACK_LIMIT: Final = 262_144
_CONNTRACK_COLUMNS: Final = (
    "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error"
    "  expect_new expect_create expect_delete search_restart"
)
# Packets for each event, of those that a CPU received.
_CONNTRACK_EVENTS: Final = {"found": 900_000, "invalid": 2_100_000, "search_restart": 5_300_000}
_CONNTRACK_SHOWN: Final = (
    "found",
    "invalid",
    "ignore",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "search_restart",
)

_PACKETS_PER_SQUEEZE: Final = 1_700_000
_STEERED: Final = 3
"""One in so many packets was handed to the CPU by another one."""


class Connections:
    """How many connections of TCP there are, which follow the traffic."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def v4(self, seconds: float) -> int:
        return _CONNECTIONS + int(_CONNECTIONS_OF_LOAD * self._links.load(seconds))

    def v6(self, seconds: float) -> int:
        return _V6_CONNECTIONS

    def both(self, seconds: float) -> int:
        return self.v4(seconds) + self.v6(seconds)


class SocketsPart:
    """/proc/net/sockstat, sockstat6, udp, udp6 and arp."""

    def __init__(self, links: Links, connections: Connections) -> None:
        self._links = links
        self._connections = connections
        lines = [
            _ARP_LINE.format(f"10.{subnet}.0.{host}", f"02:00:5e:{subnet:02x}:01:{host:02x}", device)
            for subnet, (device, neighbours) in enumerate(_NEIGHBOURS.items(), start=10)
            for host in range(1, 1 + neighbours)
        ]
        self._arp = (_ARP_HEADING + "".join(lines)).encode()

    def files(self, seconds: float) -> dict[str, bytes]:
        v4, v6 = self._sockets(seconds)
        load = self._links.load(seconds)
        return {
            "proc/net/arp": self._arp,
            "proc/net/sockstat": _sockstat(v4),
            "proc/net/sockstat6": _sockstat(v6),
            "proc/net/udp": _udp(_UDP_HEADING, _UDP, load),
            "proc/net/udp6": _udp(_UDP6_HEADING, _UDP6, load),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        for file in self._sockets(seconds):
            for protocol, states in file.items():
                for state, number in states.items():
                    yield f"node_sockstat_{protocol}_{state}", {}, float(number)
                if "mem" in states:
                    yield f"node_sockstat_{protocol}_mem_bytes", {}, float(states["mem"] * _PAGE_BYTES)
        load = self._links.load(seconds)
        for ip, sockets in (("v4", _UDP), ("v6", _UDP6)):
            waiting = sum(_waiting(most, load) for *_, most in sockets)
            yield "node_udp_queues", {"queue": "tx", "ip": ip}, 0.0
            yield "node_udp_queues", {"queue": "rx", "ip": ip}, float(waiting)
        for device, neighbours in _NEIGHBOURS.items():
            yield "node_arp_entries", {"device": device}, float(neighbours)

    def _sockets(self, seconds: float) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
        """What the two files say: protocol -> state -> number."""
        connections = self._connections.v4(seconds)
        v4, v6 = LISTENERS + connections, _V6_LISTENERS + self._connections.v6(seconds)
        waiting = connections * _TIME_WAIT_PERMILLE // 1000
        used = v4 + v6 + len(_UDP) + len(_UDP6) + _OTHER_SOCKETS
        tcp = {"inuse": v4, "orphan": 0, "tw": waiting, "alloc": v4 + v6, "mem": connections // 2}
        return (
            {
                "sockets": {"used": used},
                "TCP": tcp,
                "UDP": {"inuse": len(_UDP), "mem": _PAGES_OF_UDP},
                "UDPLITE": {"inuse": 0},
                "RAW": {"inuse": 0},
                "FRAG": {"inuse": 0, "memory": 0},
            },
            {
                "TCP6": {"inuse": v6},
                "UDP6": {"inuse": len(_UDP6)},
                "UDPLITE6": {"inuse": 0},
                "RAW6": {"inuse": 1},
                "FRAG6": {"inuse": 0, "memory": 0},
            },
        )


class PacketsPart:
    """/proc/net/softnet_stat and what connection tracking says: packets by the CPU that handled them."""

    def __init__(self, links: Links, connections: Connections, cpus: int) -> None:
        self._links = links
        self._connections = connections
        self._cpus = cpus

    def files(self, seconds: float) -> dict[str, bytes]:
        shares = self._shares(seconds)
        entries = self._entries(seconds)
        lines = [_CONNTRACK_COLUMNS, *(_conntrack_line(entries, share) for share in shares)]
        rows = [_softnet(cpu, share) for cpu, share in enumerate(shares)]
        numbers = {"nf_conntrack_count": entries, "nf_conntrack_max": _CONNTRACK_LIMIT}
        return texts("proc/sys/net/netfilter", numbers) | {
            "proc/net/stat/nf_conntrack": "\n".join([*lines, ""]).encode(),
            "proc/net/softnet_stat": "".join(" ".join(f"{n:08x}" for n in row) + "\n" for row in rows).encode(),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        shares = self._shares(seconds)
        yield "node_nf_conntrack_entries", {}, float(self._entries(seconds))
        yield "node_nf_conntrack_entries_limit", {}, float(_CONNTRACK_LIMIT)
        for event in _CONNTRACK_SHOWN:
            yield f"node_nf_conntrack_stat_{event}", {}, float(sum(_events(event, share) for share in shares))
        for cpu, share in enumerate(shares):
            processed, dropped, squeezed, *_, collision, steered, limited, backlog, _, _, _ = _softnet(cpu, share)
            labels = {"cpu": str(cpu)}
            yield "node_softnet_processed_total", labels, float(processed)
            yield "node_softnet_dropped_total", labels, float(dropped)
            yield "node_softnet_times_squeezed_total", labels, float(squeezed)
            yield "node_softnet_cpu_collision_total", labels, float(collision)
            yield "node_softnet_received_rps_total", labels, float(steered)
            yield "node_softnet_flow_limit_count_total", labels, float(limited)
            yield "node_softnet_backlog_len", labels, float(backlog)

    def _shares(self, seconds: float) -> list[int]:
        """Packets that each CPU received; together those of all devices."""
        received = self._links.received(seconds).both
        return [(received + cpu) // self._cpus for cpu in range(self._cpus)]

    def _entries(self, seconds: float) -> int:
        """Of each connection, and for a while of each that has ended."""
        return self._connections.both(seconds) * 3 // 2


def _sockstat(protocols: dict[str, dict[str, int]]) -> bytes:
    lines = [
        f"{name}: {' '.join(f'{state} {n}' for state, n in states.items())}\n" for name, states in protocols.items()
    ]
    return "".join(lines).encode()


def _waiting(most: int, load: float) -> int:
    return int(most * load) // _DATAGRAM_BYTES * _DATAGRAM_BYTES


def _udp(heading: str, sockets: Iterable[tuple[str, int, int, int, int]], load: float) -> bytes:
    lines = [
        _UDP_LINE.format(slot, address, port, "0" * len(address), _waiting(most, load), user, inode)
        for slot, (address, port, user, inode, most) in enumerate(sockets, start=1_000)
    ]
    return (heading + "".join(lines)).encode()


def _events(event: str, packets: int) -> int:
    return packets // _CONNTRACK_EVENTS[event] % _BITS if event in _CONNTRACK_EVENTS else 0


def _conntrack_line(entries: int, packets: int) -> str:
    names = _CONNTRACK_COLUMNS.split()
    return " ".join(f"{entries if name == 'entries' else _events(name, packets):08x}" for name in names)


def _softnet(cpu: int, packets: int) -> tuple[int, ...]:
    """The numbers of a CPU's line, each of 32 bits."""
    squeezed = packets // _PACKETS_PER_SQUEEZE % _BITS
    return packets % _BITS, 0, squeezed, 0, 0, 0, 0, 0, 0, packets // _STEERED % _BITS, 0, 0, cpu, 0, 0
