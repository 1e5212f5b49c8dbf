"""Routes."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.kernel.device_names import DeviceNames
from nodescope.kernel.routes import Hop, RouteTable, parse_route
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

INFO: Final = Metric(
    "node_network_route_info",
    "gauge",
    "network routing table information",
    ("device", "src", "dest", "gw", "priority", "proto", "weight"),
)
ROUTES: Final = Metric("node_network_routes", "gauge", "network routes by interface", ("device",))


class NetworkRouteCollector:
    """The routes to hosts, of IPv4 and IPv6 and of all tables, one for each way that a route goes.

    *Source*: rtnetlink(7), RTM_GETROUTE. *Units*: routes. *Absent when*: there is no such route. A route that is in
    two tables has one row and is counted twice. The device is empty for a route that has none. *Cost*: one dump.
    """

    name: ClassVar[str] = "network_route"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO, ROUTES)
    left_out: int = 0

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._names = DeviceNames()
        self._parsed: dict[bytes, list[Hop]] = {}
        self._last: tuple[list[str], list[bytes]] = ([], [])
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        payloads, left_out = self._table.payloads()
        before, self._parsed = self._parsed, {}
        hops: list[Hop] = []
        for payload in payloads:
            ways = before.get(payload)
            if ways is None:
                try:
                    ways = parse_route(payload)
                except Malformed:
                    left_out += 1
                    continue
            self._parsed[payload] = ways
            hops += ways
        self.left_out = left_out
        self._names.refresh()
        devices = [self._names.name_of(hop.link) or "" for hop in hops]
        if (devices, payloads) != self._last:
            self._last, self._families = (devices, payloads), families_of(hops, devices)
        return self._families


def families_of(hops: list[Hop], devices: list[str]) -> list[Family]:
    """`devices`: the name of each hop's device."""
    if not hops:
        return []
    info = dict.fromkeys((device, *hop[1:]) for hop, device in zip(hops, devices, strict=True))
    return [
        Family(INFO, [(labels, 1) for labels in info]),
        Family(ROUTES, [((device,), number) for device, number in Counter(devices).items()]),
    ]


def build(host: Host, settings: Settings) -> NetworkRouteCollector:
    return NetworkRouteCollector(RouteTable())
