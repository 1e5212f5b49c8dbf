from __future__ import annotations

import os

import pytest

from nodescope import collectors
from nodescope.collectors.host.cpu import InfoSettings, info_families
from nodescope.configuration import load
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, series
from tests.collectors.host.test_cpuinfo import ARM64, X86

STAT = b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n"
ISOLATED = "sys/devices/system/cpu/isolated"
on_x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the file is of an x86_64 machine")


def info(machine: Machine, settings: dict[str, object]) -> dict[str, float]:
    machine.write("proc/stat", STAT)
    machine.write("proc/cpuinfo", X86)
    found = series(machine.build("cpu", settings).collect())
    return {name: value for name, value in found.items() if "seconds" not in name}


def test_stat_alone_is_enough(machine: Machine) -> None:
    """Without sysfs there are the seconds; without /proc/stat there is nothing; an odd one is refused."""
    collector = machine.build("cpu")
    with pytest.raises(Absent):
        collector.collect()
    machine.write("proc/stat", STAT)
    assert len(series(collector.collect())) == 10
    machine.write("proc/stat", b"no cpu\n")
    with pytest.raises(Malformed):
        collector.collect()


def test_isolated_is_read_once(machine: Machine) -> None:
    """Isolation is a boot parameter: what the first scrape reads stays."""
    machine.write("proc/stat", STAT)
    machine.write(ISOLATED, "1,3-4\n")
    collector = machine.build("cpu", {"guest": False})
    for _ in range(2):
        isolated = [name for name in series(collector.collect()) if name.startswith("node_cpu_isolated")]
        assert isolated == [f'node_cpu_isolated{{cpu="{cpu}"}}' for cpu in (1, 3, 4)]
        machine.write(ISOLATED, "7\n")


def test_odd_isolation_costs_itself_alone(machine: Machine) -> None:
    """A list of isolated CPUs that is not understood has no rows; the seconds stay."""
    machine.write("proc/stat", STAT)
    machine.write(ISOLATED, "one\n")
    assert len(series(machine.build("cpu", {"guest": False}).collect())) == 8


@on_x86
def test_info(machine: Machine) -> None:
    """With the setting each CPU's identity and frequency; flags and bugs only where a pattern asks for them."""
    assert info(machine, {"info": True}) == {
        'node_cpu_info{package="0",core="1",cpu="0",vendor="GenuineIntel",family="6",model="143",'
        'model_name="Intel(R) Xeon(R) Platinum 8480C",microcode="0x2b000461",stepping="8",cachesize="107520 KB"}': 1,
        'node_cpu_info{package="1",core="",cpu="1",vendor="GenuineIntel",family="",model="",model_name="",microcode="",'
        'stepping="",cachesize=""}': 1,
        'node_cpu_frequency_hertz{package="0",core="1",cpu="0"}': 799998000.0,
        'node_cpu_frequency_hertz{package="1",core="",cpu="1"}': 800000000.0,
    }
    assert info(machine, {}) == {}


@on_x86
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"info.flags-include": "^(avx|fpu)$"}, ['node_cpu_flag_info{flag="fpu"}', 'node_cpu_flag_info{flag="avx"}']),
        ({"info.bugs-include": "spectre"}, ['node_cpu_bug_info{bug="spectre_v1"}']),
    ],
)
def test_a_pattern_switches_info_on(machine: Machine, settings: dict[str, object], expected: list[str]) -> None:
    """Asking for flags or bugs is asking for /proc/cpuinfo."""
    found = info(machine, settings)
    assert list(found)[4:] == expected
    assert next(iter(found)).startswith("node_cpu_info{")


@on_x86
def test_frequency_is_read_at_each_scrape(machine: Machine) -> None:
    """The frequency of /proc/cpuinfo moves; so does the row."""
    machine.write("proc/stat", STAT)
    machine.write("proc/cpuinfo", X86)
    collector = machine.build("cpu", {"info": True})
    collector.collect()
    machine.write("proc/cpuinfo", X86.replace(b"799.998", b"3800.5"))
    assert series(collector.collect())['node_cpu_frequency_hertz{package="0",core="1",cpu="0"}'] == 3800.5 * 1e6


@on_x86
@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"collector.cpufreq.enabled": False}, False),
        ({"collector.disable-defaults": True, "collector.cpu.enabled": True}, False),
        ({"collector.disable-defaults": True, "collector.cpufreq.enabled": True}, True),
    ],
)
def test_frequency_is_shown_beside_those_of_cpufreq(machine: Machine, settings: dict[str, object], shown: bool) -> None:
    """As in node_exporter, the frequency of /proc/cpuinfo is there where the collector cpufreq is on."""
    machine.write("proc/stat", STAT)
    machine.write("proc/cpuinfo", X86)
    collector = collectors.build("cpu", machine.host, load({"collector.cpu.info": True, **settings}, {}))
    names = [family.metric.name for family in collector.collect()]
    assert "node_cpu_info" in names
    assert ("node_cpu_frequency_hertz" in names) == shown


def test_unknown_frequency_has_no_row() -> None:
    """An architecture that does not tell the frequency has no row, not 0."""
    families = info_families(ARM64, "cpuinfo", "aarch64", InfoSettings(None, None))
    assert [family.metric.name for family in families] == ["node_cpu_info"]
