from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.cpu_seconds import CpuTimes, parse_cpu_times
from nodescope.collectors.host.usage import NetworkTotals, cpu_usage, disk_usage, parse_memory
from nodescope.host import Malformed
from nodescope.records.host import CpuUsage, DiskUsage
from tests.collectors.host.machine import mangled, parses_or_refuses

MEMINFO = b"MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    4096 kB\nHugePages_Total:  0\n"
SDA = (b"8", b"0", b"sda")


def times(**cpus: str) -> CpuTimes:
    """cpuN="user nice system idle iowait irq softirq steal guest guest_nice", in ticks; the rest is 0."""
    lines = [f"{name} {ticks}{' 0' * (10 - len(ticks.split()))}" for name, ticks in cpus.items()]
    return parse_cpu_times(("cpu  0\n" + "\n".join(lines) + "\nintr 0\n").encode(), "stat")


def test_busy_is_all_but_idle_and_waiting() -> None:
    """Each CPU's share of the time that passed for it, and that of all together; guests are in user already."""
    before = times(cpu0="100 0 0 100 0", cpu1="0 0 0 0")
    after = times(cpu0="110 5 5 160 20 0 0 0 10 5", cpu1="0 0 0 300")
    assert cpu_usage(before, after) == (5.0, [CpuUsage("0", 20.0), CpuUsage("1", 0.0)])


def test_cpus_come_and_go() -> None:
    """A CPU that is new or gone has no usage, and the total is that of the others."""
    before, after = times(cpu0="0 0 0 0", cpu1="0 0 0 0"), times(cpu0="100 0 0 100", cpu2="900 0 0 0")
    assert cpu_usage(before, after) == (50.0, [CpuUsage("0", 50.0)])
    assert cpu_usage(times(cpu3="1 0 0 0"), after) == (None, [])


def test_counters_that_step_back() -> None:
    """A small step back counts as none; a large one is a CPU that was put in again, which has no usage this time."""
    before = times(cpu0="100 0 0 1000 500", cpu1="1000 0 0 1000", cpu2="1000 0 0 1000")
    after = times(cpu0="150 0 0 1050 499", cpu1="1010 0 0 600", cpu2="3 0 0 1001")
    assert cpu_usage(before, after) == (50.0, [CpuUsage("0", 50.0)])


def test_no_time_has_passed() -> None:
    """Without a tick there is no usage, rather than 0."""
    assert cpu_usage(times(cpu0="1 1 1 1"), times(cpu0="1 1 1 1")) == (None, [])


def test_columns_that_an_old_kernel_lacks() -> None:
    """What the kernel does not give is not counted."""
    lines = [b"cpu0 100 0 0 100\n", b"cpu0 175 0 0 125\n"]
    before, after = (parse_cpu_times(line, "stat") for line in lines)
    assert cpu_usage(before, after) == (75.0, [CpuUsage("0", 75.0)])


ticks = st.lists(st.integers(0, 2**64 - 1), min_size=10, max_size=10).map(lambda numbers: " ".join(map(str, numbers)))


@given(ticks, ticks)
def test_any_counters(before: str, after: str) -> None:
    """Whatever the counters, usage is 0 to 100 percent."""
    total, cpus = cpu_usage(times(cpu0=before), times(cpu0=after))
    assert total is None or 0 <= total <= 100
    assert all(0 <= cpu.usage_percent <= 100 for cpu in cpus)


def test_disks() -> None:
    """Differences by second; sectors are 512 bytes."""
    before, after = [10, 0, 100, 0, 20, 0, 200, 0, 0, 0, 0], [14, 9, 108, 9, 21, 9, 200, 9, 9, 9, 9]
    assert disk_usage({SDA: before}, {SDA: after}, 2.0) == [DiskUsage("sda", 2048.0, 0.0, 2.0, 0.5)]


def test_disks_that_come_go_and_start_anew() -> None:
    """A disk that is new or gone, whose counters went back, or whose name was that of another has no rates."""
    zero, one = [0] * 11, [1] * 11
    other = (b"8", b"16", b"sda")
    assert disk_usage({}, {SDA: one}, 1.0) == []
    assert disk_usage({SDA: one}, {SDA: zero}, 1.0) == []
    assert disk_usage({SDA: zero}, {other: one}, 1.0) == []
    assert disk_usage({SDA: zero}, {}, 1.0) == []
    assert disk_usage({SDA: zero}, {SDA: one}, 0.0) == []
    assert len(disk_usage({SDA: zero, other: zero}, {SDA: one, other: one}, 1.0)) == 1


def test_network_totals_never_go_back() -> None:
    """A device that goes leaves what it counted; one that starts anew adds to it; one that comes back has not lost."""
    totals = NetworkTotals()
    shown = []
    for devices in (
        {"a": (100, 10), "b": (50, 5)}, {"a": (110, 11)}, {"a": (120, 12), "b": (60, 5)}, {"a": (3, 12), "b": (60, 5)},
    ):  # fmt: skip
        totals.add(devices)
        shown.append((totals.received, totals.sent))
    assert shown == [(150, 15), (160, 16), (180, 17), (183, 17)]


def test_memory() -> None:
    """What is not available is used; kernels that do not say what is available have no used memory."""
    assert parse_memory(MEMINFO, "meminfo") == (16384 * 1024, 12288 * 1024)
    assert parse_memory(b"MemTotal: 1 kB\nMemAvailable: 0 kB\n", "meminfo") == (1024, 1024)
    assert parse_memory(b"MemTotal: 1 kB\nMemFree: 1 kB\n", "meminfo") == (1024, None)
    assert parse_memory(b"MemTotal: 1 kB\nMemAvailable: 2 kB\n", "meminfo") == (1024, None)


@pytest.mark.parametrize("data", [b"", b"MemTotal: x kB\n", b"MemTotal: 0 kB\n", b"MemTotal: 1\n", b"Mem\xff"])
def test_malformed_memory(data: bytes) -> None:
    """Without a total the file is refused."""
    with pytest.raises(Malformed, match="meminfo: expected a line like"):
        parse_memory(data, "meminfo")


@given(mangled(MEMINFO))
def test_any_memory(data: bytes) -> None:
    """Whatever the file holds, no more than all is used, or it is refused."""

    def check() -> None:
        total, used = parse_memory(data, "meminfo")
        assert used is None or 0 <= used <= total

    parses_or_refuses(check)
