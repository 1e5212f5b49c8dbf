from __future__ import annotations

import pytest

from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, series

PROC2 = b"proc2 18 16 57 74 52 71 73 45 86 0 52 83 61 17 53 50 23 70 82\n"
PROC3 = b"proc3 22 0 1061909262 48906 4077635 117661341 5 29391916 257 299 590 0 0 7815 15 1130 0 39 92 13 2 1 23\n"
STATS = b"net 70 71 69 45\nrpc 1218785755 374636 1218815394\n" + PROC2 + PROC3


def proc4(procedures: int) -> bytes:
    """A line of as many procedures, the number of each 100 more than its place."""
    return b"proc4 %d %s\n" % (procedures, b" ".join(b"%d" % (100 + place) for place in range(procedures)))


def test_packets_calls_and_procedures(machine: Machine) -> None:
    """Packets by protocol, connections, calls, and the procedures of each version."""
    machine.write("proc/net/rpc/nfs", STATS + proc4(59))
    collector = machine.build("nfs")
    families = list(collector.collect())
    found = series(families)
    assert {name: value for name, value in found.items() if "requests" not in name} == {
        'node_nfs_packets_total{protocol="udp"}': 71, 'node_nfs_packets_total{protocol="tcp"}': 69,
        "node_nfs_connections_total": 45, "node_nfs_rpcs_total": 1218785755,
        "node_nfs_rpc_retransmissions_total": 374636, "node_nfs_rpc_authentication_refreshes_total": 1218815394,
    }  # fmt: skip
    assert len(found) == 6 + 18 + 22 + 59
    for proto, method, value in (
        (2, "Null", 16), (2, "FsStat", 82), (3, "GetAttr", 1061909262), (3, "Commit", 23), (4, "Null", 100),
        (4, "GetDeviceInfo", 144), (4, "LayoutGet", 145), (4, "Clone", 158),
    ):  # fmt: skip
        assert found[f'node_nfs_requests_total{{proto="{proto}",method="{method}"}}'] == value
    assert {family.metric.type for family in families} == {"counter"}
    assert collector.left_out == 0


@pytest.mark.parametrize(("procedures", "clone", "null"), [(0, 0, 0), (48, 0, 100), (68, 158, 100), (72, 158, 100)])
def test_kernels_with_fewer_and_more_procedures(machine: Machine, procedures: int, clone: int, null: int) -> None:
    """Procedures that the kernel does not know yet are 0, those that it knows beyond ours are not shown."""
    machine.write("proc/net/rpc/nfs", STATS + proc4(procedures))
    collector = machine.build("nfs")
    found = series(collector.collect())
    assert len(found) == 6 + 18 + 22 + 59
    assert found['node_nfs_requests_total{proto="4",method="Clone"}'] == clone
    assert found['node_nfs_requests_total{proto="4",method="Null"}'] == null
    assert collector.left_out == 0


def test_version_that_is_not_loaded(machine: Machine) -> None:
    """A version of NFS without a line was never called."""
    machine.write("proc/net/rpc/nfs", STATS.replace(PROC2, b"") + proc4(59))
    collector = machine.build("nfs")
    found = series(collector.collect())
    assert [value for name, value in found.items() if 'proto="2"' in name] == [0] * 18
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("was", "now", "gone"),
    [
        (b"net 70 71 69 45", b"net 70 71 69", 3),
        (b"net 70 71 69 45", b"net 70 71 69 45 46", 3),
        (b"rpc 1218785755", b"rpc -1", 3),
        (b"proc2 18", b"proc2 17", 18),
        (b"proc3 22 0", b"proc3 22 x", 22),
        (b"proc4 59", b"proc4 58", 59),
    ],
)
def test_broken_line(machine: Machine, was: bytes, now: bytes, gone: int) -> None:
    """A line that is not as documented costs its own series, which are absent rather than 0."""
    machine.write("proc/net/rpc/nfs", STATS + proc4(59))
    collector = machine.build("nfs")
    whole = series(collector.collect())
    machine.write("proc/net/rpc/nfs", (STATS + proc4(59)).replace(was, now))
    for _ in range(2):
        found = series(collector.collect())
        assert found.items() < whole.items()
        assert len(whole) - len(found) == gone
        assert collector.left_out == 1


def test_unknown_line(machine: Machine) -> None:
    """A line of a kind that is not known costs nothing but is counted."""
    machine.write("proc/net/rpc/nfs", STATS + b"proc5 1 1\n" + proc4(59))
    collector = machine.build("nfs")
    assert len(series(collector.collect())) == 6 + 18 + 22 + 59
    assert collector.left_out == 1


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters that have changed between two scrapes are seen, and what was given before stays as it was."""
    machine.write("proc/net/rpc/nfs", STATS)
    collector = machine.build("nfs")
    before = list(collector.collect())
    copy = [list(family.rows) for family in before]
    machine.write("proc/net/rpc/nfs", STATS.replace(b"net 70 71", b"net 70 72").replace(b"22 0 1061909262", b"22 1 7"))
    found = series(collector.collect())
    assert found['node_nfs_packets_total{protocol="udp"}'] == 72
    assert found['node_nfs_requests_total{proto="3",method="GetAttr"}'] == 7
    assert [list(family.rows) for family in before] == copy
    machine.remove("proc/net/rpc/nfs")
    with pytest.raises(Absent):
        collector.collect()


@pytest.mark.parametrize("data", [b"", b"net\n", b"\xff\xfe 1 2\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without one good line is refused."""
    machine.write("proc/net/rpc/nfs", data)
    with pytest.raises(Malformed, match="proc/net/rpc/nfs: expected lines of a word and numbers: net, rpc"):
        machine.build("nfs").collect()


def test_absent(machine: Machine) -> None:
    """Without the NFS client there is nothing."""
    with pytest.raises(Absent):
        machine.build("nfs").collect()
