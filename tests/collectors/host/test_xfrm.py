from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.xfrm import METRICS, parse_xfrm_stat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

PATH = "proc/net/xfrm_stat"
SAMPLE = b"".join(b"%-24s\t%d\n" % (key, number) for number, key in enumerate(METRICS))


def test_counters(machine: Machine) -> None:
    """Each counter that the kernel documents is a series."""
    machine.write(PATH, SAMPLE)
    collector = machine.build("xfrm")
    found = series(collector.collect())
    assert found == {metric.name: number for number, metric in enumerate(METRICS.values())}
    assert found["node_xfrm_in_buffer_error_packets_total"] == 1
    assert len(found) == 28
    assert collector.left_out == 0


def test_other_kernels(machine: Machine) -> None:
    """A counter that a kernel does not have is absent, one that is not known here is not looked at."""
    machine.write(PATH, b"XfrmInError 3\nXfrmInIptfsError 4\n\n")
    collector = machine.build("xfrm")
    assert series(collector.collect()) == {"node_xfrm_in_error_packets_total": 3}
    assert collector.left_out == 0


@pytest.mark.parametrize("line", [b"XfrmInHdrError", b"XfrmInHdrError -1", b"XfrmInHdrError 1 2", b"XfrmInError 5"])
def test_one_broken_line(machine: Machine, line: bytes) -> None:
    """A line that is not as documented, or comes twice, costs its own counter and is counted."""
    machine.write(PATH, b"XfrmInError 3\n" + line + b"\n")
    collector = machine.build("xfrm")
    assert series(collector.collect()) == {"node_xfrm_in_error_packets_total": 3}
    assert collector.left_out == 1


@pytest.mark.parametrize("content", [b"", b"XfrmInError x\n", b"Other 1\n"])
def test_malformed(machine: Machine, content: bytes) -> None:
    """A file without any known counter is no such file, at each scrape."""
    machine.write(PATH, content)
    collector = machine.build("xfrm")
    for _ in range(2):
        with pytest.raises(Malformed, match="xfrm_stat"):
            collector.collect()


def test_between_two_scrapes(machine: Machine) -> None:
    """The second scrape sees new values."""
    machine.write(PATH, b"XfrmInError 3\n")
    collector = machine.build("xfrm")
    collector.collect()
    machine.write(PATH, b"XfrmInError 4\n")
    assert series(collector.collect()) == {"node_xfrm_in_error_packets_total": 4}


def test_absent(machine: Machine) -> None:
    """A kernel without these statistics has none."""
    with pytest.raises(Absent):
        machine.build("xfrm").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds is read or refused."""
    parses_or_refuses(lambda: parse_xfrm_stat(data, "xfrm_stat"))
