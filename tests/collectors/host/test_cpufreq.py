from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.cpufreq import governor_rows, parse_kilohertz
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

CPUS = "sys/devices/system/cpu"
FILES = {
    "cpuinfo_avg_freq": "2100000",
    "cpuinfo_cur_freq": "2000000",
    "cpuinfo_max_freq": "3800000",
    "cpuinfo_min_freq": "800000",
    "scaling_available_governors": "performance powersave ",
    "scaling_cur_freq": "1999999",
    "scaling_governor": "powersave",
    "scaling_max_freq": "3700000",
    "scaling_min_freq": "900000",
    "scaling_setspeed": "<unsupported>",
}


@pytest.fixture
def cpus(machine: Machine) -> Machine:
    """Two CPUs with frequencies, and what else lies beside them."""
    machine.write(f"{CPUS}/offline", "\n")
    machine.write(f"{CPUS}/cpufreq/boost", "1\n")
    machine.write(f"{CPUS}/cpu0_odd/cpufreq/scaling_cur_freq", "1\n")
    for cpu in range(2):
        for name, content in FILES.items():
            machine.write(f"{CPUS}/cpu{cpu}/cpufreq/{name}", f"{content}\n")
    return machine


def of(cpu: int) -> dict[str, float]:
    return {
        f'node_cpu_frequency_hertz{{cpu="{cpu}"}}': 2e9,
        f'node_cpu_frequency_avg_hertz{{cpu="{cpu}"}}': 2.1e9,
        f'node_cpu_frequency_min_hertz{{cpu="{cpu}"}}': 8e8,
        f'node_cpu_frequency_max_hertz{{cpu="{cpu}"}}': 3.8e9,
        f'node_cpu_scaling_frequency_hertz{{cpu="{cpu}"}}': 1999999000,
        f'node_cpu_scaling_frequency_min_hertz{{cpu="{cpu}"}}': 9e8,
        f'node_cpu_scaling_frequency_max_hertz{{cpu="{cpu}"}}': 3.7e9,
        f'node_cpu_scaling_governor{{cpu="{cpu}",governor="performance"}}': 0,
        f'node_cpu_scaling_governor{{cpu="{cpu}",governor="powersave"}}': 1,
    }


def test_frequencies_and_governors(cpus: Machine) -> None:
    """Kilohertz become hertz, and of the governors the one in force is 1."""
    collector = cpus.build("cpufreq")
    assert series(collector.collect()) == {**of(0), **of(1)}
    assert collector.left_out == 0


def test_cpus_that_are_offline(cpus: Machine) -> None:
    """CPUs that the kernel lists as offline have no series, from the scrape on that sees them so."""
    collector = cpus.build("cpufreq")
    collector.collect()
    cpus.write(f"{CPUS}/offline", "1,4-7\n")
    assert series(collector.collect()) == of(0)
    cpus.write(f"{CPUS}/offline", "\n")
    assert series(collector.collect()) == {**of(0), **of(1)}


def test_an_odd_list_of_offline_cpus(cpus: Machine) -> None:
    """A list that is not understood is counted, and hides no CPU."""
    cpus.write(f"{CPUS}/offline", "some\n")
    collector = cpus.build("cpufreq")
    assert series(collector.collect()) == {**of(0), **of(1)}
    assert collector.left_out == 1


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.EACCES, errno.EINVAL])
def test_a_cpu_that_does_not_answer(cpus: Machine, number: int) -> None:
    """What the driver refuses costs the one series."""
    host = DriverHost(cpus)
    host.refuses = {"cpu0/cpufreq/scaling_cur_freq": number, "cpu0/cpufreq/scaling_max_freq": number}
    collector = host.build("cpufreq")
    refused = ('node_cpu_scaling_frequency_hertz{cpu="0"}', 'node_cpu_scaling_frequency_max_hertz{cpu="0"}')
    expected = {name: value for name, value in {**of(0), **of(1)}.items() if name not in refused}
    assert series(collector.collect()) == expected
    assert collector.left_out == 0


@pytest.mark.parametrize("content", ["", "<unknown>", "-5", "1.5", "18446744073709551616"])
def test_malformed(cpus: Machine, content: str) -> None:
    """A frequency that is no number is left out and counted; its siblings stay."""
    cpus.write(f"{CPUS}/cpu1/cpufreq/scaling_cur_freq", content)
    cpus.write(f"{CPUS}/cpu1/cpufreq/cpuinfo_max_freq", content)
    collector = cpus.build("cpufreq")
    assert len(series(collector.collect())) == 16
    assert collector.left_out == 2


def test_files_that_are_not_there(cpus: Machine) -> None:
    """A CPU has the series of the files that it has; one without cpufreq has none."""
    cpus.remove(f"{CPUS}/cpu0/cpufreq")
    for name in FILES:
        if name != "scaling_governor":
            cpus.remove(f"{CPUS}/cpu1/cpufreq/{name}")
    collector = cpus.build("cpufreq")
    assert series(collector.collect()) == {'node_cpu_scaling_governor{cpu="1",governor="powersave"}': 1}
    assert collector.left_out == 0


def test_between_two_scrapes(cpus: Machine) -> None:
    """The second scrape sees new frequencies, limits and governors."""
    collector = cpus.build("cpufreq")
    collector.collect()
    for name, content in (("scaling_cur_freq", "5"), ("scaling_max_freq", "7"), ("scaling_governor", "performance")):
        cpus.write(f"{CPUS}/cpu0/cpufreq/{name}", content)
    cpus.remove(f"{CPUS}/cpu1")
    assert series(collector.collect()) == {
        **of(0),
        'node_cpu_scaling_frequency_hertz{cpu="0"}': 5000,
        'node_cpu_scaling_frequency_max_hertz{cpu="0"}': 7000,
        'node_cpu_scaling_governor{cpu="0",governor="performance"}': 1,
        'node_cpu_scaling_governor{cpu="0",governor="powersave"}': 0,
    }


def test_limits_are_remembered(cpus: Machine) -> None:
    """While the kernel's directory is remembered, only frequencies and the list of offline CPUs are read."""
    host = DriverHost(cpus, remembers=True)
    collector = host.build("cpufreq")
    first = series(collector.collect())
    host.opened.clear()
    assert series(collector.collect()) == first
    assert {path.rpartition("/")[2] for path in host.opened} == {
        "offline", "cpuinfo_avg_freq", "cpuinfo_cur_freq", "scaling_cur_freq"
    }  # fmt: skip


def test_absent(machine: Machine) -> None:
    """Without the list of offline CPUs there is nothing; without cpufreq, as in virtual machines, no family."""
    machine.write(f"{CPUS}/cpu0/topology/core_id", "0\n")
    with pytest.raises(Absent):
        machine.build("cpufreq").collect()
    machine.write(f"{CPUS}/offline", "\n")
    assert list(machine.build("cpufreq").collect()) == []


def test_governors() -> None:
    """No governor in force gives no row; one that the kernel does not list is shown where it lists none."""
    assert governor_rows("0", b"a b a", b"") == []
    assert governor_rows("0", b"a b a", b"c\n") == [(("0", "a"), 0), (("0", "b"), 0)]
    assert governor_rows("0", b"\n", b"c\n") == [(("0", "c"), 1)]


@given(st.binary(), st.binary())
def test_any_bytes(available: bytes, current: bytes) -> None:
    """Whatever the files hold, there is an answer, and no governor twice."""
    parse_kilohertz(available)
    rows = governor_rows("0", available, current)
    assert len(rows) == len({labels for labels, _ in rows})
