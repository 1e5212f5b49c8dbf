from __future__ import annotations

from nodescope.collectors.host.network_route import NetworkRouteCollector, families_of
from nodescope.kernel.routes import Hop, RouteTable
from tests.collectors.host.machine import Machine, series
from tests.kernel.network_namespace import in_a_network_namespace, ip
from tests.kernel.test_routes import SAMPLE, TWO_WAYS

NAMES = ("device", "src", "dest", "gw", "priority", "proto", "weight")


def info(*values: str) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in zip(NAMES, values, strict=True))
    return f"node_network_route_info{{{labels}}}"


def routes(**devices: int) -> dict[str, float]:
    return {f'node_network_routes{{device="{device}"}}': number for device, number in devices.items()}


def test_a_route_in_two_tables() -> None:
    """It has one row, and counts twice; a route without device has an empty one."""
    hop = Hop(2, "", "default", "10.0.0.1", "0", "static", "")
    found = series(families_of([hop, hop, hop._replace(link=0)], ["eth0", "eth0", ""]))
    assert found == {
        info("eth0", "", "default", "10.0.0.1", "0", "static", ""): 1,
        info("", "", "default", "10.0.0.1", "0", "static", ""): 1,
        **routes(**{"eth0": 2, "": 1}),
    }


def test_no_routes() -> None:
    """Without routes there are no families."""
    assert families_of([], []) == []


class Table(RouteTable):
    """A kernel whose routes are written here."""

    def __init__(self, *payloads: bytes, more: int = 0) -> None:
        super().__init__()
        self.answer = list(payloads), more

    def payloads(self) -> tuple[list[bytes], int]:
        return self.answer


def test_a_broken_message(machine: Machine) -> None:
    """A message that cannot be read is left out and counted, as are those beyond the limit; its siblings stay."""
    collector = NetworkRouteCollector(Table(SAMPLE, bytes(3), TWO_WAYS, more=2))
    for _ in range(2):
        assert sum(name.startswith("node_network_route_info") for name in series(collector.collect())) == 3
        assert collector.left_out == 3


def test_over_netlink(machine: Machine) -> None:
    """Routes of IPv4 and IPv6 as they come and go, one row for each way that they go."""
    collector = machine.build("network_route")

    def found() -> list[dict[str, float]]:
        ip("link add left type veth peer name right", "link set left up", "link set right up")
        ip("addr add 10.0.0.2/24 dev left", "addr add 10.5.0.2/24 dev right")
        ip("route add default via 10.0.0.1 metric 7", "route add blackhole 10.9.0.0/16")
        ip("route add 10.8.0.0/16 proto bird nexthop via 10.0.0.1 weight 3 nexthop via 10.5.0.1 weight 1")
        first = series(collector.collect())
        ip("link del left")
        return [first, series(collector.collect())]

    first, second = in_a_network_namespace(found)
    expected = {
        info("left", "10.0.0.2", "10.0.0.0/24", "", "0", "kernel", ""),
        info("right", "10.5.0.2", "10.5.0.0/24", "", "0", "kernel", ""),
        info("left", "", "default", "10.0.0.1", "7", "boot", ""),
        info("left", "", "10.8.0.0/16", "10.0.0.1", "0", "bird", "3"),
        info("right", "", "10.8.0.0/16", "10.5.0.1", "0", "bird", "1"),
    }
    assert {name for name in first if "route_info" in name and "fe80" not in name} == expected
    assert all(value == 1 for name, value in first.items() if "route_info" in name)
    counted = sum(value for name, value in first.items() if "_routes{" in name)
    assert counted == sum("route_info" in name for name in first)
    assert second == {}
