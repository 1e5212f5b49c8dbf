from __future__ import annotations

import errno
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host import bcachefs
from nodescope.collectors.host.bcachefs_files import (
    MAX_LINES,
)
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent
from nodescope.metric import Family
from tests.collectors.host.bcachefs_tree import (
    ALL,
    COMPRESSION,
    COUNTER,
    ERRORS,
    FOLDER,
    IO_ERRORS,
    OF_DEVICE,
    OF_FILESYSTEM,
    OTHER,
    UUID,
    WRITES,
    device_series,
    filesystem_series,
    named,
    without,
    write_filesystem,
)
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series


@pytest.fixture
def pool(machine: Machine) -> Machine:
    """A filesystem on two devices."""
    write_filesystem(machine, devices=(0, 10))
    return machine


def test_every_file(pool: Machine) -> None:
    """Each file of the filesystem, of its counters and of its devices is its series."""
    collector = pool.build("bcachefs")
    assert series(collector.collect()) == ALL
    assert collector.left_out == 0


def test_what_a_counter_is(pool: Machine) -> None:
    """A counter's family is named after its file, and its help says since when it counts."""
    shown = TextEncoder().encode(pool.build("bcachefs").collect()).decode()
    assert "# HELP node_bcachefs_fsync_total Bcachefs counter fsync since filesystem creation.\n" in shown
    assert "# TYPE node_bcachefs_fsync_total counter\n" in shown
    assert "# TYPE node_bcachefs_device_buckets gauge\n" in shown


def test_two_filesystems(pool: Machine) -> None:
    """Series of several filesystems stand in the same families."""
    write_filesystem(pool, OTHER, (3,))
    families = list(pool.build("bcachefs").collect())
    assert series(families) == {**ALL, **filesystem_series(OTHER), **device_series(3, OTHER)}
    assert len({family.metric.name for family in families}) == len(families)


def test_sizes_with_their_units_spelt_out(pool: Machine) -> None:
    """Kernels that have bcachefs themselves write the same sizes with a blank and the whole unit."""
    spelt = COMPRESSION.replace("G ", " GiB ").replace("T ", " TiB ").replace("k\n", " KiB\n").replace(" 0\n", " 0 B\n")
    pool.write(f"{FOLDER}/{UUID}/compression_stats", spelt.replace("  0  ", "  0 B  "))
    pool.write(f"{FOLDER}/{UUID}/btree_write_stats", WRITES.replace("k\n", " KiB\n").replace(" 0\n", " 0 B\n"))
    pool.write(f"{FOLDER}/{UUID}/btree_cache_size", "30.0 MiB\n")
    pool.write(f"{FOLDER}/{UUID}/dev-0/bucket_size", "512 KiB\n")
    collector = pool.build("bcachefs")
    assert series(collector.collect()) == ALL
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("file", "content", "lost"),
    [
        ("btree_cache_size", "", "btree_cache_size"),
        ("btree_cache_size", "many\n", "btree_cache_size"),
        ("btree_cache_size", "-1\n", "btree_cache_size"),
        ("counters/fsync", "", "fsync_total"),
        ("counters/fsync", "since mount: 5\n", "fsync_total"),
        ("counters/fsync", "since mount: 5\nsince filesystem creation: ?\n", "fsync_total"),
        ("counters/fsync", "since mount: 5\nsince filesystem creation:\n", "fsync_total"),
        ("errors", ERRORS.replace(" 3 ", " -3 "), "bset_bad_csum"),
        ("errors", ERRORS.replace(" 3 ", " 4294967295+ "), "bset_bad_csum"),
        ("errors", "bset_bad_csum\n" + ERRORS.split("\n")[1], "bset_bad_csum"),
        ("errors", b"\xff\xfe\nx y\n", "bcachefs_errors_total"),
        ("btree_write_stats", WRITES.replace("96.0k", "large"), 'type="initial"'),
        ("btree_write_stats", WRITES.replace("31840", "3.5k"), 'type="initial"'),
        ("compression_stats", COMPRESSION.replace("1.50G", "1.50?"), 'algorithm="lz4"'),
        ("dev-0/bucket_size", "?\n", 'bucket_size_bytes{uuid="' + UUID + '",device="0"'),
        ("dev-0/nbuckets", "1.5\n", 'device_buckets{uuid="' + UUID + '",device="0"'),
        ("dev-0/durability", "-1\n", 'durability{uuid="' + UUID + '",device="0"'),
        ("dev-0/io_done", "read:\nsb : -4096\n", 'io_done_bytes_total{uuid="' + UUID + '",device="0"'),
        ("dev-0/io_errors", "read: 4\n", 'io_errors_total{uuid="' + UUID + '",device="0"'),
        ("dev-0/io_errors", IO_ERRORS.replace("18", "-18"), 'device="0",type="read"'),
    ],
)
def test_one_odd_file_or_line(pool: Machine, file: str, content: str | bytes, lost: str) -> None:
    """What is not as documented costs its own series and is counted, at each scrape."""
    pool.write(f"{FOLDER}/{UUID}/{file}", content)
    collector = pool.build("bcachefs")
    for _ in range(2):
        assert series(collector.collect()) == without(ALL, lost)
        assert collector.left_out == 1


@pytest.mark.parametrize(
    "file", [*OF_FILESYSTEM, "counters", *(f"dev-10/{file}" for file in OF_DEVICE if file != "label")]
)
def test_missing_file(pool: Machine, file: str) -> None:
    """A file that is not there has no series, which are not 0, and nothing is counted."""
    pool.remove(f"{FOLDER}/{UUID}/{file}")
    collector = pool.build("bcachefs")
    found = series(collector.collect())
    assert found.items() < {**ALL, named("device_info", device=10, label="ssd.fast", state=""): 1}.items()
    assert collector.left_out == 0


def test_empty_folders(machine: Machine) -> None:
    """A filesystem and a device without any file are there all the same."""
    (machine.folder / FOLDER / UUID / "dev-2").mkdir(parents=True)
    collector = machine.build("bcachefs")
    info = named("device_info", device=2, label="", state="")
    assert series(collector.collect()) == {named("info"): 1, info: 1}
    assert collector.left_out == 0


def test_empty_tables(pool: Machine) -> None:
    """A table without lines, with or without its heading, has no series and is not odd."""
    pool.write(f"{FOLDER}/{UUID}/errors", "")
    pool.write(f"{FOLDER}/{UUID}/btree_write_stats", "")
    pool.write(f"{FOLDER}/{UUID}/compression_stats", COMPRESSION.split("\n")[0])
    pool.write(f"{FOLDER}/{UUID}/dev-0/io_done", "read:\nwrite:\n")
    pool.write(f"{FOLDER}/{UUID}/dev-0/io_errors", "IO errors since filesystem creation\n")
    collector = pool.build("bcachefs")
    left = without(ALL, "bcachefs_errors_total", "compression_", "btree_write")
    empty = [name for name in left if 'device="0"' in name and "_io_" in name]
    assert series(collector.collect()) == without(left, *empty)
    assert collector.left_out == 0


def test_counter_of_a_newer_kernel(pool: Machine) -> None:
    """What more lines a counter's file has, and what new counters there are, does not matter."""
    pool.write(
        f"{FOLDER}/{UUID}/counters/fsync", "since reset: 1\nsince mount: x\nsince filesystem creation:\t7\nnew\n"
    )
    pool.write(f"{FOLDER}/{UUID}/counters/new-kind.of", "since filesystem creation: 21.5P\n")
    families = list(pool.build("bcachefs").collect())
    found = {**ALL, named("fsync_total"): 7, named("new_kind_of_total"): 24206847997116416}
    assert series(families) == found
    assert families[-1].metric.help == "Bcachefs counter new-kind.of since filesystem creation."


def test_counters_of_one_name(pool: Machine) -> None:
    """A counter whose family would have the name of another is left out and counted."""
    for name in ("a-b", "a.b", "errors", "device_io_errors"):
        pool.write(f"{FOLDER}/{UUID}/counters/{name}", COUNTER)
    collector = pool.build("bcachefs")
    assert series(collector.collect()) == {**ALL, named("a_b_total"): 3584}
    assert collector.left_out == 3


def test_names_that_are_no_text(pool: Machine) -> None:
    """Bytes that are no text are replaced in labels and in the names of counters."""
    pool.write(f"{FOLDER}/{UUID}/counters/a\udcff", COUNTER)
    pool.write(f"{FOLDER}/{UUID}/dev-0/label", b"a\xff\xfe\n")
    found = series(pool.build("bcachefs").collect())
    assert found[named("a__total")] == 3584
    assert found[named("device_info", device=0, label="a\ufffd", state="[rw] ro evacuating spare")] == 1


def test_files_that_are_no_folders(pool: Machine) -> None:
    """A file beside the filesystems, or one that is named as a device, is neither."""
    pool.write(f"{FOLDER}/version", "1.37\n")
    pool.write(f"{FOLDER}/{UUID}/dev-11", "none\n")
    pool.write(f"{FOLDER}/{UUID}/internal/dev-12/label", "none\n")
    collector = pool.build("bcachefs")
    assert series(collector.collect()) == ALL
    assert collector.left_out == 0


def test_one_broken_device(pool: Machine) -> None:
    """A device and a filesystem of nonsense keep what they are called; their siblings are not touched."""
    for file in OF_DEVICE:
        pool.write(f"{FOLDER}/{UUID}/dev-0/{file}", b"\xff \xfe\n")
    write_filesystem(pool, OTHER)
    for file in OF_FILESYSTEM:
        pool.write(f"{FOLDER}/{OTHER}/{file}", b"\xff\n\xff\xfe\n")
    collector = pool.build("bcachefs")
    broken = named("device_info", device=0, label="\ufffd \ufffd", state="\ufffd \ufffd")
    expected = {**without(ALL, 'device="0"'), broken: 1, named("info", OTHER): 1, **device_series(0, OTHER)}
    assert series(collector.collect()) == expected
    assert collector.left_out == (len(OF_DEVICE) - 2) + len(OF_FILESYSTEM)


def test_refused(pool: Machine) -> None:
    """What the kernel refuses costs its own series; a failure that no kernel answers is counted as well."""
    host = DriverHost(pool)
    host.refuses = {"/errors": errno.EACCES, "dev-10/nbuckets": errno.EIO, "counters/fsync": errno.ENOMEM}
    collector = host.build("bcachefs")
    lost = ("bcachefs_errors_total", named("device_buckets", device=10), "fsync")
    assert series(collector.collect()) == without(ALL, *lost)
    assert collector.left_out == 1


def test_between_two_scrapes(pool: Machine) -> None:
    """The next scrape has new numbers, devices, counters and filesystems, and nothing of what is gone."""
    write_filesystem(pool, OTHER)
    collector = pool.build("bcachefs")
    collector.collect()
    pool.remove(f"{FOLDER}/{OTHER}")
    pool.remove(f"{FOLDER}/{UUID}/dev-0")
    pool.remove(f"{FOLDER}/{UUID}/counters/data_write")
    pool.write(f"{FOLDER}/{UUID}/counters/fsync", COUNTER.replace("3.50k", "152"))
    pool.write(f"{FOLDER}/{UUID}/errors", ERRORS.replace("1940", "1941"))
    pool.write(f"{FOLDER}/{UUID}/dev-10/nbuckets", "?\n")
    for file, content in OF_DEVICE.items():
        pool.write(f"{FOLDER}/{UUID}/dev-3/{file}", content)
    expected = {
        **without(filesystem_series(), "data_write"),
        **without(device_series(10), "device_buckets"),
        **device_series(3),
        named("fsync_total"): 152,
        named("errors_total", error_type="subvol_missing"): 1941,
    }
    assert series(collector.collect()) == expected
    assert collector.left_out == 1


def test_gone_before_it_is_listed_again(pool: Machine) -> None:
    """While the kernel's directories are remembered, a device and a filesystem that are gone have no series."""
    write_filesystem(pool, OTHER)
    collector = DriverHost(pool, remembers=True).build("bcachefs")
    collector.collect()
    pool.remove(f"{FOLDER}/{OTHER}")
    pool.remove(f"{FOLDER}/{UUID}/dev-0")
    assert series(collector.collect()) == without(ALL, 'device="0"')
    assert collector.left_out == 0


def test_too_many(pool: Machine) -> None:
    """Filesystems, devices, counters and lines beyond the most that are read are left out and counted."""
    for number in range(bcachefs.MAX_FILESYSTEMS):
        (pool.folder / f"{FOLDER}/{number:08}-{OTHER}").mkdir()
    for number in range(bcachefs.MAX_DEVICES):
        (pool.folder / f"{FOLDER}/{UUID}/dev-{number:04}a").mkdir()
    for number in range(bcachefs.MAX_COUNTERS):
        pool.write(f"{FOLDER}/{UUID}/counters/c{number}", COUNTER)
    pool.write(f"{FOLDER}/{UUID}/errors", "".join(f"e{number} 1\n" for number in range(MAX_LINES + 3)))
    collector = pool.build("bcachefs")
    assert (
        sum(name.startswith("node_bcachefs_info") for name in series(collector.collect())) == bcachefs.MAX_FILESYSTEMS
    )
    assert collector.left_out == 1
    pool.remove(f"{FOLDER}/00000000-{OTHER}")
    for _ in range(2):
        found = series(collector.collect())
        assert sum("error_type" in name for name in found) == MAX_LINES
        assert sum(name.startswith("node_bcachefs_device_info") for name in found) == bcachefs.MAX_DEVICES
        assert sum(re.match("node_bcachefs_c[0-9]+_total", name) is not None for name in found) == bcachefs.MAX_COUNTERS
        assert collector.left_out == 2 + 2 + 3


def test_absent(machine: Machine) -> None:
    """Without bcachefs in the kernel, or any such filesystem, there is nothing."""
    for _ in range(2):
        with pytest.raises(Absent):
            machine.build("bcachefs").collect()
        (machine.folder / FOLDER).mkdir(parents=True, exist_ok=True)


def test_metrics(pool: Machine) -> None:
    """Every family is among the collector's metrics, but for the counters, whose names are the kernel's."""
    collector = pool.build("bcachefs")
    families: list[Family] = list(collector.collect())
    others = [family.metric.name for family in families if family.metric not in collector.metrics]
    assert others == ["node_bcachefs_data_write_total", "node_bcachefs_fsync_total"]


FILES = st.sampled_from([*OF_FILESYSTEM, *(f"dev-0/{file}" for file in OF_DEVICE), "counters/odd"])


@given(st.dictionaries(FILES, st.binary(max_size=200)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever the files hold, the filesystem and its other device are there, and no series comes twice."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    write_filesystem(machine, devices=(10,))
    for file, content in files.items():
        machine.write(f"{FOLDER}/{UUID}/{file}", content)
    families = list(machine.build("bcachefs").collect())
    found = series(families)
    assert found.items() >= {named("info"): 1, **device_series(10)}.items()
    assert len(found) == sum(len(family.rows) for family in families)
    assert all(0 <= number < 2**64 for number in found.values())
