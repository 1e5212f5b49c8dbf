from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.tapestats import MAX_DRIVES
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

CLASS = "sys/class/scsi_tape"
FILES = {
    "in_flight": "2",
    "io_ns": "9247011087720",
    "other_cnt": "17",
    "read_byte_cnt": "65536",
    "read_cnt": "3",
    "read_ns": "1500000000",
    "resid_cnt": "1",
    "write_byte_cnt": "1048576",
    "write_cnt": "4",
    "write_ns": "250000000",
}
SERIES = {
    'node_tape_io_now{device="st0"}': 2,
    'node_tape_io_time_seconds_total{device="st0"}': 9247011087720 * 0.000000001,
    'node_tape_io_others_total{device="st0"}': 17,
    'node_tape_read_bytes_total{device="st0"}': 65536,
    'node_tape_reads_completed_total{device="st0"}': 3,
    'node_tape_read_time_seconds_total{device="st0"}': 1.5,
    'node_tape_residual_total{device="st0"}': 1,
    'node_tape_written_bytes_total{device="st0"}': 1048576,
    'node_tape_writes_completed_total{device="st0"}': 4,
    'node_tape_write_time_seconds_total{device="st0"}': 0.25,
}


def write(machine: Machine, drive: str) -> None:
    for name, content in FILES.items():
        machine.write(f"{CLASS}/{drive}/stats/{name}", f"{content}\n")


@pytest.fixture
def drive(machine: Machine) -> Machine:
    """One drive, under all of its names."""
    for name in ("st0", "st0a", "st0l", "st0m", "nst0", "nst0a"):
        write(machine, name)
    return machine


def test_counters(drive: Machine) -> None:
    """A drive's counters are there once, however many names it has; nanoseconds are seconds."""
    collector = drive.build("tapestats")
    assert series(collector.collect()) == pytest.approx(SERIES, rel=1e-15)
    assert collector.left_out == 0


def test_ignored_drives(drive: Machine) -> None:
    """Drives whose name the pattern finds are left out."""
    write(drive, "st12")
    found = series(drive.build("tapestats", {"ignored-devices": "^st0$"}).collect())
    assert len(found) == len(SERIES)
    assert all('"st12"' in name for name in found)


@pytest.mark.parametrize("content", ["", "x", "-1", "1_0", "1.5", "1 2", "18446744073709551616"])
def test_malformed(drive: Machine, content: str) -> None:
    """A file that holds no number costs its own series and is counted, as one that is not there does not."""
    drive.write(f"{CLASS}/st0/stats/io_ns", content)
    drive.remove(f"{CLASS}/st0/stats/resid_cnt")
    collector = drive.build("tapestats")
    found = series(collector.collect())
    gone = {'node_tape_io_time_seconds_total{device="st0"}', 'node_tape_residual_total{device="st0"}'}
    assert found.keys() == SERIES.keys() - gone
    assert collector.left_out == 1


def test_one_broken_drive(drive: Machine) -> None:
    """A drive whose files cannot be read does not cost the others theirs."""
    write(drive, "st1")
    host = DriverHost(drive)
    host.refuses = {f"st0/stats/{name}": errno.EIO for name in FILES}
    found = series(host.build("tapestats").collect())
    assert len(found) == len(SERIES)
    assert all('"st1"' in name for name in found)


def test_between_two_scrapes(drive: Machine) -> None:
    """The second scrape sees new values and drives, and not the drive that is gone."""
    collector = drive.build("tapestats")
    collector.collect()
    drive.write(f"{CLASS}/st0/stats/read_cnt", "5\n")
    write(drive, "st1")
    found = series(collector.collect())
    assert found['node_tape_reads_completed_total{device="st0"}'] == 5
    assert len(found) == 2 * len(SERIES)
    drive.remove(f"{CLASS}/st0")
    assert len(series(collector.collect())) == len(SERIES)


def test_too_many_drives(machine: Machine) -> None:
    """Drives beyond the greatest number are left out and counted."""
    for number in range(MAX_DRIVES + 2):
        (machine.folder / f"{CLASS}/st{number}").mkdir(parents=True)
    collector = machine.build("tapestats")
    collector.collect()
    assert collector.left_out == 2


def test_absent(machine: Machine) -> None:
    """Without the driver there is nothing; without a drive there is no family."""
    with pytest.raises(Absent):
        machine.build("tapestats").collect()
    (machine.folder / CLASS).mkdir(parents=True)
    assert machine.build("tapestats").collect() == []


@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=200)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever the files hold, each is a series or is counted."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    (machine.folder / CLASS / "st0/stats").mkdir(parents=True)
    for name, content in files.items():
        machine.write(f"{CLASS}/st0/stats/{name}", content)
    collector = machine.build("tapestats")
    assert len(series(collector.collect())) + collector.left_out == len(files)
