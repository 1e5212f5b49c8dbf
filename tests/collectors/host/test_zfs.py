from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from nodescope.collectors.host.kstat import NamedReader, parse_io, parse_named, without_dataset
from nodescope.collectors.host.zfs_pool import parse_state
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

ZFS = "proc/spl/kstat/zfs"
NAMED = "{} 1 0x01 3 816 8012540758 352116106118781\nname                            type data\n"
ARC = (
    NAMED.format(6) + "hits                            4    8772612\n"
    "memory_available_bytes          3    -922337203685477580\n"
    "l2-cache.size                   4    18446744073709551615\n"
)
IO = (
    "12 3 0x00 1 80 79205351707403 395818011156865\n"
    "nread    nwritten reads    writes   wtime    wlentime wupdate  rtime    rlentime rupdate  wcnt     rcnt    \n"
    "1884160  3206144  22       132      7155162  104112268 79210489694949 24168078 104112268 79210489849220 0   1\n"
)
OBJSET = (
    NAMED.format(36) + "dataset_name                    7    {}\n"
    "writes                          4    {}\n"
    "nread                           4    28\n"
)
STATES = ("online", "degraded", "faulted", "offline", "removed", "unavail", "suspended")


def state(pool: str, **on: int) -> dict[str, float]:
    return {f'node_zfs_zpool_state{{zpool="{pool}",state="{each}"}}': on.get(each, 0) for each in STATES}


def dataset(pool: str, name: str, writes: float) -> dict[str, float]:
    labels = f'{{zpool="{pool}",dataset="{name}"}}'
    return {f"node_zfs_zpool_dataset_writes{labels}": writes, f"node_zfs_zpool_dataset_nread{labels}": 28}


def test_statistics(machine: Machine) -> None:
    """A field is a metric by its own name, signed or unsigned; its help is where it stands."""
    machine.write(f"{ZFS}/arcstats", ARC)
    machine.write(f"{ZFS}/fm", NAMED.format(0) + "erpt-dropped                    4    18\n")
    families = machine.build("zfs").collect()
    assert series(families) == {
        "node_zfs_arc_hits": 8772612,
        "node_zfs_arc_memory_available_bytes": -922337203685477580,
        "node_zfs_arc_size": 18446744073709551615,
        "node_zfs_fm_erpt_dropped": 18,
    }
    assert {(family.metric.type, family.metric.help) for family in families} == {
        ("untyped", "kstat.zfs.misc.arcstats.hits"),
        ("untyped", "kstat.zfs.misc.arcstats.memory_available_bytes"),
        ("untyped", "kstat.zfs.misc.arcstats.l2-cache.size"),
        ("untyped", "kstat.zfs.misc.fm.erpt-dropped"),
    }


def test_pools_and_datasets(machine: Machine) -> None:
    """Pools have counters, a state and datasets, whose names may have blanks; a pool need not have all."""
    machine.write(f"{ZFS}/dbgmsg", "timestamp    message\n")
    machine.write(f"{ZFS}/tank/io", IO)
    machine.write(f"{ZFS}/tank/state", "DEGRADED\n")
    machine.write(f"{ZFS}/tank/txgs", "x")
    machine.write(f"{ZFS}/tank/objset-0x36", OBJSET.format("tank", 4))
    machine.write(f"{ZFS}/tank/objset-0x10c", OBJSET.format("tank/data set  7", 5))
    machine.write(f"{ZFS}/rpool/state", "SUSPENDED\n")
    machine.write(f"{ZFS}/rpool/objset-0x36", OBJSET.format("rpool/dataset_name", 6))
    collector = machine.build("zfs")
    found = series(collector.collect())
    io = {name: number for name, number in found.items() if "dataset" not in name and "state" not in name}
    assert len(io) == 12
    assert io['node_zfs_zpool_nread{zpool="tank"}'] == 1884160
    assert io['node_zfs_zpool_rcnt{zpool="tank"}'] == 1
    assert {name: number for name, number in found.items() if name not in io} == {
        **state("tank", degraded=1),
        **state("rpool", suspended=1),
        **dataset("tank", "tank", 4),
        **dataset("tank", "tank/data set  7", 5),
        **dataset("rpool", "rpool/dataset_name", 6),
    }
    assert collector.left_out == 0


def test_one_broken_file(machine: Machine) -> None:
    """A file that is not as documented costs its own series and is counted; its siblings stay."""
    machine.write(f"{ZFS}/arcstats", ARC)
    machine.write(f"{ZFS}/zil", b"\xff\xfe")
    machine.write(f"{ZFS}/tank/io", IO.replace(" 1\n", "\n"))
    machine.write(f"{ZFS}/tank/state", b"\n")
    machine.write(f"{ZFS}/tank/objset-1", OBJSET.format("tank", 4))
    machine.write(f"{ZFS}/tank/objset-2", NAMED.format(1) + "writes 4 5\n")
    machine.write(f"{ZFS}/tank/objset-3", OBJSET.format("tank", 6))
    (machine.folder / ZFS / "tank/objset-4").mkdir()
    (machine.folder / ZFS / "fm").mkdir()
    collector = machine.build("zfs")
    for _ in range(2):
        found = series(collector.collect())
        assert {name: number for name, number in found.items() if "arc" not in name} == dataset("tank", "tank", 4)
        assert len(found) == 5
        assert collector.left_out == 7


@pytest.mark.parametrize("line", ["hits 4", "hits 4 -1", "hits 4 1_0", "x 3 9223372036854775808", "hits", "c 4 5"])
def test_one_broken_line(machine: Machine, line: str) -> None:
    """A line that is not as documented, or whose field was there, costs itself and is counted; other types do not."""
    machine.write(f"{ZFS}/zil", NAMED.format(7) + f"c 4 1\n{line}\nlabel 7 some text\nwait 0 x\n\nd 3 -2\n")
    collector = machine.build("zfs")
    assert series(collector.collect()) == {"node_zfs_zil_c": 1, "node_zfs_zil_d": -2}
    assert collector.left_out == 1


def test_two_fields_of_one_name(machine: Machine) -> None:
    """Of fields that would be the same metric the first is it, and the other is counted at each scrape."""
    machine.write(f"{ZFS}/zil", NAMED.format(7) + "a-b 4 1\na_b 4 2\n")
    machine.write(f"{ZFS}/tank/state", "ONLINE\n")
    machine.write(f"{ZFS}/tank/io", IO.replace("nwritten", "state   "))
    collector = machine.build("zfs")
    for data in (1, 2):
        machine.write(f"{ZFS}/zil", NAMED.format(7) + f"a-b 4 {data}\na_b 4 2\n")
        families = collector.collect()
        names = [family.metric.name for family in families]
        assert len(names) == len(set(names))
        assert series(families)["node_zfs_zil_a_b"] == data
        assert collector.left_out == 2


def test_io_with_one_odd_number(machine: Machine) -> None:
    """Of the counters of a pool one that is no number costs itself."""
    machine.write(f"{ZFS}/tank/io", IO.replace("7155162", "-1"))
    collector = machine.build("zfs")
    found = series(collector.collect())
    assert 'node_zfs_zpool_wtime{zpool="tank"}' not in found
    assert len(found) == 11
    assert collector.left_out == 1


def test_a_state_of_tomorrow(machine: Machine) -> None:
    """A pool in a state that has no name here is in none of the states."""
    machine.write(f"{ZFS}/tank/state", "Resting\n")
    assert series(machine.build("zfs").collect()) == state("tank")


def test_a_dataset_that_goes(machine: Machine) -> None:
    """A dataset or pool whose file is gone by the time it is read is not there, and is not counted."""
    machine.write(f"{ZFS}/tank/objset-1", OBJSET.format("tank", 4))
    (machine.folder / ZFS / "tank/objset-2").symlink_to("gone")
    (machine.folder / ZFS / "tank/state").symlink_to("gone")
    (machine.folder / ZFS / "rpool").symlink_to("gone")
    (machine.folder / ZFS / "zil").symlink_to("gone")
    collector = machine.build("zfs")
    assert series(collector.collect()) == dataset("tank", "tank", 4)
    assert collector.left_out == 0


def test_malformed(machine: Machine) -> None:
    """With nothing but nonsense the scrape fails, naming a file."""
    machine.write(f"{ZFS}/arcstats", b"\xff")
    with pytest.raises(Malformed, match="zfs/arcstats: expected a line of name, type and data"):
        machine.build("zfs").collect()


def test_absent(machine: Machine) -> None:
    """Where ZFS is not loaded there is nothing; without a statistic there are no families."""
    collector = machine.build("zfs")
    with pytest.raises(Absent):
        collector.collect()
    (machine.folder / ZFS).mkdir(parents=True)
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has new numbers, names and datasets, and not what is gone; what stands still is given again."""
    machine.write(f"{ZFS}/arcstats", ARC)
    machine.write(f"{ZFS}/tank/objset-1", OBJSET.format("tank/old", 4))
    machine.write(f"{ZFS}/tank/objset-2", OBJSET.format("tank/b", 5))
    machine.write(f"{ZFS}/rpool/state", "ONLINE\n")
    collector = machine.build("zfs")
    first = {family.metric.name: family for family in collector.collect()}
    machine.write(f"{ZFS}/arcstats", ARC.replace("352116106118781", "99").replace("8772612", "8772613"))
    machine.write(f"{ZFS}/tank/objset-1", OBJSET.format("tank/new", 6))
    machine.remove(f"{ZFS}/tank/objset-2")
    machine.remove(f"{ZFS}/rpool")
    families = collector.collect()
    assert series(families) == {
        "node_zfs_arc_hits": 8772613,
        "node_zfs_arc_memory_available_bytes": -922337203685477580,
        "node_zfs_arc_size": 18446744073709551615,
        **dataset("tank", "tank/new", 6),
    }
    assert next(f for f in families if f.metric.name == "node_zfs_arc_size") is first["node_zfs_arc_size"]
    machine.write(f"{ZFS}/arcstats", ARC.replace("l2-cache.size", "other").replace("-922", "922"))
    assert series(collector.collect())["node_zfs_arc_other"] == 18446744073709551615


def test_reference_tree(fixture_tree: Path) -> None:
    """Read anew or as laid out before, each file of the reference machine is the same."""
    reader = NamedReader()
    files = [file for file in (fixture_tree / "collector/fixtures" / ZFS).iterdir() if file.is_file()]
    for file in files * 2:
        data = file.read_bytes()
        assert reader.read(data, file.name) == reader.read(data, file.name) == parse_named(data, file.name)


def test_a_line_cut_short(machine: Machine) -> None:
    """A last line without its number costs itself, though all names stand where they stood."""
    machine.write(f"{ZFS}/arcstats", ARC)
    collector = machine.build("zfs")
    collector.collect()
    data = ARC.encode()
    machine.write(f"{ZFS}/arcstats", data[: data.rindex(b" 4    ")] + b" 4\n")
    found = series(collector.collect())
    assert found == {"node_zfs_arc_hits": 8772612, "node_zfs_arc_memory_available_bytes": -922337203685477580}
    assert collector.left_out == 1


@given(mangled(ARC.encode()), mangled(ARC.encode()))
def test_any_named(first: bytes, second: bytes) -> None:
    """Whatever files hold, one after the other, the reader gives what the parser gives, or refuses as it does."""
    reader = NamedReader()
    for data in (ARC.encode(), first, ARC.encode(), second):
        try:
            expected = parse_named(data, "kstat")
        except Malformed:
            with pytest.raises(Malformed):
                reader.read(data, "kstat")
        else:
            assert reader.read(data, "kstat") == expected


@given(mangled(IO.encode()))
def test_any_io(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_io(data, "io"))


@given(mangled(OBJSET.format("tank", 1).encode()))
def test_any_objset(data: bytes) -> None:
    """Whatever the file holds, the name of its dataset is found or refused."""
    parses_or_refuses(lambda: without_dataset(data, "objset"))


@given(mangled(b"ONLINE\n"))
def test_any_state(data: bytes) -> None:
    """Whatever the file holds, it is a state or refused."""
    parses_or_refuses(lambda: parse_state(data, "state"))
