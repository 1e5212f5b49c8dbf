from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.arp import parse_arp
from nodescope.host import Absent, Malformed
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series
from tests.kernel.network_namespace import in_a_network_namespace, ip

HEADING = b"IP address       HW type     Flags       HW address            Mask     Device\n"
SAMPLE = HEADING + (
    b"192.168.1.1      0x1         0x2         cc:aa:dd:ee:aa:bb     *        eth0\n"
    b"192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        eth0\n"
    b"10.0.0.1         0x20        0x2         80:00:02:08:fe:80:00:00:00     *        ib0\n"
    b"10.9.0.1         0x30a       0x2                               *        gre1\n"
    b"10.0.0.9         0x1         0xc         00:00:00:00:00:00     *        *\n"
)
PROC = {"netlink": False}


def entries(**devices: int) -> dict[str, float]:
    return {f'node_arp_entries{{device="{device}"}}': number for device, number in devices.items()}


def test_proc_net_arp(machine: Machine) -> None:
    """Every line counts for its device: incomplete, with an address of InfiniBand or none, and proxies of no device."""
    machine.write("proc/net/arp", SAMPLE)
    collector = machine.build("arp", PROC)
    assert series(collector.collect()) == entries(**{"*": 1, "eth0": 2, "gre1": 1, "ib0": 1})
    assert collector.left_out == 0


def test_no_entries(machine: Machine) -> None:
    """A table without entries is no failure."""
    machine.write("proc/net/arp", HEADING)
    assert machine.build("arp", PROC).collect() == []


@pytest.mark.parametrize(
    "line",
    [
        b"192.168.1.3 0x1 0x2 aa:bb:cc:dd:ee:ff *", b"192.168.1.3 0x1 0x2 aa:bb:cc:dd:ee:ff",
        b"192.168.1.3 0x1 0x2 none * eth0", b"192.168.1.3 0x1 0x200 aa:bb:cc:dd:ee:ff * eth0",
        b"192.168.1.3 0x1 x aa:bb:cc:dd:ee:ff * eth0", b"router 0x1 0x2 aa:bb:cc:dd:ee:ff * eth0",
        b"192.168.1.3 1_0 0x2 aa:bb:cc:dd:ee:ff * eth0", b"192.168.1.3 0x1 0x2 aa:bb:cc:dd:ee:ff * eth0 more",
    ],
)  # fmt: skip
def test_a_broken_line(machine: Machine, line: bytes) -> None:
    """A line that is not as documented is left out and counted; its siblings stay."""
    machine.write("proc/net/arp", HEADING + line + b"\n192.168.1.1 0x1 0x2 cc:aa:dd:ee:aa:bb * eth0\n")
    collector = machine.build("arp", PROC)
    assert series(collector.collect()) == entries(eth0=1)
    assert collector.left_out == 1
    machine.write("proc/net/arp", SAMPLE)
    collector.collect()
    assert collector.left_out == 0


def test_malformed(machine: Machine) -> None:
    """A file without one line that can be read is refused, and the message names it."""
    machine.write("proc/net/arp", b"what is this\n")
    with pytest.raises(Malformed, match="proc/net/arp: expected a heading"):
        machine.build("arp", PROC).collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("arp", PROC).collect()


def test_filters(machine: Machine) -> None:
    """Include and exclude search in the name; both together are refused."""
    machine.write("proc/net/arp", SAMPLE)
    assert series(machine.build("arp", {**PROC, "device-exclude": "eth|gre|[*]"}).collect()) == entries(ib0=1)
    assert series(machine.build("arp", {**PROC, "device-include": "^eth"}).collect()) == entries(eth0=2)
    with pytest.raises(SettingsError, match="cannot be used together"):
        machine.build("arp", {"device-include": "a", "device-exclude": "b"})


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the numbers of its moment; a device without entries is gone."""
    machine.write("proc/net/arp", SAMPLE)
    collector = machine.build("arp", PROC)
    collector.collect()
    machine.write("proc/net/arp", HEADING + b"192.168.1.1 0x1 0x2 cc:aa:dd:ee:aa:bb * eth0\n")
    assert series(collector.collect()) == entries(eth0=1)


def test_text_of_a_name(machine: Machine) -> None:
    """Bytes of a name that are no UTF-8 are shown as one replacement character."""
    machine.write("proc/net/arp", HEADING + b"192.168.1.1 0x1 0x2 cc:aa:dd:ee:aa:bb * e\xff\xfe0\n")
    assert series(machine.build("arp", PROC).collect()) == entries(**{"e\ufffd0": 1})


def test_over_netlink(machine: Machine) -> None:
    """Neighbours of each device as they come and go, without those of IPv6 and those that need no ARP."""
    collector = machine.build("arp", {"device-exclude": "^left"})

    def neighbours() -> list[dict[str, float]]:
        ip("link add first type veth peer name left", "link add second type bridge")
        for device in ("first", "left", "second"):
            ip(f"link set {device} up", f"neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev {device}")
        ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev first nud stale")
        ip("neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev first nud noarp")
        ip("neigh add fd00::2 lladdr 02:00:00:00:00:02 dev second")
        found = [series(collector.collect())]
        ip("link del first", "neigh add 10.0.0.4 lladdr 02:00:00:00:00:04 dev second")
        return [*found, series(collector.collect())]

    assert in_a_network_namespace(neighbours) == [entries(first=2, second=1), entries(second=2)]


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_arp(data, "arp"))
