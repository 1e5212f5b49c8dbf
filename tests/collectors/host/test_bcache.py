from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host import bcache
from nodescope.collectors.host.bcache_metrics import METRICS
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, mangled, series

FOLDER = "sys/fs/bcache"
A = "2f1d9c0e-66a1-4f0b-9d0c-5b2f6f0e7a11"
B = "c37b3f52-0d8a-4c7e-8f6e-91d0a4b3c2d5"
WRITEBACK = b"""rate:\t\t4.0k/sec
dirty:\t\t1.2G
target:\t\t3.5G
proportional:\t-12.3k
integral:\t7.0M
change:\t\t-0.5k/sec
next io:\t-220ms
"""
PRIORITY = b"""Unused:\t\t41%
Dirty:\t\t3%
Metadata:\t1%
Sectors per Q:\t4096
Quantiles:\t[0 3 9]
"""
OF_SET = {
    "average_key_size": "512",
    "btree_cache_size": "12.5M",
    "cache_available_percent": "97",
    "congested": "0.0k",
    "root_usage_percent": "6",
    "tree_depth": "1",
    "internal/active_journal_entries": "23",
    "internal/btree_nodes": "842",
    "internal/btree_read_average_duration_us": "2718",
    "internal/cache_read_races": "5",
}
OF_BACKING = {
    "dirty_data": "1.2G",
    "stats_total/bypassed": "120.0T",
    "stats_total/cache_hits": "900719",
    "stats_total/cache_misses": "4021",
    "stats_total/cache_bypass_hits": "17",
    "stats_total/cache_bypass_misses": "18",
    "stats_total/cache_miss_collisions": "19",
    "stats_total/cache_readaheads": "20",
}
OF_CACHE = {"io_errors": "2", "metadata_written": "33.1G", "written": "1.9T"}
SET_SERIES = {
    "average_key_size_sectors": 512,
    "btree_cache_size_bytes": 12 * 2**20 + 500 * 2**10,
    "cache_available_percent": 97,
    "congested": 0,
    "root_usage_percent": 6,
    "tree_depth": 1,
    "active_journal_entries": 23,
    "btree_nodes": 842,
    "btree_read_average_duration_seconds": 2.718e-06,
    "cache_read_races_total": 5,
}
BACKING_SERIES = {
    "dirty_data_bytes": 2**30 + 200 * 2**20,
    "bypassed_bytes_total": 120 * 2**40,
    "cache_hits_total": 900719,
    "cache_misses_total": 4021,
    "cache_bypass_hits_total": 17,
    "cache_bypass_misses_total": 18,
    "cache_miss_collisions_total": 19,
    "cache_readaheads_total": 20,
    "dirty_target_bytes": 3 * 2**30 + 500 * 2**20,
    "writeback_rate": 4096,
    "writeback_rate_proportional_term": -(12 * 1024 + 300),
    "writeback_rate_integral_term": 7 * 2**20,
    "writeback_change": -500,
}
CACHE_SERIES = {
    "io_errors": 2,
    "metadata_written_bytes_total": 33 * 2**30 + 100 * 2**20,
    "written_bytes_total": 2**40 + 900 * 2**30,
}
PRIORITY_SERIES = {"priority_stats_unused_percent": 41, "priority_stats_metadata_percent": 1}
OF_WRITEBACK = tuple(name for name in BACKING_SERIES if name.startswith(("dirty_target", "writeback")))


def cache_set(machine: Machine, uuid: str = A, backing: tuple[str, ...] = ("bdev0",)) -> None:
    """A set of one cache and some backing devices, whose folders are links to those of the disks, as in the kernel."""
    for name, value in OF_SET.items():
        machine.write(f"{FOLDER}/{uuid}/{name}", f"{value}\n")
    for device, files, report in (
        *((name, OF_BACKING, ("writeback_rate_debug", WRITEBACK)) for name in backing),
        ("cache0", OF_CACHE, ("priority_stats", PRIORITY)),
    ):
        disk = f"sys/devices/{uuid}-{device}/bcache"
        for name, value in files.items():
            machine.write(f"{disk}/{name}", f"{value}\n")
        machine.write(f"{disk}/{report[0]}", report[1])
        (machine.folder / FOLDER / uuid / device).symlink_to(machine.folder / disk)


def of(numbers: Mapping[str, float], uuid: str = A, device: str = "") -> dict[str, float]:
    kind = "backing_device" if device.startswith("bdev") else "cache_device"
    inside = f'uuid="{uuid}"' + (f',{kind}="{device}"' if device else "")
    return {f"node_bcache_{name}{{{inside}}}": number for name, number in numbers.items()}


def all_of(uuid: str = A, backing: tuple[str, ...] = ("bdev0",)) -> dict[str, float]:
    """The series of such a set without priority_stats."""
    found = of(SET_SERIES, uuid) | of(CACHE_SERIES, uuid, "cache0")
    for device in backing:
        found |= of(BACKING_SERIES, uuid, device)
    return found


def without(names: tuple[str, ...], uuid: str = A, device: str = "bdev0") -> dict[str, float]:
    lost = of(dict.fromkeys(names, 0.0), uuid, device)
    return {name: number for name, number in all_of(uuid).items() if name not in lost}


def test_all_numbers(machine: Machine) -> None:
    """Sets, backing devices and caches each have their series, and nothing is left out."""
    cache_set(machine, A, ("bdev0", "bdev1"))
    cache_set(machine, B)
    machine.write(f"{FOLDER}/register", "")
    collector = machine.build("bcache")
    assert series(collector.collect()) == all_of(A, ("bdev0", "bdev1")) | all_of(B)
    assert collector.left_out == 0


def test_priority_stats(machine: Machine) -> None:
    """With the option on there are two percentages more, and with them every metric of the table."""
    cache_set(machine)
    collector = machine.build("bcache", {"priorityStats": True})
    families = list(collector.collect())
    assert series(families) == all_of() | of(PRIORITY_SERIES, A, "cache0")
    assert tuple(family.metric for family in families) == METRICS
    assert collector.left_out == 0


def test_priority_stats_is_not_read_unless_asked_for(machine: Machine) -> None:
    """The expensive file is not opened while the option is off."""
    cache_set(machine)
    host = DriverHost(machine)
    host.build("bcache").collect()
    assert not any(path.endswith("/priority_stats") for path in host.opened)
    host.build("bcache", {"priorityStats": True}).collect()
    assert sum(path.endswith("/priority_stats") for path in host.opened) == 1


def test_text(machine: Machine) -> None:
    """Large sizes, and seconds of a few microseconds, are spelled as Go spells them."""
    cache_set(machine)
    lines = TextEncoder().encode(machine.build("bcache").collect()).decode().splitlines()
    assert f'node_bcache_btree_read_average_duration_seconds{{uuid="{A}"}} 2.718e-06' in lines
    assert f'node_bcache_dirty_target_bytes{{backing_device="bdev0",uuid="{A}"}} 3.745513472e+09' in lines


@pytest.mark.parametrize("value", ["", "\n", "soon\n", "-1\n", "-1.0k\n", "1K\n", "16.0E\n", "1 2\n", "\0\n"])
@pytest.mark.parametrize(
    ("file", "lost", "device"),
    [
        ("congested", "congested", ""),
        ("internal/btree_nodes", "btree_nodes", ""),
        ("internal/btree_read_average_duration_us", "btree_read_average_duration_seconds", ""),
        ("bdev0/dirty_data", "dirty_data_bytes", "bdev0"),
        ("bdev0/stats_total/cache_hits", "cache_hits_total", "bdev0"),
        ("bdev0/stats_total/cache_readaheads", "cache_readaheads_total", "bdev0"),
        ("cache0/written", "written_bytes_total", "cache0"),
    ],
)
def test_one_malformed_file(machine: Machine, file: str, lost: str, device: str, value: str) -> None:
    """A file without a number costs its own series, and is counted at each scrape."""
    cache_set(machine)
    machine.write(f"{FOLDER}/{A}/{file}", value)
    collector = machine.build("bcache")
    for _ in range(2):
        assert series(collector.collect()) == without((lost,), A, device)
        assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe", b"rate 4.0k/sec\n", b"next io:\t3ms\n"])
def test_malformed_reports(machine: Machine, data: bytes) -> None:
    """A report without any line that is known costs its series, and its siblings stay."""
    cache_set(machine)
    machine.write(f"{FOLDER}/{A}/bdev0/writeback_rate_debug", data)
    machine.write(f"{FOLDER}/{A}/cache0/priority_stats", data)
    collector = machine.build("bcache", {"priorityStats": True})
    assert series(collector.collect()) == without(OF_WRITEBACK)
    assert collector.left_out == 2


def test_older_writeback(machine: Machine) -> None:
    """An older kernel has a derivative and no integral, and tells fractions from .0 to .10: no integral is known."""
    cache_set(machine)
    machine.write(
        f"{FOLDER}/{A}/bdev0/writeback_rate_debug",
        "rate:\t\t512k/sec\ndirty:\t\t0\ntarget:\t\t9.10G\nproportional:\t-512\nderivative:\t3.2k\nchange:\t\t0/sec\n",
    )
    collector = machine.build("bcache")
    changed = {
        "writeback_rate": 512 * 1024,
        "dirty_target_bytes": 9 * 2**30 + 1000 * 2**20,
        "writeback_rate_proportional_term": -512,
        "writeback_change": 0,
    }
    assert series(collector.collect()) == without(OF_WRITEBACK) | of(changed, A, "bdev0")
    assert collector.left_out == 0


@pytest.mark.parametrize("content", [None, "0\n"])
def test_no_readaheads(machine: Machine, content: str | None) -> None:
    """Readaheads that are not counted, or of which there were none, have no series."""
    cache_set(machine)
    machine.remove(f"{FOLDER}/{A}/bdev0/stats_total/cache_readaheads")
    if content is not None:
        machine.write(f"{FOLDER}/{A}/bdev0/stats_total/cache_readaheads", content)
    collector = machine.build("bcache")
    assert series(collector.collect()) == without(("cache_readaheads_total",))
    assert collector.left_out == 0


def test_missing_files(machine: Machine) -> None:
    """What is not there has no series and is not counted: a folder, a file, a report."""
    cache_set(machine)
    machine.remove(f"{FOLDER}/{A}/internal")
    machine.remove(f"{FOLDER}/{A}/bdev0/dirty_data")
    machine.remove(f"{FOLDER}/{A}/bdev0/writeback_rate_debug")
    machine.remove(f"{FOLDER}/{A}/cache0/priority_stats")
    collector = machine.build("bcache", {"priorityStats": True})
    internal = of(dict(list(SET_SERIES.items())[-4:]))
    assert series(collector.collect()).keys() == without((*OF_WRITEBACK, "dirty_data_bytes")).keys() - internal.keys()
    assert collector.left_out == 0


def test_odd_names(machine: Machine) -> None:
    """A set or device that is no folder has nothing to show, and a name without a number is no device."""
    cache_set(machine)
    machine.write(f"{FOLDER}/no-folder", "1\n")
    machine.write(f"{FOLDER}/{A}/bdev7", "1\n")
    machine.write(f"{FOLDER}/{A}/bdev/dirty_data", "1\n")
    machine.write(f"{FOLDER}/{A}/cache_set/io_errors", "1\n")
    (machine.folder / FOLDER / A / "cache3").symlink_to("gone")
    collector = machine.build("bcache")
    assert series(collector.collect()) == all_of()
    assert collector.left_out == 0


def test_one_broken_device(machine: Machine) -> None:
    """A device of nonsense costs its own series; its siblings, its set and other sets stay."""
    cache_set(machine, A, ("bdev0", "bdev1"))
    cache_set(machine, B)
    for file in (*OF_BACKING, "writeback_rate_debug"):
        machine.write(f"{FOLDER}/{A}/bdev1/{file}", b"\xff\xfe\n")
    collector = machine.build("bcache")
    for _ in range(2):
        assert series(collector.collect()) == all_of(A) | all_of(B)
        assert collector.left_out == len(OF_BACKING) + 1


@pytest.mark.parametrize(("number", "left_out"), [(errno.EIO, 0), (errno.EACCES, 0), (errno.ENOMEM, 2)])
def test_files_that_cannot_be_read(machine: Machine, number: int, left_out: int) -> None:
    """What the driver refuses has no series; what fails for another reason is counted too."""
    cache_set(machine)
    host = DriverHost(machine)
    host.refuses = {"/tree_depth": number, "/priority_stats": number}
    collector = host.build("bcache", {"priorityStats": True})
    assert series(collector.collect()) == without(("tree_depth",), A, "")
    assert collector.left_out == left_out


def test_between_two_scrapes(machine: Machine) -> None:
    """The next scrape has new numbers, sets and devices, and not those that are gone."""
    cache_set(machine, A, ("bdev0", "bdev1"))
    cache_set(machine, B)
    collector = machine.build("bcache")
    collector.collect()
    machine.write(f"{FOLDER}/{A}/bdev0/stats_total/cache_hits", "900720\n")
    machine.write(f"{FOLDER}/{A}/bdev0/writeback_rate_debug", WRITEBACK.replace(b"4.0k", b"1.1M"))
    machine.remove(f"{FOLDER}/{B}")
    (machine.folder / FOLDER / A / "bdev1").unlink()
    changed = of({"cache_hits_total": 900720, "writeback_rate": 2**20 + 100 * 2**10}, A, "bdev0")
    assert series(collector.collect()) == all_of() | changed
    machine.write(f"{FOLDER}/{A}/bdev2/dirty_data", "0.5k\n")
    machine.write(f"{FOLDER}/{B}/tree_depth", "2\n")
    added = of({"dirty_data_bytes": 500}, A, "bdev2") | of({"tree_depth": 2}, B)
    assert series(collector.collect()) == all_of() | changed | added
    assert collector.left_out == 0


def test_a_set_that_goes_before_it_is_read(machine: Machine) -> None:
    """While the kernel's directories are remembered, a set that has gone meanwhile has no series and is no error."""
    cache_set(machine)
    cache_set(machine, B)
    host = DriverHost(machine, remembers=True)
    collector = host.build("bcache")
    collector.collect()
    machine.remove(f"{FOLDER}/{A}")
    assert series(collector.collect()) == all_of(B)
    assert collector.left_out == 0


def test_too_many(machine: Machine) -> None:
    """Sets and devices beyond the limits are left out and counted."""
    for number in range(bcache.MAX_SETS + 2):
        machine.write(f"{FOLDER}/{number:04}-0/tree_depth", "1\n")
    for number in range(bcache.MAX_DEVICES + 3):
        machine.write(f"{FOLDER}/0000-0/bdev{number}/stats_total/cache_hits", "1\n")
    collector = machine.build("bcache")
    for _ in range(2):
        assert len(series(collector.collect())) == bcache.MAX_SETS + bcache.MAX_DEVICES
        assert collector.left_out == 5


def test_absent(machine: Machine) -> None:
    """Without bcache in the kernel there is nothing; with bcache but no set there are no families."""
    collector = machine.build("bcache")
    with pytest.raises(Absent):
        collector.collect()
    machine.write(f"{FOLDER}/register", "")
    assert collector.collect() == []


ALL_FILES = [
    *OF_SET,
    *(f"bdev0/{name}" for name in (*OF_BACKING, "writeback_rate_debug")),
    *(f"cache0/{name}" for name in (*OF_CACHE, "priority_stats")),
]


@given(st.dictionaries(st.sampled_from(ALL_FILES), st.binary(max_size=200) | mangled(WRITEBACK) | mangled(PRIORITY)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever the files hold, each of them gives its series, is left out, or is not there."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    (machine.folder / FOLDER / A).mkdir(parents=True)
    for name, content in files.items():
        machine.write(f"{FOLDER}/{A}/{name}", content)
    collector = machine.build("bcache", {"priorityStats": True})
    found = series(collector.collect())
    # A readahead count of 0 is neither shown nor odd.
    assert len(found) + collector.left_out >= len(files) - ("bdev0/stats_total/cache_readaheads" in files)
    assert all(-(2**63) <= number < 2**64 for number in found.values())
