"""Network device counters."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from itertools import compress
from operator import ne
from typing import ClassVar, Final

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.link_news import LinkNews
from nodescope.kernel.number import UINT64_MAX, uint64s
from nodescope.kernel.rtnetlink import Address, RouteSocket
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_REMEMBERED: Final = 4096
HEADER_LINES: Final = 2
NAMES_SECONDS: Final = 10.0

_NOT_SUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL})

NETLINK_NAMES: Final = (
    "receive_packets", "transmit_packets", "receive_bytes", "transmit_bytes", "receive_errors", "transmit_errors",
    "receive_dropped", "transmit_dropped", "multicast", "collisions", "receive_length_errors", "receive_over_errors",
    "receive_crc_errors", "receive_frame_errors", "receive_fifo_errors", "receive_missed_errors",
    "transmit_aborted_errors", "transmit_carrier_errors", "transmit_fifo_errors", "transmit_heartbeat_errors",
    "transmit_window_errors", "receive_compressed", "transmit_compressed", "receive_nohandler",
)  # fmt: skip
"""The counters of struct rtnl_link_stats64 in its order, under their detailed names."""

PROC_NAMES: Final = (
    "receive_bytes", "receive_packets", "receive_errors", "receive_dropped", "receive_fifo", "receive_frame",
    "receive_compressed", "receive_multicast", "transmit_bytes", "transmit_packets", "transmit_errors",
    "transmit_dropped", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
)  # fmt: skip
"""The columns of /proc/net/dev under their detailed names."""

LEGACY_NETLINK: Final = (
    ("receive_packets", ("receive_packets",)),
    ("transmit_packets", ("transmit_packets",)),
    ("receive_bytes", ("receive_bytes",)),
    ("transmit_bytes", ("transmit_bytes",)),
    ("receive_errs", ("receive_errors",)),
    ("transmit_errs", ("transmit_errors",)),
    ("receive_drop", ("receive_dropped", "receive_missed_errors")),
    ("transmit_drop", ("transmit_dropped",)),
    ("receive_multicast", ("multicast",)),
    ("transmit_colls", ("collisions",)),
    ("receive_frame",
     ("receive_frame_errors", "receive_length_errors", "receive_over_errors", "receive_crc_errors")),
    ("receive_fifo", ("receive_fifo_errors",)),
    ("transmit_carrier",
     ("transmit_carrier_errors", "transmit_aborted_errors", "transmit_heartbeat_errors", "transmit_window_errors")),
    ("transmit_fifo", ("transmit_fifo_errors",)),
    ("receive_compressed", ("receive_compressed",)),
    ("transmit_compressed", ("transmit_compressed",)),
    ("receive_nohandler", ("receive_nohandler",)),
)  # fmt: skip
"""The names of /proc/net/dev, which sums what the kernel counts apart (net/core/net-procfs.c)."""

_LEGACY_PROC: Final = {
    "receive_errors": "receive_errs", "receive_dropped": "receive_drop", "transmit_errors": "transmit_errs",
    "transmit_dropped": "transmit_drop",
}  # fmt: skip
LEGACY_PROC: Final = tuple((_LEGACY_PROC.get(name, name), (name,)) for name in PROC_NAMES)

ADDRESS_INFO: Final = Metric(
    "node_network_address_info", "gauge", "node network address by device", ("device", "address", "netmask", "scope")
)

Sums = Sequence[tuple[str, tuple[str, ...]]]
"""Name of a counter, and the detailed counters it is the sum of."""


def metric_of(name: str, label_names: tuple[str, ...] = ("device",)) -> Metric:
    return Metric(f"node_network_{name}_total", "counter", f"Network device statistic {name}.", label_names)


def as_they_are(names: Sequence[str]) -> Sums:
    return tuple((name, (name,)) for name in names)


def parse_net_dev(data: bytes, source: str) -> dict[str, list[int]]:
    """Device -> its counters in the order of `PROC_NAMES`; a line that is not understood is left out."""
    found: dict[str, list[int]] = {}
    lines = data.split(b"\n")[HEADER_LINES:]
    for line in lines:
        name, colon, numbers = line.rpartition(b":")
        counters = uint64s(numbers.split()[: len(PROC_NAMES)]) if colon else []
        if name.strip() and len(counters) == len(PROC_NAMES):
            found[text(name.strip())] = counters
    if not found and (not lines or any(lines)):
        raise Malformed(source, data, f"two lines of headings, then lines DEVICE: and {len(PROC_NAMES)} numbers")
    return found


def summed(sums: Sums, names: Sequence[str], columns: Sequence[Sequence[int]]) -> list[tuple[str, Sequence[int]]]:
    """Each counter by name, for all devices; left out where the kernel does not give what it is the sum of.

    `columns`: for each of `names`, or the first of them, what all devices count.
    """
    given = dict(zip(names, columns, strict=False))
    found: list[tuple[str, Sequence[int]]] = []
    for name, parts in sums:
        if parts[0] not in given:
            continue
        if len(parts) == 1:
            found.append((name, given[parts[0]]))
        else:
            rows = zip(*(given[part] for part in parts if part in given), strict=True)
            found.append((name, [sum(numbers) & UINT64_MAX for numbers in rows]))
    return found


def scope_of(address: Address) -> str:
    """ "link-local", "interface-local", "global" or "". Source: RFC 1122, RFC 3927, RFC 4291, RFC 5771."""
    packed = address.packed
    if address.family == socket.AF_INET:
        if packed[0] == 127 or packed[:2] == b"\xa9\xfe" or packed[:3] == b"\xe0\x00\x00":
            return "link-local"
        special = packed in (bytes(4), b"\xff" * 4) or packed[0] & 0xF0 == 0xE0
        return "" if special else "global"
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    if packed == bytes(15) + b"\1" or link_local or (packed[0] == 0xFF and packed[1] & 0x0F == 2):
        return "link-local"
    if packed[0] == 0xFF:
        return "interface-local" if packed[1] & 0x0F == 1 else ""
    return "" if packed == bytes(16) else "global"


class NetdevCollector:
    """What network devices received and sent, and by setting their addresses.

    *Source*: rtnetlink(7), struct rtnl_link_stats64 (include/uapi/linux/if_link.h); without netlink /proc/net/dev of
    process 1, for that is the host's. *Units*: bytes, packets, errors. *Absent when*: by /proc/net/dev where the file
    is not there; each counter where the kernel does not give it. *Cost*: one dump of counters, one of whole links each
    `NAMES_SECONDS` or when one of them changes, its name too; or one read; one read for
    each device with `label-ifalias`; one dump more with `address-info`.
    """

    name: ClassVar[str] = "netdev"
    metrics: ClassVar[tuple[Metric, ...]] = (*(metric_of(name) for name, _ in LEGACY_NETLINK), ADDRESS_INFO)
    left_out: int = 0

    def __init__(
        self,
        host: Host,
        devices: DeviceFilter,
        *,
        netlink: bool,
        detailed: bool,
        ifalias: bool,
        addresses: bool,
        most_devices: int,
    ) -> None:
        self._host = host
        self._devices = devices
        self._route = RouteSocket()
        self._news = LinkNews()
        self._netlink = netlink
        self._names = NETLINK_NAMES if netlink else PROC_NAMES
        legacy = LEGACY_NETLINK if netlink else LEGACY_PROC
        self._sums = as_they_are(self._names) if detailed else legacy
        label_names = ("device", "ifalias") if ifalias else ("device",)
        self._metrics = {name: metric_of(name, label_names) for name, _ in self._sums}
        self._ifalias = ifalias
        self._addresses = addresses
        self._most_devices = most_devices
        self._labels: dict[str, tuple[str, ...]] = {}
        self._name_of: dict[int, str] = {}
        self._shown: list[tuple[str, ...]] = []
        self._columns: list[tuple[int, ...]] = []
        self._families: dict[str, Family] = {}
        self._named_at = float("-inf")

    def collect(self) -> list[Family]:
        self.left_out = 0
        found = self._over_netlink() if self._netlink else self._from_proc()
        kept = [(name, counters) for name, counters in found if self._devices.keeps(name)]
        if len(kept) > self._most_devices:
            self.left_out += len(kept) - self._most_devices
            kept = kept[: self._most_devices]
        labels_of = self._with_alias if self._ifalias else self._device_alone
        labels = [labels_of(name) for name, _ in kept]
        if labels != self._shown:
            self._shown, self._columns, self._families = labels, [], {}
        self._show([counters for _, counters in kept])
        families = list(self._families.values())
        return families + self._address_families() if self._addresses else families

    def _show(self, counters: list[Sequence[int]]) -> None:
        """Makes the families anew of which a device's counter has changed; most have not."""
        columns = list(zip(*counters, strict=False))
        sums = self._sums
        if len(columns) == len(self._columns):
            changed = set(compress(self._names, map(ne, columns, self._columns)))
            sums = [each for each in sums if not changed.isdisjoint(each[1])] if changed else ()
        else:
            self._families = {}
        for name, column in summed(sums, self._names, columns):
            self._families[name] = Family(self._metrics[name], list(zip(self._shown, column, strict=True)))
        self._columns = columns

    def _over_netlink(self) -> list[tuple[str, Sequence[int]]]:
        """Counters alone, by the names of the last whole dump; a whole dump when links change, and now and then."""
        if not self._news.there_are() and time.monotonic() - self._named_at < NAMES_SECONDS:
            counters = self._statistics()
            if counters.keys() == self._name_of.keys():
                return [(self._name_of[index], numbers) for index, numbers in counters.items()]
        links = [link for link in self._route.links() if link.statistics]
        self._name_of, self._named_at = {link.ifindex: link.name for link in links}, time.monotonic()
        return [(link.name, link.statistics) for link in links]

    def _statistics(self) -> dict[int, tuple[int, ...]]:
        try:
            return self._route.statistics()
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            return {}

    def _from_proc(self) -> list[tuple[str, Sequence[int]]]:
        path = self._host.proc("1/net/dev")
        try:
            data = self._host.read(path)
        except (Absent, PermissionError):
            path = self._host.proc("net/dev")
            data = self._host.read(path)
        found: list[tuple[str, Sequence[int]]] = list(parse_net_dev(data, path).items())
        self.left_out = sum(bool(line.strip()) for line in data.split(b"\n")[HEADER_LINES:]) - len(found)
        return found

    def _device_alone(self, name: str) -> tuple[str, ...]:
        labels = self._labels.get(name)
        if labels is None:
            if len(self._labels) >= MAX_REMEMBERED:
                self._labels.clear()
            labels = self._labels[name] = (name,)
        return labels

    def _with_alias(self, name: str) -> tuple[str, ...]:
        try:
            return name, text(self._host.read(self._host.sys(f"class/net/{name}/ifalias")).strip())
        except (Absent, OSError):
            return name, ""

    def _address_families(self) -> list[Family]:
        names = dict(socket.if_nameindex())
        rows: dict[tuple[str, ...], float] = {}
        for address in self._route.addresses():
            name = names.get(address.link, "")
            if name and self._devices.keeps(name):
                shown = socket.inet_ntop(address.family, address.packed)
                rows[(name, shown, str(address.prefix_length), scope_of(address))] = 1
        return [Family(ADDRESS_INFO, list(rows.items()))] if rows else []


def build(host: Host, settings: Settings) -> NetdevCollector:
    return NetdevCollector(
        host,
        from_settings(settings, "collector.netdev.device-include", "collector.netdev.device-exclude"),
        netlink=settings["collector.netdev.netlink"],
        detailed=settings["collector.netdev.enable-detailed-metrics"],
        ifalias=settings["collector.netdev.label-ifalias"],
        addresses=settings["collector.netdev.address-info"],
        most_devices=settings["collector.netdev.max-devices"],
    )
