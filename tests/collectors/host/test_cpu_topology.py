from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from nodescope.collectors.host.cpu_topology import CpuTopology, parse_cpu_ranges
from nodescope.host import Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

CPUS = "sys/devices/system/cpu"


def add_cpu(machine: Machine, number: int, package: int, core: int, throttled: int | None = None) -> None:
    folder = f"{CPUS}/cpu{number}"
    machine.write(f"{folder}/topology/physical_package_id", f"{package}\n")
    machine.write(f"{folder}/topology/core_id", f"{core}\n")
    if throttled is not None:
        machine.write(f"{folder}/thermal_throttle/core_throttle_count", f"{throttled}\n")
        machine.write(f"{folder}/thermal_throttle/package_throttle_count", f"{throttled + 100}\n")


def core(package: int, number: int) -> str:
    return f'node_cpu_core_throttles_total{{package="{package}",core="{number}"}}'


def package(number: int) -> str:
    return f'node_cpu_package_throttles_total{{package="{number}"}}'


@pytest.fixture
def throttles(machine: Machine) -> Callable[..., dict[str, float]]:
    """families([online CPUs]) of one topology over the machine."""
    topology = CpuTopology(machine.host)
    return lambda *online: series(topology.families(list(online)))


def test_one_counter_for_each_core_and_package(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """Siblings share their core's counter and all cores their package's: the first by name is shown."""
    for number in range(4):
        add_cpu(machine, number, package=number // 2, core=0, throttled=number)
    assert throttles(0, 1, 2, 3) == {package(0): 100, package(1): 102, core(0, 0): 0, core(1, 0): 2}


def test_first_is_first_by_name(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """cpu10 comes before cpu2."""
    add_cpu(machine, 2, 0, 5, throttled=2)
    add_cpu(machine, 10, 0, 5, throttled=10)
    assert throttles(2, 10) == {package(0): 110, core(0, 5): 10}


def test_a_sibling_answers_for_one_that_cannot(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """Where the first CPU of a core has no counter, or an odd one, the next is asked; the siblings keep their rows."""
    add_cpu(machine, 0, 0, 0)
    add_cpu(machine, 1, 0, 0, throttled=7)
    add_cpu(machine, 2, 0, 1, throttled=8)
    machine.write(f"{CPUS}/cpu2/thermal_throttle/core_throttle_count", "many\n")
    assert throttles(0, 1, 2) == {package(0): 107, core(0, 0): 7}
    machine.remove(f"{CPUS}/cpu1/thermal_throttle")
    assert throttles(0, 1, 2) == {package(0): 108}


def test_counters_are_read_at_each_scrape(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """A counter that rises is seen at the next scrape."""
    add_cpu(machine, 0, 0, 0, throttled=1)
    assert throttles(0)[core(0, 0)] == 1
    machine.write(f"{CPUS}/cpu0/thermal_throttle/core_throttle_count", "2\n")
    assert throttles(0)[core(0, 0)] == 2


def test_cpus_come_and_go(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """A CPU without topology has no counters; when it comes online its core is found at once."""
    add_cpu(machine, 0, 0, 0, throttled=1)
    machine.write(f"{CPUS}/cpu1/online", "0\n")
    assert throttles(0) == {package(0): 101, core(0, 0): 1}
    add_cpu(machine, 1, 0, 1, throttled=3)
    assert throttles(0, 1) == {package(0): 101, core(0, 0): 1, core(0, 1): 3}
    machine.remove(f"{CPUS}/cpu1/topology")
    machine.remove(f"{CPUS}/cpu1/thermal_throttle")
    assert throttles(0) == {package(0): 101, core(0, 0): 1}


def test_counters_that_come_after_their_cpu(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """A CPU that ran before the kernel had made its counters has them at the next scrape, as its siblings do."""
    add_cpu(machine, 0, 0, 0, throttled=1)
    add_cpu(machine, 1, 1, 0)
    assert throttles(0, 1) == {package(0): 101, core(0, 0): 1}
    add_cpu(machine, 1, 1, 0, throttled=5)
    assert throttles(0, 1) == {package(0): 101, package(1): 105, core(0, 0): 1, core(1, 0): 5}


def test_online(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """Each CPU's state, read at each scrape."""
    for number, state in enumerate("101"):
        machine.write(f"{CPUS}/cpu{number}/online", f"{state}\n")
    assert throttles(0, 2) == {f'node_cpu_online{{cpu="{n}"}}': state for n, state in enumerate((1, 0, 1))}
    machine.write(f"{CPUS}/cpu1/online", "1\n")
    assert throttles(0, 2)['node_cpu_online{cpu="1"}'] == 1


def test_online_follows_the_first_cpu(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """Where the first CPU cannot be taken out none is shown; elsewhere one without the file counts as offline."""
    machine.write(f"{CPUS}/cpu0/driver", "")
    machine.write(f"{CPUS}/cpu1/online", "1\n")
    machine.write(f"{CPUS}/cpu2/driver", "")
    assert throttles(0, 1) == {}
    machine.write(f"{CPUS}/cpu0/online", "1\n")
    assert list(throttles(0, 1).values()) == [1, 1, 0]
    machine.remove(f"{CPUS}/cpu0/online")
    assert throttles(0, 1) == {}


def test_odd_files_are_counted(machine: Machine) -> None:
    """What is no number, or no state, is counted at each scrape; what is not there, and a package of -1, is not."""
    for number in range(4):
        add_cpu(machine, number, 0, number, throttled=1)
        machine.write(f"{CPUS}/cpu{number}/online", "1\n")
    machine.write(f"{CPUS}/cpu1/thermal_throttle/core_throttle_count", "x\n")
    machine.write(f"{CPUS}/cpu2/online", "maybe\n")
    machine.write(f"{CPUS}/cpu3/topology/physical_package_id", "-1\n")
    machine.remove(f"{CPUS}/cpu3/online")
    topology = CpuTopology(machine.host)
    for _ in range(2):
        assert core(0, 2) in series(topology.families([0, 1, 2, 3]))
        assert topology.left_out == 2
    machine.write(f"{CPUS}/cpu1/thermal_throttle/core_throttle_count", "1\n")
    machine.write(f"{CPUS}/cpu2/online", "0\n")
    topology.families([0, 1, 3])
    assert topology.left_out == 0


def test_an_odd_topology_is_counted_until_it_is_read_again(machine: Machine) -> None:
    """A core or package without a number is counted as long as it is remembered."""
    add_cpu(machine, 0, 0, 0, throttled=1)
    machine.write(f"{CPUS}/cpu0/topology/core_id", "first\n")
    topology = CpuTopology(machine.host)
    for _ in range(2):
        assert topology.families([0]) == []
        assert topology.left_out == 1


def test_other_names_are_no_cpus(machine: Machine, throttles: Callable[..., dict[str, float]]) -> None:
    """cpufreq, cpuidle and the like are not CPUs; no folder at all is no error."""
    assert throttles(0) == {}
    machine.write(f"{CPUS}/cpufreq/online", "1\n")
    machine.write(f"{CPUS}/online", "0-3\n")
    assert throttles(0) == {}


@pytest.mark.parametrize(
    ("data", "cpus"),
    [(b"1,3-5,9\n", [1, 3, 4, 5, 9]), (b"\n", []), (b"", []), (b"0", [0]), (b"5-3", []), (b"1,,2\n", [1, 2])],
)
def test_ranges(data: bytes, cpus: list[int]) -> None:
    """Numbers and ranges with commas between; nothing is no CPU."""
    assert parse_cpu_ranges(data, "isolated") == cpus


@pytest.mark.parametrize("data", [b"x", b"1-", b"-1", b"1-2-3", b"0-99999999999", b"\xff"])
def test_malformed_ranges(data: bytes) -> None:
    """What is no number, and more CPUs than there can be, are refused."""
    with pytest.raises(Malformed, match="isolated: expected"):
        parse_cpu_ranges(data, "isolated")


@given(mangled(b"1,3-5,9\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_cpu_ranges(data, "isolated"))
