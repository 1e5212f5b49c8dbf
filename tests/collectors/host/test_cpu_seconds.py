from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.cpu_seconds import COLUMNS, CpuSeconds, never_back, parse_cpu_times
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses, series

SAMPLE = (
    b"cpu  301854 612 111922 8979004 3552 2 3944 0 44 36\ncpu0 44490 19 21045 1087069 220 1 3410 0 2 1\n"
    b"cpu1 47869 23 16474 1110787 591 0 46 0 3 2\nintr 8885917 17 0\nctxt 38014093\n"
)
ticks = st.integers(0, 2**64 - 1) | st.integers(0, 10**7)


def stat(*cpus: list[int] | str) -> bytes:
    """A /proc/stat with these CPUs' ticks, numbered from 0."""
    lines = [f"cpu{n} " + (cpu if isinstance(cpu, str) else " ".join(map(str, cpu))) for n, cpu in enumerate(cpus)]
    return ("cpu  " + " ".join(["0"] * COLUMNS) + "\n" + "\n".join(lines) + "\nintr 1 2\n").encode()


def modes(found: dict[str, float], cpu: str = "0") -> dict[str, float]:
    """Mode -> seconds of one CPU, guests as guest_user and guest_nice."""
    by_mode = {}
    for name, value in found.items():
        if f'cpu="{cpu}"' in name:
            guest = "guest_" if name.startswith("node_cpu_guest") else ""
            by_mode[guest + name.split('mode="')[1].rstrip('"}')] = value
    return by_mode


def test_seconds_by_mode() -> None:
    """Ticks divided by 100, in the kernel's order; the sum over all CPUs is not shown."""
    found = series(CpuSeconds(guest=True).families(SAMPLE, "stat"))
    assert list(found)[:9] == [
        *(f'node_cpu_seconds_total{{cpu="0",mode="{mode}"}}'
          for mode in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")),
        'node_cpu_seconds_total{cpu="1",mode="user"}',
    ]  # fmt: skip
    assert modes(found, "1") == {
        "user": 478.69, "nice": 0.23, "system": 164.74, "idle": 11107.87, "iowait": 5.91, "irq": 0, "softirq": 0.46,
        "steal": 0, "guest_user": 0.03, "guest_nice": 0.02,
    }  # fmt: skip


@pytest.mark.parametrize("columns", [4, 7, 8, 9, 11, 12])
@pytest.mark.parametrize("count", [1, 11, 88])
def test_older_and_newer_kernels(columns: int, count: int) -> None:
    """With fewer or more columns than now each CPU's line is its own, also where the numbers are a multiple of ten."""
    line = " ".join(str(100 * (column + 1)) for column in range(columns))
    cpus, seconds, left_out = parse_cpu_times(stat(*[line] * count), "stat")
    assert (cpus, left_out) == (list(range(count)), 0)
    known = min(columns, COLUMNS)
    assert seconds[-COLUMNS:][:known] == [float(column + 1) for column in range(known)]
    assert all(map(isnan, seconds[-COLUMNS:][known:]))


def test_lines_of_different_lengths() -> None:
    """A line with two columns more before one with two less: neither takes numbers of the other."""
    times = parse_cpu_times(stat("1 2 3 4 5 6 7 8 9 10 11 12", "100 200 300 400 500 600 700 800"), "stat")
    assert times.cpus == [0, 1]
    assert times.seconds[COLUMNS : COLUMNS + 8] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_guests_can_be_left_out() -> None:
    """Without the setting there is one family."""
    (family,) = CpuSeconds(guest=False).families(SAMPLE, "stat")
    assert family.metric.name == "node_cpu_seconds_total"


def test_counters_never_step_back() -> None:
    """Each mode is held at its highest while the others go on."""
    cpu = CpuSeconds(guest=True)
    cpu.families(stat([1000, 10, 1000, 9000, 50, 5, 6, 7, 8, 9]), "stat")
    found = modes(series(cpu.families(stat([900, 9, 1100, 8999, 40, 4, 7, 6, 9, 8]), "stat")))
    assert found == {
        "user": 10, "nice": 0.1, "system": 11, "idle": 90, "iowait": 0.5, "irq": 0.05, "softirq": 0.07, "steal": 0.07,
        "guest_user": 0.09, "guest_nice": 0.09,
    }  # fmt: skip
    found = modes(series(cpu.families(stat([1001, 9, 1100, 9001, 40, 4, 7, 6, 9, 8]), "stat")))
    assert (found["user"], found["idle"], found["iowait"]) == (10.01, 90.01, 0.5)


@pytest.mark.parametrize(("idle", "reset"), [(9000 - 300, True), (9000 - 299, False), (0, True)])
def test_idle_that_steps_back_far_starts_the_cpu_anew(idle: int, reset: bool) -> None:
    """Three seconds of idle back are a hotplug: every mode of that CPU restarts, no other CPU's."""
    cpu = CpuSeconds(guest=True)
    before = [1000, 10, 1000, 9000, 50, 5, 6, 7, 8, 9]
    cpu.families(stat(before, before), "stat")
    found = series(cpu.families(stat([1, 1, 1, idle, 1, 1, 1, 1, 1, 1], [1, *before[1:]]), "stat"))
    assert modes(found, "0")["user"] == (0.01 if reset else 10)
    assert modes(found, "0")["guest_nice"] == (0.01 if reset else 0.09)
    assert modes(found, "0")["idle"] == (idle / 100 if reset else 90)
    assert modes(found, "1")["user"] == 10


def test_the_step_back_is_measured_in_seconds() -> None:
    """The limit applies to the difference of the float64 seconds, which need not be the difference of the ticks."""
    assert 854 / 100 - 554 / 100 < 3.0
    cpu = CpuSeconds(guest=False)
    cpu.families(stat([50, 0, 0, 854, 0, 0, 0, 0, 0, 0]), "stat")
    assert modes(series(cpu.families(stat([1, 0, 0, 554, 0, 0, 0, 0, 0, 0]), "stat")))["user"] == 0.5


def test_offline_cpus_vanish_and_return_anew() -> None:
    """A CPU that is not listed has no rows; when it returns, what was remembered of it is gone; the others' is not."""
    cpu = CpuSeconds(guest=False)
    cpu.families(b"cpu0 100 0 0 100\ncpu1 100 0 0 100\n", "stat")
    assert {name.split(",")[0] for name in series(cpu.families(b"cpu1 99 0 0 100\n", "stat"))} == {
        'node_cpu_seconds_total{cpu="1"'
    }
    found = series(cpu.families(b"cpu0 50 0 0 50\ncpu1 99 0 0 100\n", "stat"))
    assert modes(found, "0")["user"] == 0.5
    assert modes(found, "1")["user"] == 1
    assert cpu.cpus == [0, 1]


def test_columns_that_an_old_kernel_lacks_are_absent() -> None:
    """A line with fewer columns has rows for those alone, beside lines that have all."""
    found = series(CpuSeconds(guest=True).families(stat([1] * 10, "2 2 2 2 2"), "stat"))
    assert list(modes(found, "1")) == ["user", "nice", "system", "idle", "iowait"]
    assert len(modes(found, "0")) == 10


@pytest.mark.parametrize("line", ["x 1 2 3 4", "1 2 -3 4", "1 2 nan 4", "1 2 0x3 4", ""])
def test_an_odd_line_costs_itself_alone(line: str) -> None:
    """A CPU whose line is not understood has no rows and is counted, the others have theirs."""
    cpu = CpuSeconds(guest=True)
    found = series(cpu.families(stat([1] * 10, line, [3] * 10), "stat"))
    assert {name.split('"')[1] for name in found} == {"0", "2"}
    assert cpu.left_out == 1
    cpu.families(stat([1] * 10, [2] * 10), "stat")
    assert cpu.left_out == 0


@pytest.mark.parametrize("data", [b"", b"cpu  1 2 3 4\n", b"intr 5\n", b"cpux 1 2 3\n", b"cpu0\n", b"cpu-1 1 2 3 4\n"])
def test_malformed(data: bytes) -> None:
    """A file without one CPU is refused."""
    with pytest.raises(Malformed, match="stat: expected lines cpuN"):
        parse_cpu_times(data, "stat")


@given(st.lists(st.lists(ticks, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=4))
def test_seconds_are_float64_quotients(cpus: list[list[int]]) -> None:
    """Whatever the counters, the seconds are the float64 ticks divided by 100, by whichever way they are read."""
    times = parse_cpu_times(stat(*cpus), "stat")
    assert times.cpus == list(range(len(cpus)))
    assert times.seconds == [float(tick) / 100.0 for cpu in cpus for tick in cpu]


@given(st.lists(st.lists(st.integers(0, 400), min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=30))
def test_never_back(readings: list[list[int]]) -> None:
    """In any sequence a counter falls only together with all others of its CPU, after idle fell by 3 s or more."""
    shown = [0.0] * COLUMNS
    for reading in readings:
        seconds = [tick / 100 for tick in reading]
        after = never_back(shown, seconds)
        if shown[3] - seconds[3] >= 3.0:
            assert after == seconds
        else:
            assert after == [max(pair) for pair in zip(shown, seconds, strict=True)]
        shown = after


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, there are ten numbers for each CPU, none negative, or it is refused."""

    def parse() -> None:
        cpus, seconds, left_out = parse_cpu_times(data, "stat")
        assert left_out >= 0
        assert len(seconds) == COLUMNS * len(cpus)
        assert all(isnan(second) or second >= 0 for second in seconds)
        cpu = CpuSeconds(guest=True)
        cpu.families(SAMPLE, "stat")
        assert not any(map(isnan, series(cpu.families(data, "stat")).values()))

    parses_or_refuses(parse)
