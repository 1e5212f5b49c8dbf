from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.mdadm import disks
from nodescope.collectors.host.mdstat import Array, parse_mdstat
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import ODD_WORDS, Machine, mangled, parses_or_refuses, series

HEADING = "Personalities : [raid1] [raid6] [raid5] [raid4] [raid0] [raid10]\n"
END = "unused devices: <none>\n"
MIRROR = """md0 : active raid1 nvme1n1p2[1] nvme0n1p2[0]
      1046528 blocks super 1.2 [2/2] [UU]

"""
SAMPLE = (HEADING + MIRROR + """md1 : active raid5 sdd1[4] sdc1[2](F) sdb1[1] sda1[0]
      7813770240 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]
      [==>..................]  recovery = 12.6% (492651904/3906885120) finish=301.4min speed=188776K/sec
      bitmap: 3/30 pages [12KB], 65536KB chunk

""" + END).encode()  # fmt: skip


def parsed(lines: str) -> dict[str, Array]:
    return parse_mdstat(f"{HEADING}{lines}\n{END}".encode(), "mdstat").arrays


def array(lines: str) -> Array:
    (found,) = parsed(lines).values()
    return found


def test_series_of_an_array(machine: Machine) -> None:
    """An array has its state among all states, its disks by state, the disks it requires and its blocks."""
    machine.write("proc/mdstat", HEADING + MIRROR + END)
    assert series(machine.build("mdadm").collect()) == {
        'node_md_state{device="md0",state="active"}': 1,
        'node_md_state{device="md0",state="inactive"}': 0,
        'node_md_state{device="md0",state="recovering"}': 0,
        'node_md_state{device="md0",state="resync"}': 0,
        'node_md_state{device="md0",state="check"}': 0,
        'node_md_disks{device="md0",state="active"}': 2,
        'node_md_disks{device="md0",state="failed"}': 0,
        'node_md_disks{device="md0",state="spare"}': 0,
        'node_md_disks_required{device="md0"}': 2,
        'node_md_blocks{device="md0"}': 1046528,
        'node_md_blocks_synced{device="md0"}': 1046528,
    }


DISK = "      1000 blocks super 1.2"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (f"md0 : active raid0 sda[0] sdb[1]\n{DISK} 512k chunks\n", Array("active", 2, 2, 0, 0, 1000, 1000)),
        (f"md0 : active linear sda[1] sdb[0]\n{DISK} 0k rounding\n", Array("active", 2, 2, 0, 0, 1000, 1000)),
        (f"md0 : active faulty sda[0]\n{DISK} nfaults=0\n", Array("active", 1, 1, 0, 0, 1000, 1000)),
        (
            f"md0 : active raid10 sdd[3](W) sdc[2](R) sdb[1] sda[0]\n{DISK} 512K chunks 2 near-copies [4/3] [UUU_]\n",
            Array("active", 4, 3, 0, 0, 1000, 1000),
        ),
        (
            f"md0 : active raid4 sda[0] sdb[1]\n{DISK} level 4, 64k chunk, algorithm 0 [2/2] [UU]\n",
            Array("active", 2, 2, 0, 0, 1000, 1000),
        ),
        (
            f"md0 : active raid6 sde[4](J) sdd[3](W)(F) sdc[-1](S) sdb[17] sda[0](W)(S)\n"
            f"{DISK} level 6, 64k chunk, algorithm 2 [4/2] [U__U]\n",
            Array("active", 4, 2, 1, 2, 1000, 1000),
        ),
        (f"md0 : active multipath sda[0] sdb[1]\n{DISK} [2/2] [UU]\n", Array("active", 2, 2, 0, 0, 1000, 1000)),
        (f"md0 : active (read-only) raid0 sda[0]\n{DISK} 4k chunks\n", Array("active", 1, 1, 0, 0, 1000, 1000)),
        (
            f"md_d0 : active (auto-read-only) raid1 sda[0] sdb[1]\n{DISK} [2/2] [UU]\n      \tresync=PENDING\n",
            Array("resyncing", 2, 2, 0, 0, 1000, 0),
        ),
        (f"md0 : broken raid0 sda[0] sdb[1](F)\n{DISK} 512k chunks\n", Array("broken", 2, 2, 1, 0, 1000, 1000)),
        (
            "md127 : inactive sdb[1](S) sda[0](S)\n      7932 blocks super external:imsm\n       \n",
            Array("inactive", 0, 0, 0, 2, 7932, 7932),
        ),
        ("md127 : inactive super non-persistent\n       \n", Array("inactive", 0, 0, 0, 0, None, None)),
        ("md127 : active raid1 super 1.2 [2/0] [__]\n      \n", Array("active", 2, 0, 0, 0, None, None)),
        (
            "md126 : active raid1 sda[1] sdb[0]\n      1000 blocks super external:/md127/0 [2/2] [UU]\n",
            Array("active", 2, 2, 0, 0, 1000, 1000),
        ),
    ],
)
def test_levels_and_marks(lines: str, expected: Array) -> None:
    """Each level, mark and kind of metadata is what the kernel prints it for."""
    assert array(lines) == expected


PROGRESS = "[=>..]  {} =  5.7% (57/500) finish=0.2min speed=114176K/sec"


@pytest.mark.parametrize(
    ("line", "state", "synced"),
    [
        (PROGRESS.format("recovery"), "recovering", 57),
        (PROGRESS.format("resync"), "resyncing", 57),
        (PROGRESS.format("check"), "checking", 57),
        (PROGRESS.format("reshape"), "reshaping", 57),
        ("[====]  resync =100.0% (500/500) finish=0.0min speed=1K/sec", "resyncing", 500),
        ("\tresync=DELAYED", "resyncing", 0),
        ("\tresync=PENDING", "resyncing", 0),
        ("\trecovery=DELAYED", "recovering", 0),
        ("\tresync=REMOTE", "resyncing", None),
        ("\trecover=REMOTE", "recovering", None),
    ],
)
@pytest.mark.parametrize("bitmap", ["before", "after", "none"])
def test_what_is_being_done(line: str, state: str, synced: int | None, bitmap: str) -> None:
    """What is being done is the state; the line of a bitmap is not that, wherever it stands."""
    pages = "      bitmap: 0/30 pages [0KB], 65536KB chunk, file: /check = 5\n"
    before, after = pages * (bitmap == "before"), pages * (bitmap == "after")
    lines = f"md0 : active raid1 sda[0] sdb[1]\n{DISK} [2/2] [UU]\n{before}      {line}\n{after}"
    assert array(lines) == Array(state, 2, 2, 0, 0, 1000, synced)


def test_progress_that_is_no_number(machine: Machine) -> None:
    """The state stays, the blocks synced are unknown, and the line is counted."""
    machine.write("proc/mdstat", SAMPLE.replace(b"(492651904/", b"(4926x1904/"))
    collector = machine.build("mdadm")
    found = series(collector.collect())
    assert found['node_md_state{device="md1",state="recovering"}'] == 1
    assert 'node_md_blocks_synced{device="md1"}' not in found
    assert collector.left_out == 1


@pytest.mark.parametrize(
    "lines",
    [
        "md1 : active",
        "md1 : active raid1 sda[0] sdb[1]\n",
        "md1 : active raid1 sda[0] sdb[1]\n      x blocks [2/2] [UU]\n",
        f"md1 : active raid1 sda[0] sdb[1]\n{DISK} [2/x] [UU]\n",
        "md1 active raid1 sda[0]\n",
        "\xff\n",
        f"md1 : active raid1 sda[0]\n      {'9' * 30} blocks [1/1] [U]\n",
        MIRROR,
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_one_broken_array(machine: Machine, lines: str, first: bool) -> None:
    """An array that is not as documented, or comes twice, costs itself alone and is counted."""
    if lines == MIRROR and not first:
        lines = MIRROR.replace("1046528", "1")
    both = (lines + "\n" + MIRROR) if first and lines != MIRROR else (MIRROR + lines)
    machine.write("proc/mdstat", HEADING + both + END)
    collector = machine.build("mdadm")
    found = series(collector.collect())
    assert len(found) == 11
    assert found['node_md_blocks{device="md0"}'] == 1046528
    assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\n", b"nonsense\n"])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without anything of its grammar is refused by name."""
    machine.write("proc/mdstat", data)
    with pytest.raises(Malformed, match="proc/mdstat: expected Personalities"):
        machine.build("mdadm").collect()


def test_absent(machine: Machine) -> None:
    """Without the md driver there is nothing; with it but no array there are no families."""
    collector = machine.build("mdadm")
    with pytest.raises(Absent):
        collector.collect()
    machine.write("proc/mdstat", "Personalities : \nunused devices: <none>\n")
    assert collector.collect() == []


def in_sysfs(machine: Machine, name: str, **attributes: str) -> None:
    for attribute, value in attributes.items():
        machine.write(f"sys/block/{name}/md/{attribute}", f"{value}\n")


def test_disks_of_sysfs(machine: Machine) -> None:
    """Raid disks and degraded disks are of arrays in sysfs; a container has no raid disks."""
    machine.write("proc/mdstat", HEADING + END)
    in_sysfs(machine, "md0", level="raid1", raid_disks="2", degraded="1")
    in_sysfs(machine, "md1", level="raid0", raid_disks="4")
    in_sysfs(machine, "md2", level="raid6", raid_disks="11 (10)", degraded="0")
    in_sysfs(machine, "md3", level="container", raid_disks="0")
    in_sysfs(machine, "md4", level="", raid_disks="3")
    in_sysfs(machine, "md5", level="raid5", raid_disks="")
    in_sysfs(machine, "md6", raid_disks="5")
    (machine.folder / "sys/block/sda").mkdir()
    collector = machine.build("mdadm")
    assert series(collector.collect()) == {
        'node_md_raid_disks{device="md0"}': 2,
        'node_md_raid_disks{device="md1"}': 4,
        'node_md_raid_disks{device="md2"}': 11,
        'node_md_degraded{device="md0"}': 1,
        'node_md_degraded{device="md1"}': 0,
        'node_md_degraded{device="md2"}': 0,
        'node_md_degraded{device="md3"}': 0,
        'node_md_degraded{device="md4"}': 0,
    }
    assert collector.left_out == 0


def test_one_broken_array_of_sysfs(machine: Machine) -> None:
    """A number that is none costs its own series, a folder for an attribute its array; both are counted."""
    machine.write("proc/mdstat", HEADING + END)
    in_sysfs(machine, "md0", level="raid1", raid_disks="x", degraded="1")
    in_sysfs(machine, "md1", level="raid1", raid_disks="2", degraded="-1")
    (machine.folder / "sys/block/md2/md/level").mkdir(parents=True)
    collector = machine.build("mdadm")
    assert series(collector.collect()) == {'node_md_degraded{device="md0"}': 1, 'node_md_raid_disks{device="md1"}': 2}
    assert collector.left_out == 3


def test_a_change(machine: Machine) -> None:
    """The next scrape has the new state and disks, and not the array that is gone."""
    machine.write("proc/mdstat", SAMPLE)
    in_sysfs(machine, "md0", level="raid1", raid_disks="2", degraded="0")
    collector = machine.build("mdadm")
    found = series(collector.collect())
    assert found['node_md_blocks_synced{device="md1"}'] == 492651904
    assert found['node_md_disks{device="md1",state="failed"}'] == 1
    machine.write("proc/mdstat", HEADING + MIRROR.replace("[2/2] [UU]", "[2/1] [U_]") + END)
    in_sysfs(machine, "md0", degraded="1")
    found = series(collector.collect())
    assert found['node_md_disks{device="md0",state="active"}'] == 1
    assert found['node_md_degraded{device="md0"}'] == 1
    assert not any("md1" in name for name in found)


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_mdstat(data, "mdstat"))


ODD = st.sampled_from([b"raid1", b"raid0", b"container", *ODD_WORDS]) | st.binary(max_size=16)


@given(ODD, st.none() | ODD, st.none() | ODD)
def test_any_attributes(level: bytes, raid_disks: bytes | None, degraded: bytes | None) -> None:
    """Whatever the attributes hold, each number is known or not."""
    found = disks(level, raid_disks, degraded)
    assert all(number is None or number >= 0 for number in found)
