"""Simulated machines: the same for the same seed and time, never going back, true to what they say."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate import SIMULATIONS
from nodescope.simulate.machine import Machine
from nodescope.simulate.tree import Tree
from tests.simulate.exposition import Rows, exposition
from tests.simulate.measured import built, differing, shown

SEEDS: Final = st.integers(-(2**64), 2**64)
# From boot to 30 years later.
TIMES: Final = st.floats(0.0, 1e9)
EXAMPLES: Final = 25
MANY_FILES: Final = "mi300x"
"""Machines with thousands of files more, too many for so many examples: see test_amd_machine.py."""

COLLECTED: Final = (
    "arp",
    "conntrack",
    "cpufreq",
    "dmi",
    "edac",
    "entropy",
    "filefd",
    "hwmon",
    "kernel_hung",
    "netclass",
    "netstat",
    "nvme",
    "rapl",
    "schedstat",
    "selinux",
    "sockstat",
    "softnet",
    "thermal_zone",
    "udp_queues",
    "watchdog",
    "xfs",
)
# Not those that the kernel begins again at 0, nor those of what happens at boot alone.
COUNTER: Final = re.compile(
    "^node_(?!rapl_|softnet_|xfs_|network_carrier_).*_total$|^node_vmstat_|^node_netstat_(?!Tcp_CurrEstab|Ip_Forwarding)"
)
FEW: Final = settings(max_examples=EXAMPLES)

KERNEL_FILES: Final = (
    "proc/stat",
    "proc/meminfo",
    "proc/loadavg",
    "proc/vmstat",
    "proc/diskstats",
    "proc/1/mountinfo",
    "proc/net/dev",
    "proc/pressure/cpu",
    "proc/pressure/io",
    "proc/pressure/memory",
    "proc/pressure/irq",
    "proc/cpuinfo",
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/cpu15/online",
    "sys/devices/system/cpu/cpu15/topology/core_id",
    "sys/devices/system/cpu/cpu15/topology/physical_package_id",
    "sys/devices/system/cpu/cpu15/thermal_throttle/core_throttle_count",
    "sys/devices/system/cpu/cpu15/thermal_throttle/package_throttle_count",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
    "sys/devices/system/clocksource/clocksource0/current_clocksource",
    "sys/block/nvme0n1/queue/rotational",
    "sys/block/nvme1n1/queue/rotational",
    "sys/class/net/lo/operstate",
    "sys/class/net/eth0/speed",
    "run/udev/data/b259:0",
    "etc/os-release",
    "proc/net/arp",
    "proc/net/netstat",
    "proc/net/snmp",
    "proc/net/snmp6",
    "proc/net/sockstat",
    "proc/net/sockstat6",
    "proc/net/softnet_stat",
    "proc/net/stat/nf_conntrack",
    "proc/net/udp",
    "proc/net/udp6",
    "proc/schedstat",
    "proc/sys/fs/file-nr",
    "proc/sys/kernel/hung_task_detect_count",
    "proc/sys/kernel/random/entropy_avail",
    "proc/sys/net/netfilter/nf_conntrack_count",
    "sys/class/dmi/id/product_name",
    "sys/class/hwmon/hwmon0",
    "sys/class/nvme/nvme1/nvme1n1/nuse",
    "sys/class/powercap/intel-rapl:1:0/energy_uj",
    "sys/class/thermal/thermal_zone1/temp",
    "sys/class/watchdog/watchdog0/timeleft",
    "sys/devices/system/cpu/cpu15/cpufreq/scaling_cur_freq",
    "sys/devices/system/edac/mc/mc1/csrow1/ch1_ce_count",
    "sys/devices/system/edac/mc/mc1/dimm3/dimm_ce_count",
    "sys/fs/xfs/nvme1n1/stats/stats",
)


@pytest.fixture(scope="module", params=[name for name in sorted(SIMULATIONS) if not name.startswith(MANY_FILES)])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rows(machine: Machine, seconds: float) -> Rows:
    return {(metric, frozenset(labels.items())): value for metric, labels, value in machine.truths(seconds)}


def numbers(machine: Machine, path: str, seconds: float) -> dict[str, int]:
    """First word of each line without its colon -> the number after it."""
    lines = machine.files(seconds)[path].decode().splitlines()
    return {line.split()[0].rstrip(":"): int(line.split()[1]) for line in lines}


def test_every_kernel_file_is_there(name: str) -> None:
    """A machine has all files that the collectors of a host read."""
    assert set(KERNEL_FILES) <= SIMULATIONS[name](1).files(0.0).keys()


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_same_seed_same_time_same_bytes(name: str, seed: int, seconds: float) -> None:
    """Two machines of one seed have the same files and truths at the same time, whatever they showed before."""
    one, other = SIMULATIONS[name](seed), SIMULATIONS[name](seed)
    other.files(seconds / 3)
    assert one.files(seconds) == other.files(seconds)
    assert list(one.truths(seconds)) == list(other.truths(seconds))


def test_other_seed_other_bytes(name: str) -> None:
    """Machines of two seeds do not count the same."""
    assert SIMULATIONS[name](1).files(1000.0)["proc/stat"] != SIMULATIONS[name](2).files(1000.0)["proc/stat"]


def test_no_two_parts_share_a_file(name: str) -> None:
    """Each file comes from one part."""
    machine = SIMULATIONS[name](1)
    assert sum(len(part.files(5.0)) for part in machine.parts) == len(machine.files(5.0))


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_files_stay_the_same_ones(name: str, seed: int, seconds: float) -> None:
    """No file and no row comes or goes with time, but for the cgroups of containers."""
    machine = SIMULATIONS[name](seed)
    now, first = (
        {path for path in machine.files(time) if not path.startswith("sys/fs/cgroup/")} for time in (seconds, 0.0)
    )
    assert now == first
    assert rows(machine, seconds).keys() == rows(machine, 0.0).keys()


@FEW
@given(seed=SEEDS, times=st.lists(TIMES | st.floats(0.0, 1000.0), min_size=2, max_size=6))
def test_counters_never_go_back(name: str, seed: int, times: list[float]) -> None:
    """Over any sequence of times, no counter is less than it was."""
    machine = SIMULATIONS[name](seed)
    for earlier, later in pairwise(rows(machine, seconds) for seconds in sorted(times)):
        back = [key for key in earlier if COUNTER.search(key[0]) and later[key] < earlier[key]]
        assert back == []


def test_counters_grow(name: str) -> None:
    """A day later every counter that is not 0 has grown."""
    machine = SIMULATIONS[name](1)
    today, tomorrow = rows(machine, 86_400.0), rows(machine, 2 * 86_400.0)
    assert [key for key in today if COUNTER.search(key[0]) and tomorrow[key] <= today[key] != 0.0] == []


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_truth_is_what_the_files_say(
    name: str, tmp_path_factory: pytest.TempPathFactory, seed: int, seconds: float
) -> None:
    """The truths are exactly the rows, with the values, that other readers find in the files."""
    machine = SIMULATIONS[name](seed)
    tree = Tree(str(tmp_path_factory.mktemp("machine")))
    tree.update(machine.files(seconds))
    assert len(list(machine.truths(seconds))) == len(rows(machine, seconds))
    read = exposition(Path(tree.roots.rootfs))
    metrics = {metric for metric, _ in read}
    truths = rows(machine, seconds)
    assert differing({key: value for key, value in truths.items() if key[0] in metrics}, read) == {}
    # What the independent reader does not know, the collectors do.
    made = built(tree.roots, COLLECTED)
    collected = shown(tree.roots, (family for collector in made.values() for family in collector.collect()))
    assert differing({key: value for key, value in truths.items() if key[0] not in metrics}, collected) == {}
    assert {name for name, collector in made.items() if collector.left_out} == set()


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_cpu_time_is_all_time(name: str, seed: int, seconds: float) -> None:
    """The modes of each CPU together are the time since boot, but for what was cut off each; none is negative."""
    per_cpu: dict[str, list[float]] = {}
    for metric, labels, value in SIMULATIONS[name](seed).truths(seconds):
        if metric == "node_cpu_seconds_total":
            per_cpu.setdefault(labels["cpu"], []).append(value)
    for modes in per_cpu.values():
        assert min(modes) >= 0.0
        assert seconds - 0.09 < sum(modes) <= seconds + 1e-6 * seconds


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_stat_adds_up(name: str, seed: int, seconds: float) -> None:
    """In /proc/stat, the first line is the sum of the CPUs'; intr and softirq begin with the sums of their files."""
    files = SIMULATIONS[name](seed).files(seconds)
    lines = [line.split() for line in files["proc/stat"].decode().splitlines()]
    columns = [[int(number) for number in line[1:]] for line in lines if re.fullmatch(r"cpu\d+", line[0])]
    assert [int(number) for number in lines[0][1:]] == [sum(column) for column in zip(*columns, strict=True)]
    said = {line[0]: [int(number) for number in line[1:]] for line in lines}
    numbered, local = {}, 0
    for line in files["proc/interrupts"].decode().splitlines()[1:]:
        name_, *words = line.split()
        times = sum(map(int, words[:16])) if len(words) > 16 else 0
        if name_[:-1].isdigit():
            numbered[int(name_[:-1])] = times
        else:
            local += times
    assert said["intr"][1:] == [numbered.get(number, 0) for number in range(len(said["intr"]) - 1)]
    assert said["intr"][0] == sum(numbered.values()) + local
    vectors = [line.split() for line in files["proc/softirqs"].decode().splitlines()[1:]]
    assert said["softirq"][1:] == [sum(map(int, vector[1:])) for vector in vectors]
    assert said["softirq"][0] == sum(said["softirq"][1:])


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_memory_adds_up(name: str, seed: int, seconds: float) -> None:
    """In /proc/meminfo, what is used, cached and free is the total, and the lists are the sums of theirs."""
    memory = numbers(SIMULATIONS[name](seed), "proc/meminfo", seconds)
    used = sum(memory[key] for key in ("AnonPages", "Slab", "KernelStack", "PageTables", "Percpu"))
    assert used + memory["MemFree"] + memory["Buffers"] + memory["Cached"] == memory["MemTotal"]
    assert memory["MemFree"] < memory["MemAvailable"] < memory["MemTotal"]
    assert memory["Active"] == memory["Active(anon)"] + memory["Active(file)"]
    assert memory["Inactive"] == memory["Inactive(anon)"] + memory["Inactive(file)"]
    assert memory["Active"] + memory["Inactive"] == memory["AnonPages"] + memory["Cached"] + memory["Buffers"]
    assert memory["Slab"] == memory["SReclaimable"] + memory["SUnreclaim"]
    assert min(memory.values()) >= 0


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_paging_agrees_with_the_disks(name: str, seed: int, seconds: float) -> None:
    """KiB paged in and out are those that the disks read and wrote; partitions have no more than their disk."""
    machine = SIMULATIONS[name](seed)
    lines = [line.split() for line in machine.files(seconds)["proc/diskstats"].decode().splitlines()]
    assert {len(line) for line in lines} == {20}
    disks = [line for line in lines if "p" not in line[2]]
    paging = numbers(machine, "proc/vmstat", seconds)
    assert paging["pgpgin"] == sum(int(line[5]) for line in disks) // 2
    assert paging["pgpgout"] == sum(int(line[9]) for line in disks) // 2
    for disk in disks:
        partitions = [list(map(int, line[3:])) for line in lines if line[2].startswith(f"{disk[2]}p")]
        for whole, parts in zip(disk[3:], zip(*partitions, strict=True), strict=False):
            assert sum(parts) <= int(whole)


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_loopback_receives_what_it_sends(name: str, seed: int, seconds: float) -> None:
    """On loopback both halves of the line are the same; no Ethernet device has more than its speed allows."""
    lines = SIMULATIONS[name](seed).files(seconds)["proc/net/dev"].decode().splitlines()[2:]
    counters = {line.split(":")[0].strip(): [int(number) for number in line.split(":")[1].split()] for line in lines}
    assert counters["lo"][:8] == counters["lo"][8:]
    assert counters["eth0"][0] <= 25e9 / 8 * seconds
    assert counters["eth1"][0] <= 100e9 / 8 * seconds


def test_load_averages_follow_the_cpus(name: str) -> None:
    """node_load1 is the mean number of busy CPUs over the last minute."""
    machine = SIMULATIONS[name](4)

    def busy(seconds: float) -> float:
        return sum(
            value
            for metric, labels, value in machine.truths(seconds)
            if metric == "node_cpu_seconds_total" and labels["mode"] not in ("idle", "iowait")
        )

    load = rows(machine, 50_000.0)["node_load1", frozenset()]
    assert load == pytest.approx((busy(50_000.0) - busy(49_940.0)) / 60, abs=0.03)


def test_topology(name: str) -> None:
    """Each core of each package has two CPUs that name each other as siblings."""
    files = SIMULATIONS[name](1).files(0.0)
    cores: dict[tuple[bytes, bytes], list[str]] = {}
    for path in files:
        match = re.fullmatch(r"sys/devices/system/cpu/cpu(\d+)/topology/core_id", path)
        if match:
            folder = path.removesuffix("core_id")
            cores.setdefault((files[f"{folder}physical_package_id"], files[path]), []).append(match[1])
            assert match[1] in files[f"{folder}thread_siblings_list"].decode().strip().split(",")
    assert len(cores) == 8
    assert {len(cpus) for cpus in cores.values()} == {2}
    assert files["proc/cpuinfo"].count(b"processor\t: ") == 16
