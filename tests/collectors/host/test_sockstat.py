from __future__ import annotations

import errno
import resource

import pytest
from hypothesis import given

from nodescope.collectors.host.sockstat import metric_of, parse_sockstat
from nodescope.host import Absent, Malformed
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

V4 = b"""sockets: used 229
TCP: inuse 4 orphan 1 tw 5 alloc 17 mem 3
UDP: inuse 2 mem 0
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 7
"""
V6 = b"TCP6: inuse 17\nUDP6: inuse 9\nUDPLITE6: inuse 0\nRAW6: inuse 1\nFRAG6: inuse 0 memory 2\n"
PAGE = resource.getpagesize()


def of(found: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("node_sockstat_"): number for name, number in found.items()}


def test_both_files(machine: Machine) -> None:
    """Every state of every protocol; memory of pages in bytes as well; the total of IPv4 alone."""
    machine.write("proc/net/sockstat", V4)
    machine.write("proc/net/sockstat6", b"sockets: used 5\n" + V6)
    collector = machine.build("sockstat")
    assert of(series(collector.collect())) == {
        "sockets_used": 229, "TCP_inuse": 4, "TCP_orphan": 1, "TCP_tw": 5, "TCP_alloc": 17, "TCP_mem": 3,
        "TCP_mem_bytes": 3 * PAGE, "UDP_inuse": 2, "UDP_mem": 0, "UDP_mem_bytes": 0, "UDPLITE_inuse": 0,
        "RAW_inuse": 0, "FRAG_inuse": 0, "FRAG_memory": 7, "TCP6_inuse": 17, "UDP6_inuse": 9, "UDPLITE6_inuse": 0,
        "RAW6_inuse": 1, "FRAG6_inuse": 0, "FRAG6_memory": 2,
    }  # fmt: skip
    assert collector.left_out == 0
    assert metric_of("TCP", "tw").help == "Number of TCP sockets in state tw."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"TCP:", {}),
        (b"TCP: inuse", {}),
        (b"TCP: inuse x orphan 1_0 tw +5 mem 4", {"TCP_mem": 4, "TCP_mem_bytes": 4 * PAGE}),
        (b"TCP: inuse 1 tw", {"TCP_inuse": 1}),
        (b"TCP: inuse 9223372036854775808 alloc 2", {"TCP_alloc": 2}),
        (b"TCP: inuse 1\nTCP: inuse 2", {"TCP_inuse": 1}),
    ],
)
def test_a_broken_line(machine: Machine, line: bytes, expected: dict[str, float]) -> None:
    """What cannot be read costs itself, and its line is counted; the rest of the line and its siblings stay."""
    machine.write("proc/net/sockstat", line + b"\nUDP: inuse 2\n")
    collector = machine.build("sockstat")
    for _ in range(2):
        assert of(series(collector.collect())) == {**expected, "UDP_inuse": 2}
        assert collector.left_out == 1


def test_numbers_with_sign(machine: Machine) -> None:
    """A number below 0 is shown as it is."""
    machine.write("proc/net/sockstat", b"TCP: inuse 1 mem -3\n")
    assert of(series(machine.build("sockstat").collect())) == {
        "TCP_inuse": 1,
        "TCP_mem": -3,
        "TCP_mem_bytes": -3 * PAGE,
    }


def test_an_odd_protocol(machine: Machine) -> None:
    """What cannot stand in a metric's name is replaced; a state that is not known is no metric."""
    machine.write("proc/net/sockstat", b"M-P\xff: inuse 1 novel 2\nUDP: inuse 3\n")
    collector = machine.build("sockstat")
    assert of(series(collector.collect())) == {"M_P__inuse": 1, "UDP_inuse": 3}
    assert collector.left_out == 0


def test_one_file_is_broken(machine: Machine) -> None:
    """One file that cannot be read, or says what the other said, costs itself alone."""
    machine.write("proc/net/sockstat", V4)
    machine.write("proc/net/sockstat6", b"what\n")
    collector = machine.build("sockstat")
    assert len(series(collector.collect())) == 14
    assert collector.left_out == 1
    machine.write("proc/net/sockstat6", b"UDPLITE: inuse 5\nTCP6: inuse 1\n")
    found = of(series(collector.collect()))
    assert (found["UDPLITE_inuse"], found["TCP6_inuse"]) == (0, 1)
    assert collector.left_out == 1


def test_a_refused_file_costs_itself_alone(machine: Machine) -> None:
    """A file that the kernel refuses is counted, the other stays."""
    machine.write("proc/net/sockstat", V4)
    host = DriverHost(machine)
    host.refuses["sockstat6"] = errno.EIO
    collector = host.build("sockstat")
    assert len(series(collector.collect())) == 14
    assert collector.left_out == 1


def test_without_ipv6(machine: Machine) -> None:
    """Each file stands for itself."""
    machine.write("proc/net/sockstat6", V6)
    assert len(series(machine.build("sockstat").collect())) == 6


def test_malformed(machine: Machine) -> None:
    """A file without one line that can be read is refused, and the message names it."""
    machine.write("proc/net/sockstat", b"")
    with pytest.raises(Malformed, match="proc/net/sockstat: expected lines of a protocol"):
        machine.build("sockstat").collect()


def test_absent(machine: Machine) -> None:
    """Without the files there is nothing."""
    with pytest.raises(Absent):
        machine.build("sockstat").collect()


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the numbers of its moment, and what is gone is gone."""
    machine.write("proc/net/sockstat", V4)
    collector = machine.build("sockstat")
    collector.collect()
    machine.write("proc/net/sockstat", b"sockets: used 230\nTCP: inuse 5\n")
    assert of(series(collector.collect())) == {"sockets_used": 230, "TCP_inuse": 5}


@given(mangled(V4) | mangled(V6))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_sockstat(data, "sockstat"))
