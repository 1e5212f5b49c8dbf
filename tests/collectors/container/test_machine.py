"""Collector machine: the machine that containers run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.collectors.container.machine import KEPT_SECONDS, MachineCollector
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import Clock

MEMINFO = b"MemTotal:       24684084 kB\nMemFree:        1000 kB\nSwapTotal:       2048 kB\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def put_cpus(machine: Machine, online: str, places: dict[int, tuple[int, int]]) -> None:
    machine.write("sys/devices/system/cpu/online", f"{online}\n")
    for cpu, (package, core) in places.items():
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", f"{package}\n")
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/topology/core_id", f"{core}\n")


def shown(machine: Machine) -> dict[str, float]:
    return {family.metric.name: family.rows[0][1] for family in MachineCollector(machine.host).collect()}


def test_a_machine(machine: Machine) -> None:
    """CPUs that are online, their cores and sockets, and memory and swap in bytes, with the machine's identities."""
    put_cpus(machine, "0-3,5", {0: (0, 0), 1: (0, 1), 2: (0, 0), 3: (0, 1), 4: (1, 0), 5: (1, 0)})
    machine.write("proc/meminfo", MEMINFO.decode())
    machine.write("proc/sys/kernel/random/boot_id", "5409ae94-ab3c\n")
    machine.write("root/etc/machine-id", "3d1219c7\n")
    machine.write("sys/class/dmi/id/product_uuid", "0a1f2c00\n")
    assert shown(machine) == {
        "machine_cpu_cores": 5,
        "machine_cpu_physical_cores": 3,
        "machine_cpu_sockets": 2,
        "machine_memory_bytes": 24684084 * 1024,
        "machine_swap_bytes": 2048 * 1024,
    }
    labels = {family.rows[0][0] for family in MachineCollector(machine.host).collect()}
    assert labels == {("5409ae94-ab3c", "3d1219c7", "0a1f2c00")}


def test_no_topology(machine: Machine) -> None:
    """Where the kernel does not know sockets, as on some virtual machines, CPUs are counted and they are not."""
    put_cpus(machine, "0-1", {0: (-1, 0), 1: (-1, 1)})
    machine.write("proc/meminfo", "MemTotal: 1 kB\n")
    assert shown(machine) == {"machine_cpu_cores": 2, "machine_memory_bytes": 1024}


def test_no_list_of_cpus(machine: Machine) -> None:
    """Where CPUs are not listed memory is told all the same, with labels that are empty."""
    machine.write("proc/meminfo", MEMINFO.decode())
    assert shown(machine).keys() == {"machine_memory_bytes", "machine_swap_bytes"}


def test_no_memory(machine: Machine) -> None:
    """A machine without /proc/meminfo is none; one that says nothing there is refused with what was read."""
    with pytest.raises(Absent):
        MachineCollector(machine.host).collect()
    machine.write("proc/meminfo", "nothing\n")
    with pytest.raises(Malformed, match="expected lines like 'MemTotal: 16384 kB', got b'nothing"):
        MachineCollector(machine.host).collect()


def test_what_is_kept(machine: Machine) -> None:
    """What was read is told for some seconds, and what has changed after them."""
    machine.write("proc/meminfo", MEMINFO.decode())
    clock = Clock()
    collector = MachineCollector(machine.host, clock)
    first = collector.collect()
    machine.write("proc/meminfo", "MemTotal: 2 kB\n")
    assert collector.collect() is first
    clock.now += KEPT_SECONDS
    assert [family.rows[0][1] for family in collector.collect()] == [2048]
