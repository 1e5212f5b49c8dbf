from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.netstat import DEFAULT_FIELDS, NetstatCollector
from nodescope.collectors.host.protocol_counters import Parse, parse_lines, parse_pairs
from nodescope.host import Absent, Malformed
from nodescope.settings import BY_KEY
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

NETSTAT = (
    b"TcpExt: SyncookiesSent DelayedACKs ListenDrops TCPTimeouts\nTcpExt: 1 2 3 4\n"
    b"IpExt: InOctets OutOctets\nIpExt: 6286396970 2786264347\n"
)
# As kernel 6.12 prints them: more fields, and a protocol that 6.8 has as well but older kernels do not.
NEWER = (
    b"TcpExt: SyncookiesSent BeyondWindow TSEcrRejected PAWSOldAck DelayedACKs ListenDrops TCPTimeouts TCPAOGood\n"
    b"TcpExt: 1 8 9 10 2 3 4 11\n"
    b"IpExt: InOctets OutOctets InCEPkts ReasmOverlaps\nIpExt: 6286396970 2786264347 0 0\n"
    b"MPTcpExt: MPCapableSYNRX MPTCPRetrans\nMPTcpExt: 0 0\n"
)
SNMP = (
    b"Ip: Forwarding DefaultTTL\nIp: 1 64\nIcmp: InMsgs OutMsgs\nIcmp: 104 120\n"
    b"Tcp: MaxConn CurrEstab InErrs\nTcp: -1 7 5\nUdp: InDatagrams\nUdp: 88542\n"
)
SNMP6 = (
    b"Ip6InReceives                   \t7\nIp6OutOctets                    \t536\n"
    b"Icmp6InMsgs                     \t0\nUdpLite6InErrors                \t9\n"
)


def of_netstat(machine: Machine) -> None:
    for name, data in (("netstat", NETSTAT), ("snmp", SNMP), ("snmp6", SNMP6)):
        machine.write(f"proc/net/{name}", data)


EXPECTED = {
    "node_netstat_TcpExt_SyncookiesSent": 1, "node_netstat_TcpExt_ListenDrops": 3,
    "node_netstat_TcpExt_TCPTimeouts": 4, "node_netstat_IpExt_InOctets": 6286396970,
    "node_netstat_IpExt_OutOctets": 2786264347, "node_netstat_Ip_Forwarding": 1, "node_netstat_Icmp_InMsgs": 104,
    "node_netstat_Icmp_OutMsgs": 120, "node_netstat_Tcp_CurrEstab": 7, "node_netstat_Tcp_InErrs": 5,
    "node_netstat_Udp_InDatagrams": 88542, "node_netstat_Ip6_OutOctets": 536, "node_netstat_Icmp6_InMsgs": 0,
    "node_netstat_UdpLite6_InErrors": 9,
}  # fmt: skip


def test_default_fields(machine: Machine) -> None:
    """Only the fields of the default pattern, untyped, whichever of the three files they are in."""
    of_netstat(machine)
    collector = machine.build("netstat")
    families = list(collector.collect())
    assert series(families) == EXPECTED
    assert {family.metric.type for family in families} == {"untyped"}
    assert families[0].metric.help == "Statistic TcpExtSyncookiesSent."
    assert collector.left_out == 0


def test_newer_kernel(machine: Machine) -> None:
    """More columns and another protocol leave the known counters as they were."""
    of_netstat(machine)
    machine.write("proc/net/netstat", NEWER)
    assert series(machine.build("netstat").collect()) == EXPECTED


def test_documented_families() -> None:
    """The families that are documented are found by the default pattern."""
    pattern = re.compile(BY_KEY["collector.netstat.fields"].default)
    assert all(pattern.search("_".join(field)) for field in DEFAULT_FIELDS)
    assert len(NetstatCollector.metrics) == len(set(NetstatCollector.metrics)) == 42


def test_chosen_fields(machine: Machine) -> None:
    """The setting is a pattern that is searched for in PROTOCOL_FIELD; empty keeps every field, -1 too."""
    of_netstat(machine)
    only = series(machine.build("netstat", {"fields": "^Tcp_|6_In"}).collect())
    assert only == {
        "node_netstat_Tcp_MaxConn": -1, "node_netstat_Tcp_CurrEstab": 7, "node_netstat_Tcp_InErrs": 5,
        "node_netstat_Ip6_InReceives": 7, "node_netstat_Icmp6_InMsgs": 0, "node_netstat_UdpLite6_InErrors": 9,
    }  # fmt: skip
    assert len(series(machine.build("netstat", {"fields": ""}).collect())) == 18
    assert list(machine.build("netstat", {"fields": "^nothing$"}).collect()) == []


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Numbers, columns, protocols and files that change between two scrapes are seen."""
    collector = machine.build("netstat", {"fields": ""})
    for data, expected in (
        (b"A: x y\nA: 1 2\nB: z\nB: 3\n", {"A_x": 1, "A_y": 2, "B_z": 3}),
        (b"A: x y\nA: 1 5\nB: z\nB: 4\n", {"A_x": 1, "A_y": 5, "B_z": 4}),
        (b"A: y x\nA: 1 5\nB: z\nB: 4\n", {"A_y": 1, "A_x": 5, "B_z": 4}),
        (b"B: z\nB: 6\n", {"B_z": 6}),
        (b"A: x y\nA: 7 8\nB: z\nB: 9\n", {"A_x": 7, "A_y": 8, "B_z": 9}),
        (b"A: x y\nA: 7\nB: z\nB: 9\n", {"B_z": 9}),
        (b"A: x y\nA: 7 x\nB: z\nB: 10\n", {"A_x": 7, "B_z": 10}),
        (b"A: x y\nA: 7 11\nB: z\nB: 10\n", {"A_x": 7, "A_y": 11, "B_z": 10}),
    ):
        machine.write("proc/net/snmp", data)
        assert series(collector.collect()) == {f"node_netstat_{name}": value for name, value in expected.items()}
    machine.write("proc/net/snmp6", b"Ip6InReceives 7\n")
    assert series(collector.collect())["node_netstat_Ip6_InReceives"] == 7
    machine.remove("proc/net/snmp")
    assert series(collector.collect()) == {"node_netstat_Ip6_InReceives": 7}


@pytest.mark.parametrize(
    ("data", "expected", "left_out"),
    [
        (b"A: x y\nA: 1\nB: z\nB: 3\n", {"B_z": 3}, 1),
        (b"A: x\nA: 1 2\nB: z\nB: 3\n", {"B_z": 3}, 1),
        (b"A: x y\nB: z\nB: 3\n", {"B_z": 3}, 1),
        (b"A: 1 2\nB: z\nB: 3\n", {"B_z": 3}, 1),
        (b"A: x y\nA: 1_0 2\nB: z\nB: 3", {"A_y": 2, "B_z": 3}, 1),
        (b"A: x x\nA: 1 2\n", {"A_x": 1}, 1),
        (b"A: x\nA: 1\nA: x\nA: 2\n", {"A_x": 1}, 1),
        (b"I: InType3\nI: 1\nI: OutType3\nI: 2\n", {"I_InType3": 1, "I_OutType3": 2}, 0),
        (b"A: x-y \xff\nA: 1 2\n", {"A_x_y": 1, "A__": 2}, 0),
        (b"A x\nA 1\nB: z\nB: 3\n", {"B_z": 3}, 1),
    ],
)
def test_broken_line(machine: Machine, data: bytes, expected: dict[str, int], left_out: int) -> None:
    """A line that does not fit its partner costs its own counters, a bad number its own series; both are counted."""
    machine.write("proc/net/netstat", data)
    collector = machine.build("netstat", {"fields": ""})
    for _ in range(2):
        assert series(collector.collect()) == {f"node_netstat_{name}": value for name, value in expected.items()}
        assert collector.left_out == left_out


def test_broken_line_of_snmp6(machine: Machine) -> None:
    """A line without a 6 or without a number costs itself alone."""
    machine.write("proc/net/snmp6", b"InReceives 7\nIp6InDelivers\nUdp6NoPorts x\nIp6InOctets 8\n")
    collector = machine.build("netstat")
    assert series(collector.collect()) == {"node_netstat_Ip6_InOctets": 8}
    assert collector.left_out == 3


def test_same_protocol_in_two_files(machine: Machine) -> None:
    """A counter that stands in two files is given once, as the first file has it."""
    machine.write("proc/net/netstat", b"Ip: Forwarding\nIp: 1\n")
    machine.write("proc/net/snmp", b"Ip: Forwarding\nIp: 2\n")
    collector = machine.build("netstat")
    assert series(collector.collect()) == {"node_netstat_Ip_Forwarding": 1}
    assert collector.left_out == 1


@pytest.mark.parametrize("name", ["netstat", "snmp", "snmp6"])
def test_one_file_broken(machine: Machine, name: str) -> None:
    """A file that is nonsense, or cannot be read, costs its own counters and is counted; one not there is not."""
    of_netstat(machine)
    collector = machine.build("netstat")
    whole = series(collector.collect())
    machine.write(f"proc/net/{name}", b"nonsense")
    partial_ = series(collector.collect())
    assert partial_.items() < whole.items()
    assert collector.left_out == 1
    machine.remove(f"proc/net/{name}")
    (machine.folder / f"proc/net/{name}").mkdir()
    assert series(collector.collect()) == partial_
    assert collector.left_out == 1
    machine.remove(f"proc/net/{name}")
    assert series(collector.collect()) == partial_
    assert collector.left_out == 0


@pytest.mark.parametrize("data", [b"", b"TcpExt:\n", b"TcpExt: a b\n", b"\xff\nx\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Where no file has a counter, the first is refused."""
    machine.write("proc/net/netstat", data)
    with pytest.raises(Malformed, match="proc/net/netstat: expected pairs of lines"):
        machine.build("netstat").collect()


def test_absent(machine: Machine) -> None:
    """Without the files there is nothing."""
    with pytest.raises(Absent):
        machine.build("netstat").collect()


@pytest.mark.parametrize(("parse", "sample"), [(parse_pairs, NETSTAT), (parse_pairs, NEWER), (parse_lines, SNMP6)])
@given(st.data())
def test_any_bytes(parse: Parse, sample: bytes, data: st.DataObject) -> None:
    """Whatever a file holds, its parser answers or refuses."""
    file = data.draw(mangled(sample))
    parses_or_refuses(lambda: parse(file, "netstat"))


@given(st.lists(mangled(NETSTAT), min_size=2, max_size=3))
def test_any_change(files: list[bytes]) -> None:
    """However a file changes, the remembered layout gives what reading it line by line gives."""
    host = OneFile()
    collector = NetstatCollector(host, None)
    for data in [NETSTAT, *files]:
        host.data = data
        parses_or_refuses(collector.collect)
        parses_or_refuses(partial(_same, collector, host))


def _same(collector: NetstatCollector, host: OneFile) -> None:
    assert series(collector.collect()) == series(NetstatCollector(host, None).collect())
