from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given

from nodescope import collectors
from nodescope.collectors.host.diskstats import STATISTICS, parse_diskstats
from nodescope.configuration import load
from nodescope.host import Absent, Host, Malformed
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SDA = "   8       0 sda 25354637 34367663 1003346126 18492372 28444756 11134226 505697032 63877960 0 9653880 82621804\n"
SDB = "   8      16 sdb 326552 841 9657779 84 41822 2895 1972905 5007 0 60730 67070 68851 0 1925173784 11130\n"
SDC = "   8      32 sdc 126552 141 1657779 14 11822 1895 172905 1007 0 10730 17070 18851 0 125173784 11130 1555 1944\n"


def of(found: dict[str, float], device: str) -> dict[str, float]:
    """Family without node_disk_ -> number, of one device; its identity left out."""
    suffix = f'{{device="{device}"}}'
    return {name[10 : -len(suffix)]: value for name, value in found.items() if name.endswith(suffix)}


def devices(machine: Machine, settings: dict[str, str]) -> list[str]:
    found = series(machine.build("diskstats", settings).collect())
    return [name.split('"')[1] for name in found if name.startswith("node_disk_io_now")]


def test_what_each_kernel_gives(machine: Machine) -> None:
    """14, 18 and 20 fields are 11, 15 and 17 statistics; sectors become bytes, but discarded ones stay sectors."""
    machine.write("proc/diskstats", SDA + SDB + SDC)
    found = series(machine.build("diskstats").collect())
    assert [len(of(found, device)) for device in ("sda", "sdb", "sdc")] == [11, 15, 17]
    assert of(found, "sdc") == {
        "reads_completed_total": 126552, "reads_merged_total": 141, "read_bytes_total": 1657779 * 512,
        "read_time_seconds_total": 14 * 0.001, "writes_completed_total": 11822, "writes_merged_total": 1895,
        "written_bytes_total": 172905 * 512, "write_time_seconds_total": 1007 * 0.001, "io_now": 0,
        "io_time_seconds_total": 10730 * 0.001, "io_time_weighted_seconds_total": 17070 * 0.001,
        "discards_completed_total": 18851, "discards_merged_total": 0, "discarded_sectors_total": 125173784,
        "discard_time_seconds_total": 11130 * 0.001, "flush_requests_total": 1555,
        "flush_requests_time_seconds_total": 1944 * 0.001,
    }  # fmt: skip


def test_arithmetic_is_that_of_float64(machine: Machine) -> None:
    """Ticks are multiplied by 0.001, which shows, and counters go up to 64 bits."""
    machine.write("proc/diskstats", f"8 0 sda 1 0 {2**64 - 1} 9 0 0 0 0 0 0 0\n")
    found = of(series(machine.build("diskstats").collect()), "sda")
    assert found["read_time_seconds_total"] == 0.009000000000000001
    assert found["read_bytes_total"] == float(2**64 - 1) * 512.0


@pytest.mark.parametrize(
    "line",
    [
        "8 1 sda1 1 2 3 4 5 6 7 8 9 10\n", SDA.replace("63877960", "x"), SDA.replace("63877960", "-1"),
        SDA.replace("63877960", str(2**64)), "8 x sda" + " 1" * 11, f"{2**32} 0 sda" + " 1" * 11, "\n", "8 0 sda\xff\n",
    ],
)  # fmt: skip
def test_an_odd_line_costs_itself_alone(machine: Machine, line: str) -> None:
    """A line that is short or no numbers is left out and counted, the others stay."""
    machine.write("proc/diskstats", line.encode("latin-1") + b"\n" + SDB.encode())
    assert devices(machine, {}) == ["sdb"]
    collector = machine.build("diskstats")
    for _ in range(2):
        collector.collect()
        assert collector.left_out == bool(line.strip())
    machine.write("proc/diskstats", SDA + SDB)
    collector.collect()
    assert collector.left_out == 0


def test_a_device_that_is_there_twice_is_counted(machine: Machine) -> None:
    """Of two lines of one device the first is shown, the other counted; without a final newline none is missing."""
    machine.write("proc/diskstats", SDA + SDB + SDA.replace("25354637", "1").rstrip("\n"))
    collector = machine.build("diskstats")
    assert series(collector.collect())['node_disk_reads_completed_total{device="sda"}'] == 25354637
    assert collector.left_out == 1
    machine.write("proc/diskstats", (SDA + SDB).rstrip("\n"))
    collector.collect()
    assert collector.left_out == 0


@pytest.mark.parametrize(("extra", "count"), [(" 1", 12), (" 1 2 3 4 5", 16), (" 1 2 3 4 5 6 7 8", 17)])
def test_any_number_of_fields(machine: Machine, extra: str, count: int) -> None:
    """As many statistics as there are fields, at most those that are known."""
    machine.write("proc/diskstats", SDA.rstrip() + extra)
    assert len(of(series(machine.build("diskstats").collect()), "sda")) == count


def test_default_devices(machine: Machine) -> None:
    """Partitions of disks, loops and RAM disks are left out unless asked for."""
    names = ("sda", "sda1", "nvme0n1", "nvme0n1p1", "loop0", "ram1", "zram0", "fd0", "md0", "dm-0", "mmcblk0p1")
    machine.write("proc/diskstats", "".join(f"8 {n} {name}" + " 1" * 11 + "\n" for n, name in enumerate(names)))
    assert devices(machine, {}) == ["sda", "nvme0n1", "md0", "dm-0", "mmcblk0p1"]
    assert devices(machine, {"device-include": "^sd"}) == ["sda", "sda1"]
    assert devices(machine, {"device-exclude": "^[^d]"}) == ["dm-0"]
    assert devices(machine, {"device-include": "^(sd[a-z]|nvme.*)$", "device-exclude": ""}) == [
        "sda", "nvme0n1", "nvme0n1p1",
    ]  # fmt: skip
    with pytest.raises(SettingsError):
        machine.build("diskstats", {"device-include": "a", "device-exclude": "b"})


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters, new devices and devices that are gone are seen at the next scrape, with their identity."""
    machine.write("udev/b8:16", "E:ID_MODEL=second\n")
    machine.write("proc/diskstats", SDA)
    collector = machine.build("diskstats")
    assert 'node_disk_reads_completed_total{device="sda"}' in series(collector.collect())
    machine.write("proc/diskstats", SDA.replace("25354637", "25354638") + SDB)
    found = series(collector.collect())
    assert found['node_disk_reads_completed_total{device="sda"}'] == 25354638
    assert any('device="sdb"' in name and 'model="second"' in name for name in found)
    machine.write("proc/diskstats", SDB)
    assert not any('"sda"' in name for name in series(collector.collect()))


def test_identity_is_the_same_tuple_while_devices_stay(machine: Machine) -> None:
    """What devices are is not read again at each scrape, and given as the very rows of before."""
    machine.write("proc/diskstats", SDA)
    collector = machine.build("diskstats")
    first, second = (next(iter(collector.collect())).rows for _ in range(2))
    assert isinstance(first, tuple)
    assert first is second


def test_what_a_device_is_may_change(machine: Machine) -> None:
    """Another disk under the same name and numbers has its own identity at the next scrape, with the same counters."""
    machine.write("udev/b8:0", "E:ID_MODEL=first\n")
    machine.write("sys/block/sda/queue/rotational", "1\n")
    machine.write("proc/diskstats", SDA)
    collector = machine.build("diskstats")
    assert any('model="first"' in name and 'rotational="1"' in name for name in series(collector.collect()))
    machine.write("udev/b8:0", "E:ID_MODEL=second\n")
    machine.write("sys/block/sda/queue/rotational", "0\n")
    found = series(collector.collect())
    assert any('model="second"' in name and 'rotational="0"' in name for name in found)
    assert 'node_disk_reads_completed_total{device="sda"}' in found


def test_udev_that_comes_late(tmp_path: Path) -> None:
    """On a running machine a device's identity is read again when udev has written, not only each minute."""
    host = Host(udev_data=str(tmp_path))
    collector = collectors.build("diskstats", host, load({"collector.diskstats.device-exclude": ""}, {}))
    disks = [line.split()[:3] for line in Path("/proc/diskstats").read_text().splitlines()]
    if not disks:
        pytest.skip("this machine has no block devices")
    os.utime(tmp_path, (0, 0))
    collector.collect()
    major, minor, name = disks[0]
    (tmp_path / f"b{major}:{minor}").write_text("E:ID_MODEL=late\n")
    assert any(f'device="{name}"' in found and 'model="late"' in found for found in series(collector.collect()))


def test_a_machine_without_disks(machine: Machine) -> None:
    """An empty file is a machine without block devices, not a failure."""
    machine.write("proc/diskstats", "")
    assert list(machine.build("diskstats").collect()) == []


def test_absent_and_malformed(machine: Machine) -> None:
    """No file: nothing. Lines, but none that is understood: refused."""
    with pytest.raises(Absent):
        machine.build("diskstats").collect()
    machine.write("proc/diskstats", "8 0 sda 1 2\n")
    with pytest.raises(Malformed, match="proc/diskstats: expected lines of major"):
        machine.build("diskstats").collect()


@given(mangled((SDA + SDB + SDC).encode()))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, there are eleven to seventeen numbers for each device, or it is refused."""
    parses_or_refuses(lambda: _check(data))


def _check(data: bytes) -> None:
    for statistics in parse_diskstats(data, "diskstats").values():
        assert 11 <= len(statistics) <= len(STATISTICS)
        assert 0 <= min(statistics) <= max(statistics) < 2**64
