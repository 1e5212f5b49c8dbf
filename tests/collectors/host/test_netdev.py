from __future__ import annotations

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.netdev import (
    LEGACY_NETLINK,
    LEGACY_PROC,
    NETLINK_NAMES,
    PROC_NAMES,
    as_they_are,
    parse_net_dev,
    scope_of,
    summed,
)
from nodescope.host import Absent, Malformed
from nodescope.kernel.rtnetlink import Address, RouteSocket
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series
from tests.kernel.network_namespace import in_a_network_namespace, ip

HEADINGS = b"Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n"
SAMPLE = HEADINGS + (
    b"    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0:10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160\n"
)
PROC = {"netlink": False}


def of(found: dict[str, float], device: str) -> dict[str, float]:
    """Counter without node_network_ and _total -> number, of one device."""
    pattern = re.compile(f'node_network_(.*)_total{{device="{device}"}}')
    return {match[1]: value for name, value in found.items() if (match := pattern.fullmatch(name))}


def columns(*devices: list[int]) -> list[tuple[int, ...]]:
    """What each counter is for all devices, as many counters as all of them have."""
    return list(zip(*devices, strict=False))


def test_proc_net_dev(machine: Machine) -> None:
    """The columns of the file under its own names, with the full words of node_exporter where they differ."""
    machine.write("proc/net/dev", SAMPLE)
    assert of(series(machine.build("netdev", PROC).collect()), "lo") == {
        "receive_bytes": 1, "receive_packets": 2, "receive_errs": 3, "receive_drop": 4, "receive_fifo": 5,
        "receive_frame": 6, "receive_compressed": 7, "receive_multicast": 8, "transmit_bytes": 9,
        "transmit_packets": 10, "transmit_errs": 11, "transmit_drop": 12, "transmit_fifo": 13, "transmit_colls": 14,
        "transmit_carrier": 15, "transmit_compressed": 16,
    }  # fmt: skip


def test_detailed_names(machine: Machine) -> None:
    """With detailed names errors and drops are called by their full names."""
    machine.write("proc/net/dev", SAMPLE)
    found = of(series(machine.build("netdev", {**PROC, "enable-detailed-metrics": True}).collect()), "eth0")
    assert found["receive_errors"] == 30
    assert found["transmit_dropped"] == 120
    assert not {"receive_errs", "transmit_drop"} & found.keys()


def test_process_1_comes_first(machine: Machine) -> None:
    """The devices are those of the host, where its first process can be seen."""
    machine.write("proc/net/dev", SAMPLE)
    machine.write("proc/1/net/dev", SAMPLE.replace(b"eth0", b"host0"))
    found = series(machine.build("netdev", PROC).collect())
    assert of(found, "host0")
    assert not of(found, "eth0")


def test_filters(machine: Machine) -> None:
    """Include and exclude search in the name; both together are refused."""
    machine.write("proc/net/dev", SAMPLE)
    assert not of(series(machine.build("netdev", {**PROC, "device-exclude": "^lo$"}).collect()), "lo")
    assert not of(series(machine.build("netdev", {**PROC, "device-include": "^lo$"}).collect()), "eth0")
    with pytest.raises(SettingsError, match="cannot be used together"):
        machine.build("netdev", {"device-include": "a", "device-exclude": "b"})


def test_ifalias(machine: Machine) -> None:
    """The alias is a label, empty where there is none, read at each scrape."""
    machine.write("proc/net/dev", SAMPLE)
    machine.write("sys/class/net/eth0/ifalias", b"to the\xff\xfe switch\n")
    collector = machine.build("netdev", {**PROC, "label-ifalias": True})
    found = series(collector.collect())
    assert found['node_network_receive_bytes_total{device="eth0",ifalias="to the\ufffd switch"}'] == 10
    assert found['node_network_receive_bytes_total{device="lo",ifalias=""}'] == 1
    machine.write("sys/class/net/eth0/ifalias", "other\n")
    assert 'node_network_receive_bytes_total{device="eth0",ifalias="other"}' in series(collector.collect())


@pytest.mark.parametrize("line", [b"eth1: 1 2 3", b"eth1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", b": " + b"1 " * 16,
                                  b"eth1: x" + b" 1" * 15, b"eth1: -1" + b" 1" * 15, b"\xff"])  # fmt: skip
def test_an_odd_line_costs_itself_alone(machine: Machine, line: bytes) -> None:
    """A line that is not understood is left out, the others stay."""
    machine.write("proc/net/dev", SAMPLE + line + b"\n")
    found = series(machine.build("netdev", PROC).collect())
    assert {name.split('"')[1] for name in found} == {"lo", "eth0"}


def test_names_with_a_colon() -> None:
    """The last colon ends the name; bytes that are not UTF-8 are replaced."""
    line = b" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 18446744073709551615\n"
    found = parse_net_dev(HEADINGS + b"eth0:1:" + line + b" a\xff\xfeb :" + line, "dev")
    assert list(found) == ["eth0:1", "a\ufffdb"]
    assert found["eth0:1"][-1] == 2**64 - 1


def test_no_devices(machine: Machine) -> None:
    """Headings alone are a machine without network devices."""
    machine.write("proc/net/dev", HEADINGS)
    assert list(machine.build("netdev", PROC).collect()) == []


def test_absent_and_malformed(machine: Machine) -> None:
    """No file: nothing. No line that is understood: refused."""
    with pytest.raises(Absent):
        machine.build("netdev", PROC).collect()
    for data in (b"", HEADINGS + b"eth0\n"):
        machine.write("proc/net/dev", data)
        with pytest.raises(Malformed, match="net/dev: expected two lines of headings"):
            machine.build("netdev", PROC).collect()


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """A family of which no device's counter has changed is the same object; a device that comes or goes changes all."""
    machine.write("proc/net/dev", SAMPLE)
    collector = machine.build("netdev", PROC)
    first = {family.metric.name: family for family in collector.collect()}
    machine.write("proc/net/dev", SAMPLE.replace(b"eth0:10 20", b"eth0:11 20"))
    second = {family.metric.name: family for family in collector.collect()}
    assert [name for name in first if first[name] is not second[name]] == ["node_network_receive_bytes_total"]
    assert of(series(second.values()), "eth0")["receive_bytes"] == 11
    assert of(series(second.values()), "lo")["receive_bytes"] == 1
    machine.write("proc/net/dev", HEADINGS + SAMPLE.splitlines(keepends=True)[-1])
    third = series(collector.collect())
    assert not of(third, "lo")
    assert of(third, "eth0")["receive_bytes"] == 10


def test_a_sum_follows_each_of_its_parts() -> None:
    """Whatever changes of a sum's parts, the sum is made anew."""
    parts = dict(LEGACY_NETLINK)["receive_frame"]
    for part in parts:
        counters = [int(name == part) for name in NETLINK_NAMES]
        assert dict(summed(LEGACY_NETLINK, NETLINK_NAMES, columns(counters)))["receive_frame"] == [1]


def test_netlink_counters_under_the_names_of_proc() -> None:
    """What the kernel counts apart is summed as /proc/net/dev sums it, in 64 bits."""
    counters = list(range(1, len(NETLINK_NAMES) + 1))
    found = {name: column[0] for name, column in summed(LEGACY_NETLINK, NETLINK_NAMES, columns(counters))}
    n = dict(zip(NETLINK_NAMES, counters, strict=True))
    assert found == {
        "receive_packets": 1, "transmit_packets": 2, "receive_bytes": 3, "transmit_bytes": 4, "receive_errs": 5,
        "transmit_errs": 6, "receive_drop": n["receive_dropped"] + n["receive_missed_errors"], "transmit_drop": 8,
        "receive_multicast": 9, "transmit_colls": 10,
        "receive_frame": sum(n[f"receive_{kind}_errors"] for kind in ("frame", "length", "over", "crc")),
        "receive_fifo": 15,
        "transmit_carrier": sum(n[f"transmit_{kind}_errors"] for kind in ("carrier", "aborted", "heartbeat", "window")),
        "transmit_fifo": 19, "receive_compressed": 22, "transmit_compressed": 23, "receive_nohandler": 24,
    }  # fmt: skip
    wrapped = dict(summed(LEGACY_NETLINK, NETLINK_NAMES, columns([2**64 - 1] * 24)))
    assert wrapped["receive_drop"] == [2**64 - 2]


def test_counters_that_the_kernel_does_not_give_are_absent() -> None:
    """A kernel with fewer counters has fewer families; one with more has what is known."""
    short = dict(summed(as_they_are(NETLINK_NAMES), NETLINK_NAMES, columns([1] * 23, [2] * 23)))
    assert "receive_nohandler" not in short
    assert short["receive_packets"] == (1, 2)
    assert len(summed(as_they_are(NETLINK_NAMES), NETLINK_NAMES, columns([1] * 30))) == len(NETLINK_NAMES)
    assert summed(LEGACY_PROC, PROC_NAMES, []) == []


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("127.0.0.1", "link-local"), ("169.254.1.2", "link-local"), ("224.0.0.5", "link-local"), ("10.0.0.1", "global"),
        ("8.8.8.8", "global"), ("255.255.255.255", ""), ("0.0.0.0", ""), ("239.1.1.1", ""), ("::1", "link-local"),
        ("fe80::1", "link-local"), ("ff02::1", "link-local"), ("ff01::1", "interface-local"), ("ff05::1", ""),
        ("::", ""), ("fd00::1", "global"), ("2001:db8::1", "global"), ("fec0::1", "global"),
    ],
)  # fmt: skip
def test_scope(address: str, scope: str) -> None:
    """Loopback and link-local are link-local, multicast has a scope of its own, the rest is global."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    assert scope_of(Address(1, family, socket.inet_pton(family, address), 8)) == scope


@pytest.fixture
def netlink() -> None:
    """The test is skipped where the kernel gives no route socket."""
    route = RouteSocket()
    try:
        route.links()
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")


@pytest.mark.usefixtures("netlink")
def test_this_machine_over_netlink(machine: Machine) -> None:
    """The loopback device has every legacy counter, at the first scrape and at those after it; it receives what it
    sends."""
    collector = machine.build("netdev", {"device-include": "^lo$"})
    for _ in range(2):
        found = of(series(collector.collect()), "lo")
        assert found.keys() <= {name for name, _ in LEGACY_NETLINK}
        assert len(found) >= 16
        assert found["receive_bytes"] == found["transmit_bytes"]


def test_a_new_name_holds_at_once(machine: Machine) -> None:
    """The scrape after a device has got another name shows its counters under that one alone."""

    def named() -> list[list[dict[str, float]]]:
        collector = machine.build("netdev")
        before = series(collector.collect())
        ip("link set lo name first")
        after = series(collector.collect())
        return [[of(found, name) for name in ("lo", "first")] for found in (before, after)]

    (loopback, nothing), (gone, renamed) = in_a_network_namespace(named)
    assert loopback == renamed != {}
    assert nothing == gone == {}


@pytest.mark.usefixtures("netlink")
def test_addresses_of_this_machine(machine: Machine) -> None:
    """The loopback device has its address, with prefix length and scope; devices that are left out have none."""
    address = 'node_network_address_info{device="lo",address="127.0.0.1",netmask="8",scope="link-local"}'
    assert series(machine.build("netdev", {"address-info": True}).collect())[address] == 1
    found = series(machine.build("netdev", {"address-info": True, "device-exclude": "^lo$"}).collect())
    assert not any('device="lo"' in name for name in found)


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, there are sixteen numbers for each device, or it is refused."""
    parses_or_refuses(lambda: _check(parse_net_dev(data, "dev")))


def _check(devices: dict[str, list[int]]) -> None:
    assert all(len(counters) == len(PROC_NAMES) for counters in devices.values())


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=26), max_size=4))
def test_any_counters(counters: list[list[int]]) -> None:
    """However many counters and devices there are, every column has one number for each device."""
    for _, column in summed(LEGACY_NETLINK, NETLINK_NAMES, columns(*counters)):
        assert len(column) == len(counters)
        assert all(0 <= number < 2**64 for number in column)


def test_an_odd_line_is_counted(machine: Machine) -> None:
    """A device whose line is not understood is left out and counted."""
    machine.write("proc/net/dev", HEADINGS + b"eth0: " + b" ".join([b"1"] * 16) + b"\neth1: 1 2\n")
    collector = machine.build("netdev", {"netlink": False})
    assert {key for key in series(collector.collect()) if "eth1" in key} == set()
    assert collector.left_out == 1


def test_more_devices_than_the_limit_are_counted(machine: Machine) -> None:
    """Of many devices the first are shown, in the kernel's order, and the rest is counted."""
    lines = b"".join(b"veth%d: %s\n" % (number, b" ".join([b"1"] * 16)) for number in range(5))
    machine.write("proc/net/dev", HEADINGS + b"eth0: " + b" ".join([b"1"] * 16) + b"\n" + lines)
    collector = machine.build("netdev", {"netlink": False, "max-devices": 2})
    families = list(collector.collect())
    assert [row[0] for row in families[0].rows] == [("eth0",), ("veth0",)]
    assert collector.left_out == 4
