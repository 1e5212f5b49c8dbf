from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given

from nodescope.collectors.host.netclass_netlink import rows_of, statistics_of
from nodescope.host import Malformed
from nodescope.kernel.ethtool_link_modes import (
    NETLINK_GENERIC,
    EthtoolSocket,
    LinkMode,
    parse_family,
    parse_link_mode,
)
from nodescope.kernel.link_attributes import hardware_address, parse_attributes, parse_mark
from nodescope.metric import Row
from tests.collectors.host.machine import mangled, parses_or_refuses

COUNTERS = tuple(range(100, 125))
MAC = bytes.fromhex("001b210a0b0c")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def link(*attributes: bytes, index: int = 7, flags: int = 0x1003) -> bytes:
    return struct.pack("=BxHiII", 0, 1, index, flags, 0) + b"".join(attributes)


ALTNAMES = attribute(52, attribute(53, b"enp3s0\0") + attribute(53, b"\0") + attribute(53, b"lan\xff\0"))
ETH0 = link(
    attribute(3, b"eth0\0"), u32(13, 1000), attribute(16, b"\6"), attribute(17, b"\0"), u32(4, 1500), u32(27, 0),
    u32(30, 0), u32(61, 0), attribute(33, b"\1"), u32(35, 3), u32(47, 2), u32(48, 1), attribute(1, MAC),
    attribute(2, b"\xff" * 6), attribute(20, b"to the switch\0"), ALTNAMES,
    attribute(23, struct.pack("=25Q", *COUNTERS)),
)  # fmt: skip


def of(payload: bytes, mode: LinkMode | None = None) -> dict[str, Row]:
    found = parse_attributes(payload)
    return {metric.name.removeprefix("node_network_"): row for metric, row in rows_of(found, "eth0", mode)}


def test_rows_of_a_link() -> None:
    """What the message has, under node_exporter's names; the device below it is itself where none is named."""
    found = of(ETH0, LinkMode(7, 100_000, "Full"))
    names = ("eth0", "00:1b:21:0a:0b:0c", "ff:ff:ff:ff:ff:ff", "Full", "up", "to the switch")
    assert found.pop("info") == (names, 1)
    assert found.pop("altnames_info") == (("lan\ufffd", "eth0"), 1)
    assert all(labels == ("eth0",) for labels, _ in found.values())
    assert {name: value for name, (_, value) in found.items()} == {
        "up": 1, "iface_link": 7, "flags": 0x1003, "iface_id": 7, "protocol_type": 1, "carrier": 1,
        "carrier_changes_total": 3, "carrier_up_changes_total": 2, "carrier_down_changes_total": 1,
        "iface_link_mode": 0, "dormant": 0, "mtu_bytes": 1500, "net_dev_group": 0, "transmit_queue_length": 1000,
        "speed_bytes": 12_500_000_000,
    }  # fmt: skip


def test_rows_of_a_link_that_says_little() -> None:
    """What is not in the message has no series or is an empty label; nor has a speed that is not known."""
    found = of(link(attribute(3, b"tun0\0"), u32(5, 3), attribute(16, b"\x63")), LinkMode(7, None, "Unknown"))
    assert found.pop("info") == (("eth0", "", "", "Unknown", "", ""), 1)
    assert found.pop("iface_link") == (("eth0",), 3)
    assert found.keys() == {"up", "flags", "iface_id", "protocol_type"}


def test_counters_of_a_link() -> None:
    """The counters that are known, in the kernel's order, as many as it has."""
    rows = statistics_of(parse_attributes(ETH0), "eth0")
    names = [metric.name for metric, _ in rows]
    assert [row for _, row in rows] == [(("eth0",), value) for value in COUNTERS[:24]]
    assert names[0] == "node_network_receive_packets_total"
    assert names[-1] == "node_network_receive_nohandler_total"
    assert not statistics_of(parse_attributes(link()), "eth0")


@pytest.mark.parametrize(
    "change",
    [u32(4, 9000), attribute(16, b"\2"), u32(35, 4), attribute(20, b"x\0"), attribute(1, bytes(6)), u32(61, 1),
     u32(30, 1), u32(5, 3)],
)  # fmt: skip
def test_marks(change: bytes) -> None:
    """A mark is another when what sysfs shows changes, and the same when counters or a bridge's timers do."""
    base = parse_mark(ETH0)
    assert (base.ifindex, base.name, base.address, base.all_multicast) == (7, b"eth0", MAC, True)
    assert parse_mark(ETH0 + attribute(18, b"timers") + attribute(23, bytes(200))) == base
    assert parse_mark(ETH0 + change) != base
    assert parse_mark(link(attribute(3, b"eth0\0"), flags=2)) != parse_mark(link(attribute(3, b"eth0\0"), flags=3))
    assert not parse_mark(link()).all_multicast


def test_addresses() -> None:
    """Bytes in hexadecimal with colons between them."""
    assert hardware_address(MAC) == "00:1b:21:0a:0b:0c"
    assert hardware_address(b"") == ""


HEADER = attribute(1 | 0x8000, u32(1, 4) + attribute(2, b"eth0\0"))
GENERIC = bytes(4)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (HEADER + u32(5, 25_000) + attribute(6, b"\1"), LinkMode(4, 25_000, "Full")),
        (HEADER + u32(5, 0xFFFFFFFF) + attribute(6, b"\xff"), LinkMode(4, None, "Unknown")),
        (HEADER + u32(5, 10) + attribute(6, b"\0"), LinkMode(4, 10, "Half")),
        (HEADER + attribute(6, b"\2"), LinkMode(4, None, "Duplex(2)")),
    ],
)
def test_link_modes(payload: bytes, expected: LinkMode) -> None:
    """Speed, None where the link does not know it, and duplex in words."""
    assert parse_link_mode(GENERIC + payload) == expected


def test_families() -> None:
    """A family of generic netlink has a name and a number."""
    payload = GENERIC + attribute(2, b"ethtool\0") + attribute(1, struct.pack("=H", 21))
    assert parse_family(payload) == (b"ethtool", 21)


@pytest.mark.parametrize(
    "parse",
    [
        lambda: parse_mark(bytes(15)), lambda: parse_attributes(bytes(15)), lambda: parse_family(bytes(3)),
        lambda: parse_family(GENERIC), lambda: parse_link_mode(GENERIC), lambda: parse_link_mode(bytes(3)),
        lambda: parse_attributes(link(attribute(52, struct.pack("=HH", 99, 53)))),
        lambda: parse_attributes(link(attribute(52, struct.pack("=HH", 0, 53)))),
        lambda: parse_link_mode(GENERIC + attribute(1, attribute(1, b"1"))),
    ],
)  # fmt: skip
def test_malformed(parse: Callable[[], object]) -> None:
    """Lengths that lead nowhere, and messages without what they must have, are refused."""
    with pytest.raises(Malformed, match="netlink: expected"):
        parse()


def test_link_modes_of_this_machine() -> None:
    """The kernel gives those of the links that have any, time and again, or has no such family."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC).close()
    except OSError as error:
        pytest.skip(f"no generic netlink here: {error}")
    ethtool = EthtoolSocket()
    first = ethtool.link_modes()
    assert ethtool.link_modes().keys() == first.keys()
    assert all(index == mode.ifindex > 0 for index, mode in first.items())
    ethtool.close()


@given(mangled(ETH0) | mangled(GENERIC + HEADER + u32(5, 10)))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    parses_or_refuses(lambda: parse_mark(payload))
    parses_or_refuses(lambda: rows_of(parse_attributes(payload), "x", None))
    parses_or_refuses(lambda: parse_family(payload))
    parses_or_refuses(lambda: parse_link_mode(payload))
