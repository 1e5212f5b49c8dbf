from __future__ import annotations

import pytest

from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, series

HEAD = (
    b"rc 1 6 18622\nfh 7 0 0 0 0\nio 157286400 72864\n"
    b"th 8 0 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000\n"
    b"ra 32 0 0 0 0 0 0 0 0 0 0 9\nnet 972 55 917 1\nrpc 18628 3 1 2 4\n"
)
PROC2 = b"proc2 18 2 69 0 0 4410 0 0 0 0 0 0 0 0 0 0 0 99 2\n"
PROC3 = b"proc3 22 2 112 0 2719 111 0 0 0 0 0 0 0 0 0 0 0 27 216 0 2 1 3\n"
WDELEG = b"wdeleg_getattr 15\n"


def proc4ops(operations: int) -> bytes:
    """A line of as many operations, the number of each 100 more than the operation's."""
    return b"proc4ops %d %s\n" % (operations, b" ".join(b"%d" % (100 + number) for number in range(operations)))


STATS = HEAD + PROC2 + PROC3 + b"proc4 2 2 10853\n" + proc4ops(76) + WDELEG
REQUESTS = 17 + 21 + 35 + 1


def test_every_line(machine: Machine) -> None:
    """Caches, bytes, threads, packets and errors, and the calls of each version but those that do nothing."""
    machine.write("proc/net/rpc/nfsd", STATS)
    collector = machine.build("nfsd")
    families = list(collector.collect())
    found = series(families)
    assert {name: value for name, value in found.items() if "requests" not in name} == {
        "node_nfsd_reply_cache_hits_total": 1, "node_nfsd_reply_cache_misses_total": 6,
        "node_nfsd_reply_cache_nocache_total": 18622, "node_nfsd_file_handles_stale_total": 7,
        "node_nfsd_disk_bytes_read_total": 157286400, "node_nfsd_disk_bytes_written_total": 72864,
        "node_nfsd_server_threads": 8, "node_nfsd_read_ahead_cache_size_blocks": 32,
        "node_nfsd_read_ahead_cache_not_found_total": 9, 'node_nfsd_packets_total{proto="udp"}': 55,
        'node_nfsd_packets_total{proto="tcp"}': 917, "node_nfsd_connections_total": 1,
        "node_nfsd_server_rpcs_total": 18628, 'node_nfsd_rpc_errors_total{error="fmt"}': 1,
        'node_nfsd_rpc_errors_total{error="auth"}': 2, 'node_nfsd_rpc_errors_total{error="cInt"}': 4,
    }  # fmt: skip
    assert len(found) == 16 + REQUESTS
    for proto, method, value in (
        (2, "GetAttr", 69), (2, "FsStat", 2), (3, "ReadDirPlus", 216), (3, "Commit", 3), (4, "Access", 103),
        (4, "PutFH", 122), (4, "Read", 125), (4, "RelLockOwner", 139), (4, "WdelegGetattr", 15),
    ):  # fmt: skip
        assert found[f'node_nfsd_requests_total{{proto="{proto}",method="{method}"}}'] == value
    assert not any(method in name for name in found for method in ('"Null"', '"Compound"', '"PutRootFH"', '"PutPubFH"'))
    assert {family.metric.name for family in families if family.metric.type == "gauge"} == {
        "node_nfsd_server_threads", "node_nfsd_read_ahead_cache_size_blocks"
    }  # fmt: skip
    assert collector.left_out == 0


@pytest.mark.parametrize(("operations", "last"), [(39, 0), (40, 139), (59, 139), (72, 139), (80, 139)])
def test_kernels_with_fewer_and_more_operations(machine: Machine, operations: int, last: int) -> None:
    """Whatever number of operations the kernel knows, those shown keep their places; one it does not know is 0."""
    machine.write("proc/net/rpc/nfsd", HEAD + PROC3 + proc4ops(operations))
    collector = machine.build("nfsd")
    found = series(collector.collect())
    assert found['node_nfsd_requests_total{proto="4",method="Write"}'] == 138
    assert found['node_nfsd_requests_total{proto="4",method="RelLockOwner"}'] == last
    assert collector.left_out == 0


def test_older_kernel(machine: Machine) -> None:
    """Without NFSv2, NFSv4 or the counter of delegations, their calls are 0."""
    machine.write("proc/net/rpc/nfsd", HEAD + PROC3)
    collector = machine.build("nfsd")
    found = series(collector.collect())
    assert len(found) == 16 + REQUESTS
    assert {value for name, value in found.items() if 'proto="2"' in name or 'proto="4"' in name} == {0}
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("was", "now", "gone"),
    [
        (b"rc 1 6 18622", b"rc 1 6", 3),
        (b"fh 7", b"fh x", 1),
        (b"io 157286400", b"io -157286400", 2),
        (b"th 8 0", b"th 8", 1),
        (b"ra 32 0", b"ra 32", 2),
        (b"net 972", b"net", 3),
        (b"rpc 18628", b"rpc 18628 0", 4),
        (b"proc2 18", b"proc2 19", 17),
        (b"proc3 22", b"proc3 21", 21),
        (b"proc4ops 76", b"proc4ops 38", 35),
        (b"wdeleg_getattr 15", b"wdeleg_getattr", 1),
        (b"proc4 2 2", b"proc4 3 2", 0),
    ],
)
def test_broken_line(machine: Machine, was: bytes, now: bytes, gone: int) -> None:
    """A line that is not as documented costs its own series, which are absent rather than 0."""
    machine.write("proc/net/rpc/nfsd", STATS)
    collector = machine.build("nfsd")
    whole = series(collector.collect())
    machine.write("proc/net/rpc/nfsd", STATS.replace(was, now))
    for _ in range(2):
        found = series(collector.collect())
        assert found.items() <= whole.items()
        assert len(whole) - len(found) == gone
        assert collector.left_out == 1


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters that have changed between two scrapes are seen."""
    machine.write("proc/net/rpc/nfsd", STATS)
    collector = machine.build("nfsd")
    collector.collect()
    machine.write("proc/net/rpc/nfsd", STATS.replace(b"th 8", b"th 9").replace(b"getattr 15", b"getattr 16"))
    found = series(collector.collect())
    assert found["node_nfsd_server_threads"] == 9
    assert found['node_nfsd_requests_total{proto="4",method="WdelegGetattr"}'] == 16


@pytest.mark.parametrize("data", [b"", b"rc\n", b"\xff\xfe 1 2\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without one good line is refused."""
    machine.write("proc/net/rpc/nfsd", data)
    with pytest.raises(Malformed, match="proc/net/rpc/nfsd: expected lines of a word and numbers: rc, fh"):
        machine.build("nfsd").collect()


def test_absent(machine: Machine) -> None:
    """Without the NFS server there is nothing."""
    with pytest.raises(Absent):
        machine.build("nfsd").collect()
