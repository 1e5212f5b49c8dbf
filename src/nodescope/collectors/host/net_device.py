"""One network device in /sys/class/net: its attributes as they are in sysfs, and the rows made of them.

Source: Documentation/ABI/testing/sysfs-class-net, net/core/net-sysfs.c, ethtool(8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.file_name import shown
from nodescope.kernel.link_attributes import Mark
from nodescope.kernel.number import uint64_any_base
from nodescope.metric import Metric, MetricType, Row

VALUE_BYTES: Final = 128
INT64_MAX: Final = 2**63 - 1
IFF_UP: Final = 0x1


def property_of(name: str, type: MetricType = "gauge") -> Metric:
    return Metric(f"node_network_{name}", type, f"Network device property: {name}", ("device",))


INFO: Final = Metric(
    "node_network_info",
    "gauge",
    "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
    ("device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"),
)
UP: Final = Metric("node_network_up", "gauge", "Value is 1 if operstate is 'up', 0 otherwise.", ("device",))
SPEED: Final = property_of("speed_bytes")

NUMBERS: Final[tuple[tuple[str, Metric], ...]] = (
    ("addr_assign_type", property_of("address_assign_type")),
    ("carrier", property_of("carrier")),
    ("carrier_changes", property_of("carrier_changes_total", "counter")),
    ("carrier_up_count", property_of("carrier_up_changes_total", "counter")),
    ("carrier_down_count", property_of("carrier_down_changes_total", "counter")),
    ("dev_id", property_of("device_id")),
    ("dormant", property_of("dormant")),
    ("flags", property_of("flags")),
    ("ifindex", property_of("iface_id")),
    ("iflink", property_of("iface_link")),
    ("link_mode", property_of("iface_link_mode")),
    ("mtu", property_of("mtu_bytes")),
    ("name_assign_type", property_of("name_assign_type")),
    ("netdev_group", property_of("net_dev_group")),
    ("speed", SPEED),
    ("tx_queue_len", property_of("transmit_queue_length")),
    ("type", property_of("protocol_type")),
)
"""Attributes that are numbers."""

_TEXTS: Final = ("address", "broadcast", "duplex", "operstate", "ifalias")
ATTRIBUTES: Final = (*(name for name, _ in NUMBERS), *_TEXTS)
METRICS: Final = (UP, INFO, *(metric for _, metric in NUMBERS))

# They hardly ever change while the device is there; speed and duplex, which ask a driver, when a link changes.
_SELDOM: Final = frozenset(
    {"addr_assign_type", "dev_id", "duplex", "link_mode", "name_assign_type", "netdev_group", "speed", "type"}
)
ALL: Final = range(len(ATTRIBUTES))
OF_DRIVER: Final = tuple(ATTRIBUTES.index(name) for name in ("speed", "duplex"))
FLAGS: Final = ATTRIBUTES.index("flags")
_IFINDEX, _ADDRESS, _SPEED = (ATTRIBUTES.index(name) for name in ("ifindex", "address", "speed"))
_LINK_CHANGES: Final = tuple(ATTRIBUTES.index(name) for name in ("carrier_changes", "flags", "ifindex", "operstate"))


def number(raw: bytes) -> int:
    """A signed number of 64 bits with its base in front; 0 for what is none."""
    negative = raw.startswith(b"-")
    value = uint64_any_base(raw[negative:])
    if value is None or value > INT64_MAX + negative:
        return 0
    return -value if negative else value


def bytes_per_second(megabits: int) -> int:
    """Of a speed in megabits per second; in 64 bits, rounded towards 0."""
    bits = (megabits * 1_000_000 + INT64_MAX + 1) % 2**64 - INT64_MAX - 1
    return bits // 8 if bits >= 0 else -(-bits // 8)


class NetDevice:
    """What sysfs said of a device when it was read last: `raw`, in the order of ATTRIBUTES; None where it refused.

    `mark` is that of the device at that time, and good until `until`. `broken` attributes could not be read, and are
    not merely absent.
    """

    __slots__ = ("_host", "_readers", "broken", "folder", "label", "mark", "raw", "rows", "until")

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self.folder = host.sys(f"class/net/{name}")
        self.label = (shown(name),)
        self._readers = [
            (host.read_seldom if attribute in _SELDOM else host.read, f"{self.folder}/{attribute}")
            for attribute in ATTRIBUTES
        ]
        self.broken: set[int] = set()
        self.raw: list[bytes | None] = []
        self.rows: list[Row | None] = [None] * len(METRICS)
        self.mark: Mark | None = None
        self.until = float("-inf")

    def read(self, ignore_invalid_speed: bool) -> bool:
        """Reads all attributes; whether there is anything new."""
        raw: list[bytes | None] = []
        if self.broken:
            self.broken.clear()
        for read, path in self._readers:
            try:
                raw.append(read(path))
            except Absent:
                raw.append(None)
            except (OSError, Malformed) as error:
                self._refused(len(raw), error)
                raw.append(None)
        return self._says(raw, ignore_invalid_speed)

    def read_anew(self, positions: Iterable[int], ignore_invalid_speed: bool) -> bool:
        """Reads attributes as they are at this moment, without keeping files open; whether there is anything new."""
        raw = self.raw.copy() or [None] * len(ATTRIBUTES)
        for position in positions:
            self.broken.discard(position)
            try:
                raw[position] = self._host.read_once(self._readers[position][1])
            except Absent:
                raw[position] = None
            except (OSError, Malformed) as error:
                self._refused(position, error)
                raw[position] = None
        return self._says(raw, ignore_invalid_speed)

    def _refused(self, position: int, error: OSError | Malformed) -> None:
        if isinstance(error, Malformed) or error.errno not in UNREADABLE:
            self.broken.add(position)

    def link_state(self) -> list[bytes | None] | None:
        """What changes when the link comes up or goes down; None before anything has been read."""
        return [self.raw[position] for position in _LINK_CHANGES] if self.raw else None

    def identity(self) -> tuple[int, str]:
        """Index and address."""
        index, address = (self.raw[position] or b"" for position in (_IFINDEX, _ADDRESS))
        return number(index.strip()), text(address.strip())

    def is_there(self) -> bool:
        """Whether this is a device at all, and not gone: asked where no attribute could be read."""
        if any(value is not None for value in self.raw):
            return True
        try:
            self._host.list(self.folder)
        except (Absent, OSError):
            return False
        return True

    def _says(self, raw: list[bytes | None], ignore_invalid_speed: bool) -> bool:
        if raw == self.raw:
            return False
        self.raw = raw
        values = [None if value is None else value[:VALUE_BYTES].strip() for value in raw]
        numbers = [None if value is None else number(value) for value in values[: len(NUMBERS)]]
        flags, speed = numbers[FLAGS], numbers[_SPEED]
        if speed is not None:
            numbers[_SPEED] = None if speed < 0 and ignore_invalid_speed else bytes_per_second(speed)
        address, broadcast, duplex, operstate, alias = (text(value or b"") for value in values[len(NUMBERS) :])
        admin = "unknown" if flags is None else "up" if flags & IFF_UP else "down"
        label = self.label
        self.rows = [
            (label, 1 if operstate == "up" else 0),
            ((*label, address, broadcast, duplex, operstate, admin, alias), 1),
            *(None if value is None else (label, value) for value in numbers),
        ]
        return True
