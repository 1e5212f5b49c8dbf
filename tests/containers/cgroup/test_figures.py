"""nodescope.containers.cgroup.figures: what the files of a cgroup say."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.cgroup.figures import (
    MAX_IO_DEVICES,
    V1_FILES,
    V2_FILES,
    Figures,
    File,
    Io,
    cores_v1,
    parse_cpu_max,
    parse_flat,
    parse_io_stat,
    parse_throttle,
    parse_weight,
    working_set,
)
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.containers.cgroup.trees import V1, V2

SAMPLES: Final = [
    *((file, V2[file.name].encode()) for file in V2_FILES),
    *((file, V1[f"{file.controller}/{file.name}"].encode()) for file in V1_FILES),
]


def file_of(files: tuple[File, ...], name: str) -> File:
    return next(file for file in files if file.name == name)


@pytest.mark.parametrize(
    ("data", "cores"),
    [
        (b"150000 100000\n", {"cpu_limit_cores": 1.5, "cpu_period_microseconds": 100_000}),
        (b"25000 50000\n", {"cpu_limit_cores": 0.5, "cpu_period_microseconds": 50_000}),
        (b"max 100000\n", {"cpu_period_microseconds": 100_000}),
        (b"1 0\n", {}),
    ],
)
def test_cpu_max(data: bytes, cores: Figures) -> None:
    """Quota by period is cores; without a quota there is a period and no limit, without a period nothing."""
    assert parse_cpu_max(data, "cpu.max") == cores


@pytest.mark.parametrize(("weight", "shares"), [(1, 2), (20, 500), (100, 2597), (10_000, 262_144)])
def test_weight(weight: int, shares: int) -> None:
    """The weights of v2 are on the scale of v1's shares, as runtimes turn the one into the other."""
    assert parse_weight(f"{weight}\n".encode(), "cpu.weight") == {"cpu_shares": shares}
    with pytest.raises(Malformed, match=r"cpu\.weight: expected a weight from 1 to 10000"):
        parse_weight(b"10001\n", "cpu.weight")


@pytest.mark.parametrize(
    ("full", "figures"),
    [
        (b"full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n", {"cpu_full_stalled_seconds": 0.5}),
        (b"full avg10=0.00\n", {}),
    ],
)
def test_pressure(full: bytes, figures: Figures) -> None:
    """How long some task was stalled, and all, where the kernel tells that too."""
    some = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n"
    assert file_of(V2_FILES, "cpu.pressure").parse(some + full, "cpu.pressure") == {"cpu_stalled_seconds": 2} | figures
    with pytest.raises(Malformed):
        file_of(V2_FILES, "cpu.pressure").parse(full + some, "cpu.pressure")


def test_cores_of_v1() -> None:
    """-1 is no limit, and the period is told all the same."""
    period = {"cpu_period_microseconds": 100_000}
    assert cores_v1(b"50000\n", b"100000\n", "quota") == {"cpu_limit_cores": 0.5} | period
    assert cores_v1(b"-1\n", b"100000\n", "quota") == period
    assert cores_v1(b"1\n", b"0\n", "quota") == {}


@pytest.mark.parametrize(
    ("files", "name", "data", "figures"),
    [
        (V2_FILES, "memory.max", b"max\n", {}),
        (V2_FILES, "pids.max", b"max\n", {}),
        (V2_FILES, "cpu.stat", b"usage_usec 5\n", {"cpu_seconds": 5e-6}),
        (V2_FILES, "memory.events", b"low 0\nmax 0\noom 0\n", {"memory_failures": 0, "oom_events": 0}),
        (V2_FILES, "memory.swap.max", b"max\n", {}),
        (V2_FILES, "cpu.weight", b"0\n", {}),
        (V1_FILES, "memory.memsw.limit_in_bytes", b"9223372036854771712\n", {}),
        (V1_FILES, "memory.soft_limit_in_bytes", b"9223372036854771712\n", {}),
        (V1_FILES, "memory.limit_in_bytes", b"9223372036854771712\n", {}),
        (V1_FILES, "memory.oom_control", b"oom_kill_disable 0\nunder_oom 0\n", {}),
        (V2_FILES, "cpu.pressure", b"some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000", {"cpu_stalled_seconds": 2}),
    ],
)
def test_what_older_kernels_and_no_limits_say(
    files: tuple[File, ...], name: str, data: bytes, figures: Figures
) -> None:
    """No limit and what a kernel does not count are absent, never 0."""
    assert file_of(files, name).parse(data, name) == figures


@pytest.mark.parametrize("data", [b"a\n", b"a 1 2\n", b"a 1\nb\n", b"a 1"])
def test_no_flat_file(data: bytes) -> None:
    """Lines of other than two words are refused, for a shift of one word would exchange keys and numbers."""
    with pytest.raises(Malformed, match="x: expected lines of a key and a number"):
        parse_flat(data, "x")


@pytest.mark.parametrize("data", [b"usage_usec -5\n", b"usage_usec x\n", b"usage_usec 99999999999999999999\n"])
def test_no_number(data: bytes) -> None:
    """A counter that is negative, no number or too great is refused."""
    with pytest.raises(Malformed, match=r"cpu\.stat: expected a number"):
        file_of(V2_FILES, "cpu.stat").parse(data, "cpu.stat")


def test_io_stat() -> None:
    """Each device's figures; a device without any, also without its end of line, is left out, unknown keys are too."""
    data = b"8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n7:0 \n253:0 253:1 rbytes=9 wbytes=x\n"
    assert parse_io_stat(data, "io.stat") == {"8:0": Io(1, 2, 3, 4), "253:1": Io(9)}
    many = b"".join(b"8:%d rbytes=1\n" % number for number in range(MAX_IO_DEVICES + 5))
    assert len(parse_io_stat(many, "io.stat")) == MAX_IO_DEVICES
    with pytest.raises(Malformed):
        parse_io_stat(b"sda rbytes=1\n", "io.stat")


def test_devices_without_a_number() -> None:
    """What the kernel calls (unknown), as the paths of a multipath NVMe disk, costs no other device its figures."""
    data = b"(unknown) rbytes=7 wbytes=7 rios=7 wios=7\n259:1 rbytes=1 wbytes=2 rios=3 wios=4\n7:0 (unknown) rbytes=7\n"
    assert parse_io_stat(data + b"(unknown) 8:0 rbytes=9\n", "io.stat") == {"259:1": Io(1, 2, 3, 4), "8:0": Io(9)}
    data = b"(unknown) Read 7\n(unknown) Write 7\n(unknown) Total 14\n259:1 Read 1\n259:1 Write 2\nTotal 17\n"
    assert parse_throttle(data, "blkio") == {"259:1": (1, 2)}


def test_throttle() -> None:
    """Reads and writes of each device, without sums and other operations."""
    data = b"8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:16 Write 4\nTotal 7\n"
    assert parse_throttle(data, "blkio") == {"8:0": (1, 2), "8:16": (0, 4)}
    with pytest.raises(Malformed):
        parse_throttle(b"8:0 Read\n", "blkio")


@pytest.mark.parametrize(("used", "inactive", "expected"), [(10, 4, 6), (10, 12, 0), (10, 10, 0)])
def test_working_set(used: int, inactive: int, expected: int) -> None:
    """Inactive file pages are counted off, and no less than nothing is left."""
    figures: Figures = {"memory_used_bytes": used, "memory_inactive_file_bytes": inactive}
    working_set(figures)
    assert figures["memory_working_set_bytes"] == expected


@given(st.data())
def test_any_file(data: st.DataObject) -> None:
    """Whatever a file says, it is refused or its figures are finite and not negative."""
    file, sample = data.draw(st.sampled_from(SAMPLES))
    raw = data.draw(mangled(sample))

    def parse() -> None:
        assert all(0 <= value < 2**64 for value in file.parse(raw, file.name).values())

    parses_or_refuses(parse)


@given(mangled(V2["io.stat"].encode()), mangled(V1["blkio/blkio.throttle.io_serviced"].encode()))
def test_any_io(unified: bytes, legacy: bytes) -> None:
    """Whatever the files of block I/O say, they are read or refused."""
    parses_or_refuses(lambda: parse_io_stat(unified, "io.stat"))
    parses_or_refuses(lambda: parse_throttle(legacy, "blkio"))


@given(mangled(b"150000 100000\n"), mangled(b"100000\n"))
def test_any_quota(quota: bytes, period: bytes) -> None:
    """Whatever the limits say, they are read or refused."""
    parses_or_refuses(lambda: parse_cpu_max(quota, "cpu.max"))
    parses_or_refuses(lambda: cores_v1(quota, period, "cpu.cfs_quota_us"))
