"""The network devices of a simulated machine.

Source: proc_pid_net(5); Documentation/ABI/testing/sysfs-class-net.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.simulate.load import Load, count
from nodescope.simulate.part import Row, texts

_BYTES_PER_MEGABIT: Final = 125_000
_MILLION: Final = 10**6
_REMEMBERED_TIMES: Final = 8
_ETHERNET_BYTES: Final = 14
_IPV6_PACKETS: Final = 50
"""One in so many packets is IPv6."""
_PACKET_BYTES: Final = 1_180
_PACKETS_PER_DROP: Final = 250_000
_MULTICASTS_PER_MINUTE: Final = 4
_TRANSMIT_PERMILLE: Final = 640

_COUNTERS: Final = (
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
)
_RECEIVED: Final = _COUNTERS.index("receive_bytes")
_SENT: Final = _COUNTERS.index("transmit_bytes")
_HEADER: Final = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast"
    "|bytes    packets errs drop fifo colls carrier compressed\n"
)
_LINE: Final = (
    "{:>6}: {:7d} {:7d} {:4d} {:4d} {:4d} {:5d} {:10d} {:9d} {:8d} {:7d} {:4d} {:4d} {:4d} {:5d} {:7d} {:10d}\n"
)

# Files that are the same for every device.
_FIXED: Final[dict[str, str]] = {
    "addr_assign_type": "0",
    "addr_len": "6",
    "carrier": "1",
    "carrier_changes": "2",
    "carrier_down_count": "1",
    "carrier_up_count": "1",
    "dev_id": "0x0",
    "dev_port": "0",
    "dormant": "0",
    "ifalias": "",
    "link_mode": "0",
    "name_assign_type": "4",
    "netdev_group": "0",
    "proto_down": "0",
    "tx_queue_len": "1000",
}


_PROPERTIES: Final[dict[str, str]] = {
    "addr_assign_type": "address_assign_type",
    "carrier": "carrier",
    "carrier_changes": "carrier_changes_total",
    "carrier_down_count": "carrier_down_changes_total",
    "carrier_up_count": "carrier_up_changes_total",
    "dev_id": "device_id",
    "dormant": "dormant",
    "flags": "flags",
    "ifindex": "iface_id",
    "iflink": "iface_link",
    "link_mode": "iface_link_mode",
    "mtu": "mtu_bytes",
    "name_assign_type": "name_assign_type",
    "netdev_group": "net_dev_group",
    "tx_queue_len": "transmit_queue_length",
    "type": "protocol_type",
}
"""File -> metric, for those that are numbers and shown as they are."""


class Interface(NamedTuple):
    """A network device. `loopback`: what it sends it receives; `speed_megabits` is how much then, but is not shown."""

    name: str
    address: str
    mtu: int
    speed_megabits: int
    loopback: bool = False


class Datagrams(NamedTuple):
    """Packets of IPv4 and IPv6 since boot, and their bytes without what Ethernet adds."""

    v4: int
    v4_bytes: int
    v6: int
    v6_bytes: int

    @property
    def both(self) -> int:
        return self.v4 + self.v6


class Links:
    """The network devices, and what went through them."""

    def __init__(self, seed: int, interfaces: Sequence[Interface]) -> None:
        self.interfaces = tuple(interfaces)
        self.loads = tuple(Load(seed, interface.name) for interface in interfaces)
        self.counters = lru_cache(_REMEMBERED_TIMES)(self._counters)

    def _counters(self, seconds: float) -> tuple[list[int], ...]:
        """The sixteen numbers of each device's line, in the order of `_COUNTERS`."""
        return tuple(
            _counters(interface, load, seconds) for interface, load in zip(self.interfaces, self.loads, strict=True)
        )

    def received(self, seconds: float) -> Datagrams:
        return _datagrams(self.counters(seconds), _RECEIVED)

    def sent(self, seconds: float) -> Datagrams:
        return _datagrams(self.counters(seconds), _SENT)

    def load(self, seconds: float) -> float:
        """How busy the devices are now, mean over them."""
        return sum(load.at(seconds) for load in self.loads) / len(self.loads)


class NetworkPart:
    """/proc/net/dev and /sys/class/net."""

    def __init__(self, links: Links) -> None:
        self._links = links
        attributes = [_attributes(index, interface) for index, interface in enumerate(links.interfaces, start=1)]
        devices = [(interface.name, about) for interface, about in zip(links.interfaces, attributes, strict=True)]
        self._fixed: dict[str, bytes] = {}
        self._rows: list[Row] = []
        for device, about in devices:
            self._fixed |= texts(f"sys/class/net/{device}", about)
            self._rows += _rows(device, about)

    def files(self, seconds: float) -> dict[str, bytes]:
        devices = zip(self._links.interfaces, self._links.counters(seconds), strict=True)
        lines = [_LINE.format(interface.name, *counters) for interface, counters in devices]
        return {**self._fixed, "proc/net/dev": (_HEADER + "".join(lines)).encode()}

    def truths(self, seconds: float) -> Iterable[Row]:
        yield from self._rows
        for interface, counters in zip(self._links.interfaces, self._links.counters(seconds), strict=True):
            for counter, number in zip(_COUNTERS, counters, strict=True):
                yield f"node_network_{counter}_total", {"device": interface.name}, float(number)


def _datagrams(counters: Iterable[list[int]], column: int) -> Datagrams:
    """Of the bytes in `column` and the packets behind it."""
    packets = octets = 0
    for row in counters:
        octets += row[column]
        packets += row[column + 1]
    octets -= packets * _ETHERNET_BYTES
    v6, v6_bytes = packets // _IPV6_PACKETS, octets // _IPV6_PACKETS
    return Datagrams(packets - v6, octets - v6_bytes, v6, v6_bytes)


def _counters(interface: Interface, load: Load, seconds: float) -> list[int]:
    """The sixteen numbers of a device's line, in the order of `_COUNTERS`."""
    received = count(load.integral(seconds), interface.speed_megabits * _BYTES_PER_MEGABIT)
    if interface.loopback:
        both = [received, received // _PACKET_BYTES, 0, 0, 0, 0, 0, 0]
        return both * 2
    packets = received // _PACKET_BYTES
    transmitted = received * _TRANSMIT_PERMILLE // 1000
    multicasts = int(seconds * _MILLION) * _MULTICASTS_PER_MINUTE // (60 * _MILLION)
    return [
        received,
        packets,
        0,
        packets // _PACKETS_PER_DROP,
        0,
        0,
        0,
        multicasts,
        transmitted,
        transmitted // _PACKET_BYTES,
        0,
        0,
        0,
        0,
        0,
        0,
    ]


def _attributes(index: int, interface: Interface) -> dict[str, str]:
    """The files of a device in /sys/class/net. Loopback has neither speed nor duplex: reading them fails there."""
    attributes = {
        **_FIXED,
        "address": interface.address,
        "broadcast": "00:00:00:00:00:00" if interface.loopback else "ff:ff:ff:ff:ff:ff",
        "flags": "0x9" if interface.loopback else "0x1003",
        "ifindex": str(index),
        "iflink": str(index),
        "mtu": str(interface.mtu),
        "operstate": "unknown" if interface.loopback else "up",
        "type": "772" if interface.loopback else "1",
    }
    if interface.loopback:
        # It was never down, and it has always had its name.
        never = dict.fromkeys(("carrier_changes", "carrier_down_count", "carrier_up_count"), "0")
        return attributes | never | {"name_assign_type": "2"}
    return attributes | {"duplex": "full", "speed": str(interface.speed_megabits)}


def _rows(device: str, about: dict[str, str]) -> Iterable[Row]:
    label = {"device": device}
    texts_of = {name: about.get(name, "") for name in ("address", "broadcast", "duplex", "operstate", "ifalias")}
    yield "node_network_info", {**label, **texts_of, "adminstate": "up"}, 1.0
    yield "node_network_up", label, float(about["operstate"] == "up")
    for file, metric in _PROPERTIES.items():
        yield f"node_network_{metric}", label, float(int(about[file], 0))
    if "speed" in about:
        yield "node_network_speed_bytes", label, float(int(about["speed"]) * _BYTES_PER_MEGABIT)
