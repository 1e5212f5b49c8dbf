"""Network devices as netlink has them: what the collector netclass gives where it is set to ask that."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from nodescope.collectors.host.net_device import SPEED, UP, bytes_per_second, number, property_of
from nodescope.collectors.host.netdev import NETLINK_NAMES
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.ethtool_link_modes import EthtoolSocket, LinkMode
from nodescope.kernel.link_attributes import (
    CARRIER,
    CARRIER_CHANGES,
    CARRIER_DOWN,
    CARRIER_UP,
    GROUP,
    LINK,
    LINK_MODE,
    MTU,
    TX_QUEUE_LENGTH,
    LinkAttributes,
    hardware_address,
    parse_attributes,
)
from nodescope.kernel.netlink import Interrupted
from nodescope.kernel.rtnetlink import RouteSocket
from nodescope.metric import Family, Metric, Row

INFO: Final = Metric(
    "node_network_info",
    "gauge",
    "Non-numeric data of <iface>, value is always 1.",
    ("device", "address", "broadcast", "duplex", "operstate", "ifalias"),
)
ALTNAMES: Final = Metric(
    "node_network_altnames_info",
    "gauge",
    "Non-numeric data of <iface> altname, value is always 1.",
    ("altname", "device"),
)
STATISTICS: Final = tuple(property_of(f"{name}_total") for name in NETLINK_NAMES)

_ATTRIBUTES: Final = (
    (CARRIER, property_of("carrier")),
    (CARRIER_CHANGES, property_of("carrier_changes_total", "counter")),
    (CARRIER_UP, property_of("carrier_up_changes_total", "counter")),
    (CARRIER_DOWN, property_of("carrier_down_changes_total", "counter")),
    (LINK_MODE, property_of("iface_link_mode")),
    # What node_exporter calls dormant here is the link mode, too.
    (LINK_MODE, property_of("dormant")),
    (MTU, property_of("mtu_bytes")),
    (GROUP, property_of("net_dev_group")),
    (TX_QUEUE_LENGTH, property_of("transmit_queue_length")),
)
_HEADER: Final = (property_of("flags"), property_of("iface_id"), property_of("protocol_type"))
_IFACE_LINK: Final = property_of("iface_link")
_IN_SYSFS: Final = (
    ("addr_assign_type", property_of("address_assign_type")),
    ("dev_id", property_of("device_id")),
    ("name_assign_type", property_of("name_assign_type")),
)
_OPERSTATES: Final = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_UP: Final = _OPERSTATES.index("up")

_Columns = dict[str, tuple[Metric, list[Row]]]


def rows_of(link: LinkAttributes, label: str, mode: LinkMode | None) -> list[tuple[Metric, Row]]:
    """All that a link says of itself, but for its counters."""
    device = (label,)
    operstate = _OPERSTATES[link.operstate] if link.operstate < len(_OPERSTATES) else ""
    names = (hardware_address(link.address), hardware_address(link.broadcast), mode.duplex if mode else "", operstate)
    rows: list[tuple[Metric, Row]] = [
        (UP, (device, 1 if link.operstate == _UP else 0)),
        (INFO, ((label, *names, text(link.alias)), 1)),
        (_IFACE_LINK, (device, link.numbers.get(LINK) or link.ifindex)),
        *((ALTNAMES, ((text(name), label), 1)) for name in dict.fromkeys(link.altnames) if name),
        *(
            (metric, (device, value))
            for metric, value in zip(_HEADER, (link.flags, link.ifindex, link.type), strict=True)
        ),
        *((metric, (device, link.numbers[kind])) for kind, metric in _ATTRIBUTES if kind in link.numbers),
    ]
    if mode is not None and mode.speed is not None:
        rows.append((SPEED, (device, bytes_per_second(mode.speed))))
    return rows


def statistics_of(link: LinkAttributes, label: str) -> list[tuple[Metric, Row]]:
    """The counters of a link, those that the kernel gives in 64 bits."""
    return [(metric, ((label,), value)) for metric, value in zip(STATISTICS, link.statistics, strict=False)]


class LinkReport:
    """Asks for all links and their speeds, two dumps a time, and sysfs for the three attributes that are only there."""

    def __init__(self, host: Host, *, statistics: bool) -> None:
        self._host = host
        self._statistics = statistics
        self._route = RouteSocket()
        self._ethtool = EthtoolSocket()
        self.left_out = 0

    def families(self, ignored: Callable[[str], bool]) -> list[Family]:
        """Raises `OSError`, `Malformed`, `Interrupted` where there are no links to be had."""
        self.left_out = 0
        columns: _Columns = {}
        modes = self._modes()
        labels: set[str] = set()
        for payload in self._route.link_messages(self._statistics):
            try:
                link = parse_attributes(payload)
            except Malformed:
                self.left_out += 1
                continue
            label = text(link.name)
            if not label or ignored(label):
                continue
            if label in labels:
                self.left_out += 1
                continue
            labels.add(label)
            rows = [*rows_of(link, label, modes.get(link.ifindex)), *self._sysfs_rows(link, label)]
            for metric, row in (*rows, *statistics_of(link, label)) if self._statistics else rows:
                columns.setdefault(metric.name, (metric, []))[1].append(row)
        return [Family(metric, rows) for metric, rows in columns.values()]

    def _modes(self) -> dict[int, LinkMode]:
        try:
            return self._ethtool.link_modes()
        except (OSError, Malformed, Interrupted):
            # Speed and duplex are then unknown; the rest is not.
            self.left_out += 1
            return {}

    def _sysfs_rows(self, link: LinkAttributes, label: str) -> list[tuple[Metric, Row]]:
        folder = self._host.sys(f"class/net/{os.fsdecode(link.name)}")
        rows: list[tuple[Metric, Row]] = []
        for attribute, metric in _IN_SYSFS:
            try:
                raw = self._host.read_seldom(f"{folder}/{attribute}")
            except Absent:
                continue
            except OSError as error:
                self.left_out += error.errno not in UNREADABLE
                continue
            rows.append((metric, ((label,), number(raw.strip()))))
        return rows
