from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given

from nodescope.collectors.host.ipvs import IpvsCollector, build
from nodescope.collectors.host.ipvs_table import address_and_port, parse_statistics, parse_table, shown_ipv6
from nodescope.configuration import load
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host, Malformed
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

STATISTICS = (
    b"   Total Incoming Outgoing         Incoming         Outgoing\n"
    b"   Conns  Packets  Packets            Bytes            Bytes\n"
    b" 16AA370 E33656E5        0     51D8C8883AB3                0\n\n"
    b" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
    b"       4    1FB3C        0          1282A8F                0\n"
)
TABLE = (
    b"IP Virtual Server version 1.2.1 (size=4096)\n"
    b"Prot LocalAddress:Port Scheduler Flags\n"
    b"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
    b"TCP  C0A80016:0CEA wlc  \n"
    b"  -> C0A85216:0CEA      Tunnel  100    248        2         \n"
    b"  -> C0A85318:0CEA      Tunnel  50     240        1         \n"
    b"UDP  [2620:0000:0000:0000:0000:0000:0000:0001]:0050 sh persistent 360 FFFFFFFF\n"
    b"  -> [2620:0000:0000:0000:0000:0000:0000:0002]:0050      Route   1      3          4         \n"
    b"SCTP C0A80037:0CEA rr ops \n"
    b"  -> C0A8321A:0CEA      Masq    5      6          7         \n"
    b"FWM  10001000 wlc   \n"
    b"  -> C0A8321A:0CEA      Tunnel  20     64         1         \n"
)
TOTALS = {
    "node_ipvs_connections_total": 23765872, "node_ipvs_incoming_packets_total": 3811989221,
    "node_ipvs_outgoing_packets_total": 0, "node_ipvs_incoming_bytes_total": 89991519156915,
    "node_ipvs_outgoing_bytes_total": 0,
}  # fmt: skip


def balanced(machine: Machine, table: bytes = TABLE, labels: str | None = None) -> IpvsCollector:
    machine.write("proc/net/ip_vs_stats", STATISTICS)
    machine.write("proc/net/ip_vs", table)
    collector = machine.build("ipvs", {} if labels is None else {"backend-labels": labels})
    assert isinstance(collector, IpvsCollector)
    return collector


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("::", "::"), ("::1", "::1"), ("::1:0", "::1:0"), ("::102:304", "::102:304"), ("2620::1", "2620::1"),
        ("::ffff:c0a8:16", "192.168.0.22"), ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"), ("1:0:0:2::3", "1:0:0:2::3"),
        ("0:1:0:0:2:0:0:3", "0:1::2:0:0:3"), ("fe80:0:0:1::", "fe80:0:0:1::"),
    ],
)  # fmt: skip
def test_ipv6_addresses(address: str, expected: str) -> None:
    """The longest row of zeros is left out; one that stands for an IPv4 address is that, no other looks like one."""
    assert shown_ipv6(socket.inet_pton(socket.AF_INET6, address)) == expected


def test_totals_and_backends(machine: Machine) -> None:
    """Totals are hexadecimal, addresses and ports too; a mark has no address, and every protocol is its own."""
    collector = balanced(machine)
    found = series(collector.collect())
    assert {name: value for name, value in found.items() if "backend" not in name} == TOTALS
    assert {name[len("node_ipvs_backend_") :]: value for name, value in found.items() if "active{" in name} == {
        f'connections_{kind}{{local_address="{local[0]}",local_port="{local[1]}",remote_address="{remote[0]}",'
        f'remote_port="{remote[1]}",proto="{local[2]}",local_mark="{local[3]}"}}': value
        for local, remote, active, inactive in (
            (("192.168.0.22", 3306, "TCP", ""), ("192.168.82.22", 3306), 248, 2),
            (("192.168.0.22", 3306, "TCP", ""), ("192.168.83.24", 3306), 240, 1),
            (("2620::1", 80, "UDP", ""), ("2620::2", 80), 3, 4),
            (("192.168.0.55", 3306, "SCTP", ""), ("192.168.50.26", 3306), 6, 7),
            (("", 0, "FWM", "10001000"), ("192.168.50.26", 3306), 64, 1),
        )
        for kind, value in (("active", active), ("inactive", inactive))
    }
    assert [value for name, value in found.items() if "weight" in name] == [100, 50, 1, 5, 20]
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (b"00000000:0000", ("0.0.0.0", "0")),
        (b"FFFFFFFF:FFFF", ("255.255.255.255", "65535")),
        (b"[0000:0000:0000:0000:0000:0000:0000:0000]:0001", ("::", "1")),
        (b"[2001:0db8:0000:0001:0000:0000:0000:0001]:0001", ("2001:db8:0:1::1", "1")),
        (b"[0000:0000:0000:0000:0000:ffff:c0a8:0016]:0001", ("192.168.0.22", "1")),
        (b"[2001:db8::1]:0001", None),
        (b"C0A80016:0CEAA", None),
        (b"C0A8_016:0CEA", None),
        (b"", None),
    ],
)
def test_addresses(word: bytes, expected: tuple[str, str] | None) -> None:
    """IPv4 in dots, IPv6 in its short form, and IPv4 inside IPv6 in dots again."""
    assert address_and_port(word) == expected


def test_fewer_labels_sum(machine: Machine) -> None:
    """Backends whose chosen labels are equal are summed, in whichever order the labels are given."""
    found = series(balanced(machine, labels="proto,local_port").collect())
    assert {name: value for name, value in found.items() if "active{" in name or "weight" in name} == {
        'node_ipvs_backend_connections_active{local_port="3306",proto="TCP"}': 488,
        'node_ipvs_backend_connections_active{local_port="80",proto="UDP"}': 3,
        'node_ipvs_backend_connections_active{local_port="3306",proto="SCTP"}': 6,
        'node_ipvs_backend_connections_active{local_port="0",proto="FWM"}': 64,
        'node_ipvs_backend_connections_inactive{local_port="3306",proto="TCP"}': 3,
        'node_ipvs_backend_connections_inactive{local_port="80",proto="UDP"}': 4,
        'node_ipvs_backend_connections_inactive{local_port="3306",proto="SCTP"}': 7,
        'node_ipvs_backend_connections_inactive{local_port="0",proto="FWM"}': 1,
        'node_ipvs_backend_weight{local_port="3306",proto="TCP"}': 150,
        'node_ipvs_backend_weight{local_port="80",proto="UDP"}': 1,
        'node_ipvs_backend_weight{local_port="3306",proto="SCTP"}': 5,
        'node_ipvs_backend_weight{local_port="0",proto="FWM"}': 20,
    }


@pytest.mark.parametrize(
    ("expected", "labels"),
    [
        ("ip_vs_result", None),
        ("ip_vs_result_lbs_local_address_local_port", "local_address,local_port"),
        ("ip_vs_result_lbs_local_port", "local_port"),
        ("ip_vs_result_lbs_none", ""),
    ],
)
def test_labels_of_the_reference(expected: str, labels: str | None, fixture_tree: Path) -> None:
    """For every choice of labels the lines are the reference's."""
    settings = load({} if labels is None else {"collector.ipvs.backend-labels": labels}, {})
    families = build(Host(str(fixture_tree / "fixtures/proc")), settings).collect()
    reference = (fixture_tree / f"fixtures/{expected}.txt").read_text()
    assert sorted(TextEncoder().encode(families).decode().splitlines()) == sorted(reference.splitlines())


def test_no_labels(machine: Machine) -> None:
    """Without labels there is one sum of each."""
    found = series(balanced(machine, labels="").collect())
    assert found["node_ipvs_backend_connections_active"] == 561
    assert found["node_ipvs_backend_connections_inactive"] == 15
    assert found["node_ipvs_backend_weight"] == 176


def test_unknown_label(machine: Machine) -> None:
    """A label that there is not is refused when the collector is built, by the setting's name."""
    with pytest.raises(SettingsError, match=r"^collector.ipvs.backend-labels \(.*unknown label mark, port: expected"):
        machine.build("ipvs", {"backend-labels": "local_port,port,mark"})


def test_no_backends(machine: Machine) -> None:
    """Without services there are the totals alone."""
    collector = balanced(machine, b"".join(TABLE.splitlines(True)[:3]))
    assert series(collector.collect()) == TOTALS
    machine.remove("proc/net/ip_vs")
    assert series(collector.collect()) == TOTALS
    assert collector.left_out == 0


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters that have changed are seen, and backends and services that have gone are gone."""
    collector = balanced(machine, labels="remote_address")
    assert series(collector.collect())['node_ipvs_backend_connections_active{remote_address="192.168.50.26"}'] == 70
    machine.write("proc/net/ip_vs", TABLE.replace(b" 64 ", b" 65 ").replace(b"192", b""))
    machine.write("proc/net/ip_vs_stats", STATISTICS.replace(b"16AA370", b"16AA371"))
    found = series(collector.collect())
    assert found['node_ipvs_backend_connections_active{remote_address="192.168.50.26"}'] == 71
    assert found["node_ipvs_connections_total"] == 23765873
    machine.write("proc/net/ip_vs", TABLE[: TABLE.index(b"UDP")])
    assert len(series(collector.collect())) == 5 + 2 * 3
    machine.write("proc/net/ip_vs", TABLE[: TABLE.index(b"UDP")].replace(b"TCP  C0A80016", b"UDP  C0A80017"))
    assert len(series(collector.collect())) == 5 + 2 * 3


def test_line_under_another_service(machine: Machine) -> None:
    """The same line under another service is another backend."""
    collector = balanced(machine, labels="local_address")
    collector.collect()
    machine.write("proc/net/ip_vs", TABLE.replace(b"C0A80016", b"C0A80017"))
    found = series(collector.collect())
    assert found['node_ipvs_backend_weight{local_address="192.168.0.23"}'] == 150
    assert 'node_ipvs_backend_weight{local_address="192.168.0.22"}' not in found


@pytest.mark.parametrize(
    ("was", "now", "left_out", "gone"),
    [
        (b"C0A85216:0CEA ", b"C0A8521X:0CEA ", 1, 3),
        (b"  100    248 ", b"  100    -248", 1, 3),
        (b"  50     240        1         \n", b"  50     240\n", 1, 3),
        (b"TCP  C0A80016:0CEA", b"TCP  C0A80016", 3, 6),
        (b"FWM  10001000", b"FWM  1000100Z", 2, 3),
        (b"SCTP C0A80037:0CEA rr ops ", b"SCTP", 2, 3),
        (b"FWM ", b"?\xff ", 2, 3),
    ],
)
def test_broken_line(machine: Machine, was: bytes, now: bytes, left_out: int, gone: int) -> None:
    """A bad line costs its own backend, or the backends of its own service, and they are counted."""
    collector = balanced(machine)
    whole = series(collector.collect())
    machine.write("proc/net/ip_vs", TABLE.replace(was, now))
    for _ in range(2):
        found = series(collector.collect())
        assert found.items() < whole.items()
        assert len(whole) - len(found) == gone
        assert collector.left_out == left_out


def test_one_file_broken(machine: Machine) -> None:
    """One of the two files being nonsense costs what it would have told."""
    collector = balanced(machine)
    machine.write("proc/net/ip_vs", b"nonsense\n")
    assert series(collector.collect()) == TOTALS
    assert collector.left_out == 1
    machine.write("proc/net/ip_vs", TABLE)
    machine.write("proc/net/ip_vs_stats", STATISTICS.replace(b"E33656E5", b"E33656G5"))
    assert len(series(collector.collect())) == 4 + 5 * 3
    assert collector.left_out == 1
    machine.write("proc/net/ip_vs_stats", b"")
    assert len(series(collector.collect())) == 5 * 3
    assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"a\nb\n1 2 3 4 5", b"a\nb\n1 2 3 4\n\n", b"a\nb\n\n1 2 3 4 5\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Statistics that are too short are refused, where the table tells nothing either."""
    machine.write("proc/net/ip_vs_stats", data)
    with pytest.raises(Malformed, match="proc/net/ip_vs_stats: expected two lines of names"):
        machine.build("ipvs").collect()


def test_absent(machine: Machine) -> None:
    """Without the module there is nothing."""
    with pytest.raises(Absent):
        machine.build("ipvs").collect()


@given(mangled(TABLE))
def test_any_table(data: bytes) -> None:
    """Whatever the table holds, the parser answers or refuses, and what it remembers makes no difference."""
    parses_or_refuses(lambda: parse_table(data, "ip_vs", {}))
    host = OneFile()
    collector = IpvsCollector(host, ("local_address", "remote_address"))
    host.data = TABLE
    collector.collect()
    host.data = data
    fresh = IpvsCollector(host, ("local_address", "remote_address"))
    parses_or_refuses(lambda: _same(collector, fresh))


def _same(collector: IpvsCollector, fresh: IpvsCollector) -> None:
    assert series(collector.collect()) == series(fresh.collect())
    assert collector.left_out == fresh.left_out


@given(mangled(STATISTICS))
def test_any_statistics(data: bytes) -> None:
    """Whatever the statistics hold, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_statistics(data, "ip_vs_stats"))
