from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.mountstats import MountstatsCollector
from nodescope.collectors.host.nfs_mount_metrics import FLOAT64_EXACT
from nodescope.collectors.host.nfs_mount_stats import addresses, parse_mounts, transports
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

LOCAL = (
    b"device sysfs mounted on /sys with fstype sysfs\n"
    b"no device mounted on /none with fstype tmpfs\n"
    b"device /dev/sda1 mounted on / with fstype ext4\n"
)
TCP = b"tcp 832 1 2 3 11 6428 6427 4 12154 5 24 26 5726"
EVENTS = b"52 226 0 0 1 13 398 0 0 331 0 47 0 0 77 0 0 78 99 0 0 0 0 0 0 3 4"
BYTES = b"1207640230 1 2 3 1210214218 4 295483 5"
READ = b"        READ: 1298 1299 1 207680 1210292152 6 79386 79407 0\n"


def nfs(
    xprt: tuple[bytes, ...] = (TCP,),
    export: bytes = b"10.0.0.1:/srv",
    place: bytes = b"/mnt/nfs",
    version: bytes = b"statvers=1.1",
    fstype: bytes = b"nfs4",
    operations: bytes = READ,
) -> bytes:
    return (
        b"device %s mounted on %s with fstype %s %s\n" % (export, place, fstype, version)
        + b"\topts:\trw,vers=4.2,rsize=1048576,namlen=255,hard,proto=tcp,nconnect=2\n\tage:\t13968\n"
        + b"\timpl_id:\tname='FreeBSD #0 r325575: Mon\nuser@host:/path\n',domain='',date='0,0'\n"
        + b"\tcaps:\tcaps=0xfff7,wtmult=512\n\tnfsv4:\tbm0=0xfdffafff,pnfs=not configured\n"
        + b"\tevents:\t%s \n\tbytes:\t%s \n\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n" % (EVENTS, BYTES)
        + b"".join(b"\txprt:\t%s\n" % line for line in xprt)
        + b"\tper-op statistics\n\t        NULL: 1 1 0 44 24 10 0 10 0\n%s\n" % operations
    )


def mountinfo(*mounts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    return b"21 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" + b"".join(
        b"194 21 0:42 / %s rw,relatime shared:144 master:1 - %s %s rw,vers=4.2,clientaddr=10.0.0.9,addr=%s\n"
        % (place, fstype, export, address)
        for export, place, fstype, address in mounts
    )


ONE = mountinfo((b"10.0.0.1:/srv", b"/mnt/nfs", b"nfs4", b"10.0.0.1"))
LABELS = 'export="10.0.0.1:/srv",protocol="tcp",mountaddr="10.0.0.1"'


def mounted(machine: Machine, data: bytes, info: bytes = ONE) -> MountstatsCollector:
    machine.write("proc/self/mountstats", data)
    machine.write("proc/self/mountinfo", info)
    collector = machine.build("mountstats")
    assert isinstance(collector, MountstatsCollector)
    return collector


def short(found: dict[str, float], labels: str = LABELS) -> dict[str, float]:
    """The series with `labels`, without what all their names have in common."""
    return {
        name.removeprefix("node_mountstats_nfs_").replace(labels, "").replace("{,", "{").replace("{}", ""): value
        for name, value in found.items()
        if labels in name
    }


def test_every_line(machine: Machine) -> None:
    """Age, bytes, events, transports and operations of a mount, by export, protocol and the server's address."""
    collector = mounted(machine, LOCAL + nfs())
    families = list(collector.collect())
    found = short(series(families))
    assert len(found) == 1 + 1 + 8 + 26 + 10 + 2 * 8
    for name, value in {
        'mountpoint_info{mountpoint="/mnt/nfs"}': 1, "age_seconds_total": 13968, "read_bytes_total": 1207640230,
        "total_read_bytes_total": 1210214218, "write_pages_total": 5, "event_inode_revalidate_total": 52,
        "event_vfs_file_release_total": 78, "event_truncation_total": 0, "event_pnfs_write_total": 4,
        'transport_bind_total{transport="0"}': 1, 'transport_connect_total{transport="0"}': 2,
        'transport_idle_time_seconds{transport="0"}': 11, 'transport_sends_total{transport="0"}': 6428,
        'transport_receives_total{transport="0"}': 6427, 'transport_bad_transaction_ids_total{transport="0"}': 4,
        'transport_backlog_queue_total{transport="0"}': 5, 'transport_maximum_rpc_slots{transport="0"}': 24,
        'transport_sending_queue_total{transport="0"}': 26, 'transport_pending_queue_total{transport="0"}': 5726,
        'operations_requests_total{operation="READ"}': 1298, 'operations_transmissions_total{operation="READ"}': 1299,
        'operations_major_timeouts_total{operation="READ"}': 1, 'operations_sent_bytes_total{operation="READ"}': 207680,
        'operations_received_bytes_total{operation="READ"}': 1210292152,
        'operations_queue_time_seconds_total{operation="READ"}': 0.006,
        'operations_response_time_seconds_total{operation="READ"}': 79.386,
        'operations_request_time_seconds_total{operation="READ"}': 79.407,
        'operations_requests_total{operation="NULL"}': 1,
    }.items():  # fmt: skip
        assert found[name] == value, name
    assert {family.metric.name.removeprefix("node_mountstats_nfs_") for family in families
            if family.metric.type == "gauge"} == {
        "mountpoint_info", "transport_idle_time_seconds", "transport_maximum_rpc_slots"
    }  # fmt: skip
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("version", "xprt", "expected"),
    [
        (b"1.0", b"tcp 832 1 2 3 4 5 6 7 8 9", (1, 2, 4, 5, 6, 7, 9, 0, 0, 0)),
        (b"1.0", b"udp 832 1 5 6 7 8 9", (1, 0, 0, 5, 6, 7, 9, 0, 0, 0)),
        (b"1.1", b"tcp 832 1 2 3 4 5 6 7 8 9 10 11 12", (1, 2, 4, 5, 6, 7, 9, 10, 11, 12)),
        (b"1.1", b"udp 832 1 5 6 7 8 9 10 11 12", (1, 0, 0, 5, 6, 7, 9, 10, 11, 12)),
        (b"1.1", b"rdma 0 1 2 3 4 5 6 7 8 9" + b" 77" * 10, (1, 2, 4, 5, 6, 7, 9, 0, 0, 0)),
        (b"1.1", b"rdma 0 1 2 3 4 5 6 7 8 9" + b" 77" * 18, (1, 2, 4, 5, 6, 7, 9, 0, 0, 0)),
    ],
)
def test_transports(machine: Machine, version: bytes, xprt: bytes, expected: tuple[int, ...]) -> None:
    """Each protocol and version has its numbers at their places; those that it does not print are 0."""
    collector = mounted(machine, nfs((xprt,), version=b"statvers=" + version))
    found = series(collector.collect())
    assert tuple(value for name, value in found.items() if "_transport_" in name) == expected
    assert f'protocol="{xprt.split()[0].decode()}"' in next(iter(found))
    assert collector.left_out == 0


def test_many_connections(machine: Machine) -> None:
    """With nconnect every connection has its own series, and the mount is counted once."""
    found = short(series(mounted(machine, nfs((TCP, TCP.replace(b"6428", b"1"), TCP))).collect()))
    assert len(found) == 1 + 1 + 8 + 26 + 3 * 10 + 2 * 8
    assert found['transport_sends_total{transport="1"}'] == 1


def test_two_protocols(machine: Machine) -> None:
    """A mount over two protocols is shown under each, with all its connections."""
    rdma = b"rdma 0 1 2 3 4 5 6 7 8 9" + b" 0" * 17
    found = series(mounted(machine, nfs((TCP, rdma))).collect())
    assert len(found) == 2 * (1 + 1 + 8 + 26 + 2 * 10 + 2 * 8)


def test_same_export_twice(machine: Machine) -> None:
    """An export at two places is counted once, with both places; from another server it is another."""
    data = LOCAL + nfs() + nfs(place=b"/mnt/again") + nfs(place=b"/mnt/again") + nfs(place=b"/mnt/other")
    info = mountinfo(
        (b"10.0.0.1:/srv", b"/mnt/other", b"nfs4", b"10.0.0.2"),
        *((b"10.0.0.1:/srv", place, b"nfs4", b"10.0.0.1") for place in (b"/mnt/nfs", b"/mnt/again", b"/mnt/again")),
    )
    collector = mounted(machine, data, info)
    families = list(collector.collect())
    found = series(families)
    assert len(found) == sum(len(family.rows) for family in families)
    assert len(short(found)) == 2 + 1 + 8 + 26 + 10 + 2 * 8
    assert len(found) == len(short(found)) + 1 + 1 + 8 + 26 + 10 + 2 * 8
    assert f'node_mountstats_nfs_mountpoint_info{{{LABELS},mountpoint="/mnt/again"}}' in found
    assert collector.left_out == 0


def test_one_above_the_other(machine: Machine) -> None:
    """Of two mounts at one place each has the address of its own server."""
    info = mountinfo(*((b"s:/x", b"/mnt", b"nfs4", address) for address in (b"fe80::1", b"fe80::2")))
    data = nfs(export=b"s:/x", place=b"/mnt") * 2
    found = series(mounted(machine, data, info).collect())
    assert [name for name in found if "info" in name] == [
        f'node_mountstats_nfs_mountpoint_info{{export="s:/x",protocol="tcp",mountaddr="{address}",mountpoint="/mnt"}}'
        for address in ("fe80::1", "fe80::2")
    ]


@pytest.mark.parametrize("info", [b"", b"nonsense - nfs4\n", ONE.replace(b",addr=", b",address=")])
def test_address_that_is_not_known(machine: Machine, info: bytes) -> None:
    """A mount whose address is not shown has an empty one."""
    found = series(mounted(machine, nfs(), info).collect())
    assert len(short(found, LABELS.replace('mountaddr="10.0.0.1"', 'mountaddr=""'))) == len(found) > 60


def test_no_mountinfo(machine: Machine) -> None:
    """Without mountinfo the statistics are shown all the same, and it is counted."""
    machine.write("proc/self/mountstats", nfs())
    collector = machine.build("mountstats")
    assert len(series(collector.collect())) == 62
    assert collector.left_out == 1


def test_names_as_the_kernel_prints_them(machine: Machine) -> None:
    """Blanks in names stay escaped, bytes that are not UTF-8 are replaced."""
    data = nfs(export=b"s:/a\\040b", place=b"/mnt/\xff\xfe")
    found = series(mounted(machine, data, mountinfo((b"s:/a\\040b", b"/mnt/\xff\xfe", b"nfs4", b"1.2.3.4"))).collect())
    assert next(iter(found)) == (
        'node_mountstats_nfs_mountpoint_info{export="s:/a\\040b",protocol="tcp",mountaddr="1.2.3.4",'
        'mountpoint="/mnt/\ufffd"}'
    )


def test_times_that_have_gone_below_zero(machine: Machine) -> None:
    """Times wrap at 2**53 milliseconds, and idle times at 2**53 seconds."""
    data = nfs((TCP.replace(b" 11 ", b" 9007199254740999 "),), operations=b"READ: 1 1 0 1 1 18446743919241604546 0 0\n")
    found = short(series(mounted(machine, data).collect()))
    assert found['transport_idle_time_seconds{transport="0"}'] == 9007199254740999 % FLOAT64_EXACT
    assert found['operations_queue_time_seconds_total{operation="READ"}'] == (
        18446743919241604546 % 9007199254740992 / 1000.0
    )


def test_no_nfs(machine: Machine) -> None:
    """Without NFS mounts there are no series, and mountinfo is not needed."""
    machine.write("proc/self/mountstats", LOCAL)
    collector = machine.build("mountstats")
    assert list(collector.collect()) == []
    assert collector.left_out == 0


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters, operations, addresses and mounts that change between two scrapes are seen."""
    collector = mounted(machine, nfs())
    before = list(collector.collect())
    copy = [list(family.rows) for family in before]
    newer = nfs(
        (TCP.replace(b"6428", b"6429"),), operations=READ.replace(b"1298", b"1300") + b"CLONE: 1 1 0 0 0 0 0 0 0\n"
    )
    machine.write("proc/self/mountstats", newer.replace(b"13968", b"13969").replace(b"1207640230", b"1207640231"))
    found = short(series(collector.collect()))
    assert found["age_seconds_total"] == 13969
    assert found["read_bytes_total"] == 1207640231
    assert found['transport_sends_total{transport="0"}'] == 6429
    assert found['operations_requests_total{operation="READ"}'] == 1300
    assert found['operations_requests_total{operation="CLONE"}'] == 1
    assert [list(family.rows) for family in before] == copy
    machine.write("proc/self/mountinfo", ONE.replace(b"addr=10.0.0.1", b"addr=10.0.0.7"))
    assert all("10.0.0.7" in name for name in series(collector.collect()))
    machine.write("proc/self/mountstats", LOCAL)
    assert list(collector.collect()) == []


@pytest.mark.parametrize(
    ("was", "now", "gone"),
    [
        (b"age:\t13968", b"age:\tx", 1),
        (b"age:\t13968", b"age:", 1),
        (BYTES, BYTES[:-2], 8),
        (BYTES, BYTES.replace(b" 295483", b" -1"), 1),
        (EVENTS, EVENTS[:-2], 26),
        (EVENTS, EVENTS.replace(b"398", b"3_8"), 1),
        (TCP, TCP[:-5], 10),
        (TCP, TCP + b" 1", 10),
        (TCP, TCP.replace(b" 11 ", b" -11 "), 1),
        (b"READ: 1298", b"READ: x", 1),
        (READ, b"        READ: 1298 1299 1 207680\n", 8),
        (READ, b"        READ 1298 1299 1 207680 1210292152 6 79386 79407 0\n", 8),
        (READ, READ.replace(b"READ:", b":"), 8),
        (READ, READ + READ, 0),
        (b"\tage:", b"\tage:\t13968\n\tage:", 0),
    ],
)
def test_broken_line(machine: Machine, was: bytes, now: bytes, gone: int) -> None:
    """A line that is too short costs its own series, a bad number its own; other lines and mounts keep theirs."""
    other = nfs(export=b"10.0.0.2:/other", place=b"/mnt/other")
    collector = mounted(machine, nfs() + other)
    whole = series(collector.collect())
    machine.write("proc/self/mountstats", nfs().replace(was, now) + other)
    for _ in range(2):
        found = series(collector.collect())
        assert found.items() <= whole.items()
        assert len(whole) - len(found) == gone
        assert collector.left_out == 1


@pytest.mark.parametrize(
    "broken",
    [
        nfs().replace(b" mounted on ", b" BAD "),
        nfs().replace(b" with fstype ", b" with "),
        nfs(version=b"statvers=1.2"),
        nfs((b"tcpx" + TCP[3:],)),
        nfs((b"",)),
        nfs((b"rdma 0 1 2 3 4 5 6 7 8 9" + b" 77" * 10,), version=b"statvers=1.0"),
        b"device 10.0.0.1:/srv\n",
    ],
)
def test_broken_mount(machine: Machine, broken: bytes) -> None:
    """A mount that is not understood, of an unknown version or protocol, costs itself alone."""
    other = nfs(export=b"10.0.0.2:/other", place=b"/mnt/other")
    collector = mounted(machine, LOCAL + broken + other)
    for _ in range(2):
        found = series(collector.collect())
        assert len(found) == 62
        assert all("/other" in name for name in found)
        assert collector.left_out == 1


def test_other_filesystems_and_mounts_without_statistics(machine: Machine) -> None:
    """Statistics of other filesystems, and NFS mounts without any, are no error."""
    data = (
        nfs(fstype=b"other") + b"device s:/x mounted on /y with fstype nfs4\n"
        b"device s:/x mounted on /y with fstype nfs4 statvers=1.1\n"
    )
    collector = mounted(machine, data)
    assert list(collector.collect()) == []
    assert collector.left_out == 0


@pytest.mark.parametrize("data", [b"", b"nonsense\n", b"\tage: 1\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without a mount is refused."""
    machine.write("proc/self/mountstats", data)
    with pytest.raises(Malformed, match="proc/self/mountstats: expected lines like: device DEVICE mounted on"):
        machine.build("mountstats").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("mountstats").collect()


@given(mangled(LOCAL + nfs((TCP, TCP)) + nfs(place=b"/mnt/again")))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, it is answered or refused, without a series twice, and memory makes no difference."""
    parses_or_refuses(lambda: [transports(mount) for mount in parse_mounts(data, "mountstats")[0]])
    host = OneFile()
    collector = MountstatsCollector(host)
    host.data = nfs()
    collector.collect()
    host.data = data
    parses_or_refuses(lambda: _same(collector, MountstatsCollector(host)))


def _same(collector: MountstatsCollector, fresh: MountstatsCollector) -> None:
    families = fresh.collect()
    assert series(collector.collect()) == series(families)
    assert collector.left_out == fresh.left_out
    assert len(series(families)) == sum(len(family.rows) for family in families)


@given(mangled(ONE))
def test_any_mountinfo(data: bytes) -> None:
    """Whatever mountinfo holds, addresses are found or not."""
    parses_or_refuses(lambda: addresses(data))
