"""Ports that are listened on: the sampler, and the collector that shows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodescope.collectors.host.listening import ListeningPortsSampler
from nodescope.collectors.host.listening_ports import ListeningPortsCollector
from nodescope.host import Absent, Host, Malformed
from nodescope.records.listening import ListeningPort, ListeningTables
from nodescope.settings.rdma import LISTENING, LISTENING_OPTIONS
from tests.collectors.gpu.gpu_snapshot import loop_of
from tests.collectors.host.machine import Machine, series
from tests.kernel.test_listening import HEADING, rows


def summary(ports: int, dropped: int = 0, malformed: int = 0, dropped_total: int | None = None) -> ListeningTables:
    total = dropped if dropped_total is None else dropped_total
    return ListeningTables(ports=ports, dropped=dropped, dropped_total=total, malformed_rows_total=malformed)


def port(number: int, family: str = "tcp", address: str = "wildcard") -> ListeningPort:
    return ListeningPort(port=number, family=family, address=address)


def test_both_families(machine: Machine) -> None:
    """Each port is there once for each family, with the widest of its addresses."""
    machine.write(
        "proc/1/net/tcp", HEADING + rows(("0100007F", 80, "0A"), ("00000000", 80, "0A"), ("0100007F", 22, "0A"))
    )
    machine.write("proc/1/net/tcp6", HEADING + rows(("00000000" * 4, 22, "0A"), ("00000000" * 4, 9, "01")))
    assert ListeningPortsSampler(machine.host).sample() == (
        summary(3), port(22, "tcp", "loopback"), port(22, "tcp6"), port(80, "tcp"),
    )  # fmt: skip


def test_the_network_of_the_first_process(machine: Machine) -> None:
    """It comes before the own one, which is read where the first process is not to be seen."""
    machine.write("proc/net/tcp", HEADING + rows(("00000000", 1, "0A")))
    sampler = ListeningPortsSampler(machine.host)
    assert sampler.sample() == (summary(1), port(1))
    machine.write("proc/1/net/tcp", HEADING + rows(("00000000", 2, "0A")))
    assert sampler.sample() == (summary(1), port(2))
    (machine.folder / "proc/1/net/tcp").write_text("?")
    assert sampler.sample() == (summary(1), port(1))


def test_no_tcp(machine: Machine) -> None:
    """Without tables the ports are absent; a table that is none is a failure where there is no other."""
    sampler = ListeningPortsSampler(machine.host)
    with pytest.raises(Absent):
        sampler.sample()
    machine.write("proc/net/tcp", "?")
    with pytest.raises(Malformed):
        sampler.sample()
    machine.write("proc/net/tcp6", HEADING)
    assert sampler.sample() == (summary(0),)


def test_too_many_ports(machine: Machine) -> None:
    """Those with the lowest numbers are told of, the others are counted, and so are rows that are none."""
    machine.write("proc/net/tcp", HEADING + rows(*(("00000000", number, "0A") for number in (9, 8, 7))) + "odd row\n")
    sampler = ListeningPortsSampler(machine.host, max_ports=2)
    assert sampler.sample() == (summary(3, 1, 1), port(7), port(8))
    assert sampler.sample()[0] == summary(3, 1, 2, dropped_total=2)
    assert sampler.left_out == 2


def test_the_collector() -> None:
    """A series for each port, how many there are, and what was lost."""
    with loop_of(summary(3, 1, 2, dropped_total=5), port(22), port(22, "tcp6")) as loop:
        collector = ListeningPortsCollector(loop)
        assert series(collector.collect()) == {
            'nodescope_listening_port{port="22",family="tcp"}': 1,
            'nodescope_listening_port{port="22",family="tcp6"}': 1,
            "nodescope_listening_ports": 3,
            "nodescope_listening_ports_dropped_total": 5,
            "nodescope_listening_malformed_rows_total": 2,
        }
        assert collector.left_out == 3
        assert collector.collect() is collector.collect()


def test_it_is_off_by_default() -> None:
    """Nobody's ports are shown unasked, and each option is of this collector."""
    assert [collects.on for collects in LISTENING] == [False]
    assert {option.key.split(".")[1] for option in LISTENING_OPTIONS} == {collects.name for collects in LISTENING}


def test_this_machine() -> None:
    """The kernel's own tables are read, whatever is in them."""
    if not Path("/proc/self/net/tcp").exists() or not os.access("/proc/net/tcp", os.R_OK):
        pytest.skip("no /proc/net/tcp")
    summary_of, *ports = ListeningPortsSampler(Host()).sample()
    assert summary_of.ports == len(ports) + summary_of.dropped
    assert summary_of.malformed_rows_total == 0
