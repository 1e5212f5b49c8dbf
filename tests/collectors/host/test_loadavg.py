from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.loadavg import parse_loadavg
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"0.21 0.37 0.39 1/719 19737\n"


def test_three_averages(machine: Machine) -> None:
    """The first three numbers are the averages over 1, 5 and 15 minutes."""
    machine.write("proc/loadavg", SAMPLE)
    assert series(machine.build("loadavg").collect()) == {"node_load1": 0.21, "node_load5": 0.37, "node_load15": 0.39}


@pytest.mark.parametrize("data", [b"", b"0.21 0.37", b"0.21 x 0.39 1/2 3", b"0.21 nan 0.39"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """Fewer than three numbers are refused, and the message names the file."""
    machine.write("proc/loadavg", data)
    with pytest.raises(Malformed, match="proc/loadavg: expected three load averages"):
        machine.build("loadavg").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("loadavg").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_loadavg(data, "loadavg"))
