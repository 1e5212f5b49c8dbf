from __future__ import annotations

import errno

import pytest
from hypothesis import given

from nodescope.collectors.host.udp_queues import parse_queues
from nodescope.host import Absent, Malformed
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

HEADING = b"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(queues: bytes, slot: int = 7) -> bytes:
    rest = b"00:00000000 00000000     0        0 2740 2 ffff88003d3af3c0 0"
    return b"%5d: 00000000:0016 00000000:0000 07 %s %s   \n" % (slot, queues, rest)


EMPTY = line(b"00000000:00000000")
SAMPLE = HEADING + line(b"00000015:00000000", slot=12345) + EMPTY + line(b"ffffffff:00000A00")


def rows(ip: str, **queues: int) -> dict[str, float]:
    return {f'node_udp_queues{{queue="{queue}",ip="{ip}"}}': number for queue, number in queues.items()}


def test_sums(machine: Machine) -> None:
    """Bytes that wait to be sent and to be received, over all sockets of IPv4 and of IPv6."""
    machine.write("proc/net/udp", SAMPLE)
    machine.write("proc/net/udp6", HEADING)
    collector = machine.build("udp_queues")
    assert series(collector.collect()) == {**rows("v4", tx=2**32 + 20, rx=2560), **rows("v6", tx=0, rx=0)}
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("broken", "known"),
    [
        (line(b"zz:00000001"), {"rx": 1}), (line(b"00000001:0x1"), {"tx": 1}), (line(b"1_0:2"), {"rx": 2}),
        (line(b"00000001"), {}), (line(b"1:2:3"), {}), (b"   1: 00000000:0016 00000000:0000 07\n", {}),
        (line(b"10000000000000000:5"), {"rx": 5}),
    ],
)  # fmt: skip
def test_a_broken_line(machine: Machine, broken: bytes, known: dict[str, int]) -> None:
    """A sum of which one part cannot be read is unknown; the line is counted, the other sums stay."""
    machine.write("proc/net/udp", HEADING + EMPTY + broken + EMPTY)
    machine.write("proc/net/udp6", SAMPLE)
    collector = machine.build("udp_queues")
    assert series(collector.collect()) == {**rows("v4", **known), **rows("v6", tx=2**32 + 20, rx=2560)}
    assert collector.left_out == 1


def test_one_file_is_broken(machine: Machine) -> None:
    """A file without its heading costs itself alone."""
    machine.write("proc/net/udp", b"")
    machine.write("proc/net/udp6", HEADING)
    collector = machine.build("udp_queues")
    assert series(collector.collect()) == rows("v6", tx=0, rx=0)
    assert collector.left_out == 1


def test_a_refused_file_costs_itself_alone(machine: Machine) -> None:
    """A file that the kernel refuses is counted, the other stays."""
    machine.write("proc/net/udp6", HEADING)
    host = DriverHost(machine)
    host.refuses["net/udp"] = errno.EIO
    collector = host.build("udp_queues")
    assert series(collector.collect()) == rows("v6", tx=0, rx=0)
    assert collector.left_out == 1


def test_malformed(machine: Machine) -> None:
    """Where neither file can be read, that is refused, and the message names the file."""
    machine.write("proc/net/udp", b"what\n")
    with pytest.raises(Malformed, match="proc/net/udp: expected a heading"):
        machine.build("udp_queues").collect()


def test_nothing_known(machine: Machine) -> None:
    """Sums that are all unknown are no family."""
    machine.write("proc/net/udp", HEADING + line(b"x:y"))
    collector = machine.build("udp_queues")
    assert collector.collect() == []
    assert collector.left_out == 1


def test_absent(machine: Machine) -> None:
    """Without the files there is nothing."""
    with pytest.raises(Absent):
        machine.build("udp_queues").collect()


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the bytes of its moment."""
    machine.write("proc/net/udp", SAMPLE)
    collector = machine.build("udp_queues")
    collector.collect()
    machine.write("proc/net/udp", HEADING + line(b"00000000:00000001"))
    assert series(collector.collect()) == rows("v4", tx=0, rx=1)


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_queues(data, "udp"))
