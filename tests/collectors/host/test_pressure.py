from __future__ import annotations

import errno

import pytest
from hypothesis import given

from nodescope.collectors.host.pressure import PressureCollector, parse_pressure
from nodescope.host import Absent, Malformed
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SOME = b"some avg10=0.18 avg60=0.34 avg300=0.10 total=14036781\n"
FULL = b"full avg10=0.00 avg60=0.13 avg300=0.96 total=159229614\n"
CPU = "node_pressure_cpu_waiting_seconds_total"
IO = ("node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total")
IRQ = "node_pressure_irq_stalled_seconds_total"


def test_all_resources(machine: Machine) -> None:
    """CPU waits, I/O and memory wait and stall, interrupts stall; microseconds become seconds in two divisions."""
    for resource in ("cpu", "io", "memory"):
        machine.write(f"proc/pressure/{resource}", SOME + FULL)
    machine.write("proc/pressure/irq", FULL.rstrip())
    found = series(machine.build("pressure").collect())
    assert found == {
        CPU: 14036781 / 1000.0 / 1000.0, IO[0]: 14036781 / 1000.0 / 1000.0, IO[1]: 159229614 / 1000.0 / 1000.0,
        "node_pressure_memory_waiting_seconds_total": 14036781 / 1000.0 / 1000.0,
        "node_pressure_memory_stalled_seconds_total": 159229614 / 1000.0 / 1000.0, IRQ: 159229614 / 1000.0 / 1000.0,
    }  # fmt: skip


def test_cpu_needs_no_full_and_irq_no_some(machine: Machine) -> None:
    """Older kernels give no full for cpu, none gives some for irq; both are whole without."""
    machine.write("proc/pressure/cpu", SOME)
    machine.write("proc/pressure/irq", FULL)
    assert list(series(machine.build("pressure").collect())) == [CPU, IRQ]


@pytest.mark.parametrize("data", [b"", SOME, b"some avg10=0.18 total=x\n" + FULL, SOME + b"full\n", b"\xff\n"])
def test_an_odd_resource_costs_itself_alone(machine: Machine, data: bytes) -> None:
    """A resource without a line that it must have is left out and counted, the others stay."""
    machine.write("proc/pressure/cpu", SOME)
    machine.write("proc/pressure/io", data)
    machine.write("proc/pressure/irq", FULL)
    collector = machine.build("pressure")
    for _ in range(2):
        assert list(series(collector.collect())) == [CPU, IRQ]
        assert collector.left_out == 1
    machine.write("proc/pressure/io", SOME + FULL)
    collector.collect()
    assert collector.left_out == 0


def test_an_odd_line_is_counted(machine: Machine) -> None:
    """A line that is none of some and full is left out and counted, also while the file does not change."""
    machine.write("proc/pressure/cpu", SOME + b"half avg10=0.00 total=1\n" + FULL)
    collector = machine.build("pressure")
    for _ in range(2):
        assert list(series(collector.collect())) == [CPU]
        assert collector.left_out == 1


def test_absent(machine: Machine) -> None:
    """A kernel without PSI has nothing to say."""
    with pytest.raises(Absent):
        machine.build("pressure").collect()


def test_switched_off() -> None:
    """EOPNOTSUPP from all files means that PSI is off: there is nothing, and nothing failed."""
    host = OneFile()
    host.data = OSError(errno.EOPNOTSUPP, "Operation not supported")
    with pytest.raises(Absent):
        PressureCollector(host).collect()


@pytest.mark.parametrize(("number", "left_out"), [(errno.EOPNOTSUPP, 0), (errno.EIO, 1)])
def test_a_refused_resource_costs_itself_alone(machine: Machine, number: int, left_out: int) -> None:
    """Interrupts alone may be switched off, which is no fault; any other error is counted; the others stay."""
    machine.write("proc/pressure/cpu", SOME)
    machine.write("proc/pressure/irq", FULL)
    host = DriverHost(machine)
    host.refuses["pressure/irq"] = number
    collector = PressureCollector(host)
    assert list(series(collector.collect())) == [CPU]
    assert collector.left_out == left_out


def test_malformed(machine: Machine) -> None:
    """Where nothing but odd files is left, the odd one is named."""
    machine.write("proc/pressure/cpu", b"some total=\n")
    with pytest.raises(Malformed, match="pressure/cpu: expected some or full"):
        machine.build("pressure").collect()


@given(mangled(SOME + FULL))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_pressure(data, "pressure"))
