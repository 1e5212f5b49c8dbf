"""The network devices of a simulated machine.

Source: proc_pid_net(5); Documentation/ABI/testing/sysfs-class-net.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.simulate.cpu import count
from nodescope.simulate.load import Load
from nodescope.simulate.part import Row

_BYTES_PER_MEGABIT: Final = 125_000
_MILLION: Final = 10**6
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


class Interface(NamedTuple):
    """A network device. `loopback`: what it sends it receives; `speed_megabits` is how much then, but is not shown."""

    name: str
    address: str
    mtu: int
    speed_megabits: int
    loopback: bool = False


class NetworkPart:
    """/proc/net/dev and /sys/class/net."""

    def __init__(self, seed: int, interfaces: Sequence[Interface]) -> None:
        self._interfaces = tuple((interface, Load(seed, interface.name)) for interface in interfaces)
        self._fixed = {
            f"sys/class/net/{interface.name}/{name}": f"{text}\n".encode()
            for index, interface in enumerate(interfaces, start=1)
            for name, text in _attributes(index, interface).items()
        }

    def files(self, seconds: float) -> dict[str, bytes]:
        lines = [
            _LINE.format(interface.name, *_counters(interface, load, seconds)) for interface, load in self._interfaces
        ]
        return {**self._fixed, "proc/net/dev": (_HEADER + "".join(lines)).encode()}

    def truths(self, seconds: float) -> Iterable[Row]:
        for interface, load in self._interfaces:
            for counter, number in zip(_COUNTERS, _counters(interface, load, seconds), strict=True):
                yield f"node_network_{counter}_total", {"device": interface.name}, float(number)


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
    if not interface.loopback:
        attributes |= {"duplex": "full", "speed": str(interface.speed_megabits)}
    return attributes
