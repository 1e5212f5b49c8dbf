from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.dmmultipath import size_bytes
from nodescope.host import Absent
from tests.collectors.host.machine import ODD_WORDS, Machine, series


def device(machine: Machine, dm: str, name: str, uuid: str, *paths: str, suspended: str = "0") -> None:
    folder = f"sys/block/{dm}"
    machine.write(f"{folder}/dm/name", f"{name}\n")
    machine.write(f"{folder}/dm/uuid", f"{uuid}\n")
    machine.write(f"{folder}/dm/suspended", f"{suspended}\n")
    machine.write(f"{folder}/size", "2097152\n")
    (machine.folder / folder / "slaves").mkdir()
    for path in paths:
        (machine.folder / folder / "slaves" / path).symlink_to(f"../../{path}")


def disk(machine: Machine, name: str, state: str) -> None:
    machine.write(f"sys/block/{name}/device/state", f"{state}\n")


def of(name: str, dm: str, active: float, paths: int, paths_active: int) -> dict[str, float]:
    labels = f'{{device="{name}",sysfs_name="{dm}"}}'
    return {
        f"node_dmmultipath_device_active{labels}": active,
        f"node_dmmultipath_device_size_bytes{labels}": 2097152 * 512,
        f"node_dmmultipath_device_paths{labels}": paths,
        f"node_dmmultipath_device_paths_active{labels}": paths_active,
        f"node_dmmultipath_device_paths_failed{labels}": paths - paths_active,
    }


def info(name: str, dm: str, uuid: str) -> dict[str, float]:
    return {f'node_dmmultipath_device_info{{device="{name}",sysfs_name="{dm}",uuid="{uuid}"}}': 1}


def state(name: str, path: str, state: str) -> dict[str, float]:
    return {f'node_dmmultipath_path_state{{device="{name}",path="{path}",state="{state}"}}': 1}


def test_devices_and_paths(machine: Machine) -> None:
    """Paths that are running (SCSI) or live (NVMe) are active; devices that are no multipath are not shown."""
    device(machine, "dm-0", "vg-root", "LVM-abc", "sda")
    device(machine, "dm-1", "mpatha", "mpath-36001", "nvme0n1", "sdb", "sdc")
    device(machine, "dm-2", "mpathb", "mpath-36002", suspended="1")
    disk(machine, "sdb", "running")
    disk(machine, "sdc", "transport-offline")
    disk(machine, "nvme0n1", "live")
    (machine.folder / "sys/block/dm-3").mkdir()
    collector = machine.build("dmmultipath")
    assert series(collector.collect()) == {
        **info("mpatha", "dm-1", "mpath-36001"),
        **of("mpatha", "dm-1", 1, 3, 2),
        **state("mpatha", "sdb", "running"),
        **state("mpatha", "sdc", "transport-offline"),
        **state("mpatha", "nvme0n1", "live"),
        **info("mpathb", "dm-2", "mpath-36002"),
        **of("mpathb", "dm-2", 0, 0, 0),
    }
    assert collector.left_out == 0


def test_a_path_without_state(machine: Machine) -> None:
    """A path whose device is gone is one that is not active, and has no state."""
    device(machine, "dm-1", "mpatha", "mpath-36001", "sdb", "sdc")
    disk(machine, "sdb", "running")
    found = series(machine.build("dmmultipath").collect())
    assert found == {
        **info("mpatha", "dm-1", "mpath-36001"),
        **of("mpatha", "dm-1", 1, 2, 1),
        **state("mpatha", "sdb", "running"),
    }


@pytest.mark.parametrize(
    ("path", "raw", "without"),
    [
        ("size", b"x\n", "size_bytes"),
        ("size", b"18446744073709551615\n", "size_bytes"),
        ("dm/suspended", b"\xff\n", "device_active"),
    ],
)
def test_one_broken_attribute(machine: Machine, path: str, raw: bytes, without: str) -> None:
    """A number that is none, or too large in bytes, costs its own series and is counted."""
    device(machine, "dm-1", "mpatha", "mpath-36001")
    machine.write(f"sys/block/dm-1/{path}", raw)
    collector = machine.build("dmmultipath")
    found = series(collector.collect())
    assert len(found) == 5
    assert not any(without in name for name in found)
    assert collector.left_out == 1


def test_one_broken_device(machine: Machine) -> None:
    """A device without a name, or with a folder for an attribute, costs itself; its siblings stay."""
    device(machine, "dm-1", "mpatha", "mpath-36001")
    device(machine, "dm-2", "", "mpath-36002")
    device(machine, "dm-3", "mpathc", "mpath-36003")
    machine.remove("sys/block/dm-3/dm/name")
    (machine.folder / "sys/block/dm-3/dm/name").mkdir()
    collector = machine.build("dmmultipath")
    assert series(collector.collect()) == {
        **info("mpatha", "dm-1", "mpath-36001"),
        **of("mpatha", "dm-1", 1, 0, 0),
    }
    assert collector.left_out == 2


def test_two_devices_of_one_name(machine: Machine) -> None:
    """Of the same path of two devices of one name the first is shown, and the other is counted."""
    device(machine, "dm-1", "mpatha", "mpath-36001", "sdb")
    device(machine, "dm-2", "mpatha", "mpath-36002", "sdb")
    disk(machine, "sdb", "running")
    collector = machine.build("dmmultipath")
    names = [(family.metric.name, labels) for family in collector.collect() for labels, _ in family.rows]
    assert len(names) == len(set(names)) == 2 * 6 + 1
    assert collector.left_out == 1


def test_absent(machine: Machine) -> None:
    """Without block devices there is nothing; without multipath there are no families."""
    collector = machine.build("dmmultipath")
    with pytest.raises(Absent):
        collector.collect()
    disk(machine, "sda", "running")
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has the new states, paths and names, and not the device that is gone."""
    device(machine, "dm-1", "mpatha", "mpath-36001", "sdb", "sdc")
    device(machine, "dm-2", "mpathb", "mpath-36002")
    disk(machine, "sdb", "running")
    disk(machine, "sdc", "running")
    collector = machine.build("dmmultipath")
    collector.collect()
    disk(machine, "sdb", "offline")
    (machine.folder / "sys/block/dm-1/slaves/sdc").unlink()
    machine.remove("sys/block/dm-2")
    machine.write("sys/block/dm-1/dm/name", "data")
    machine.write("sys/block/dm-1/dm/suspended", "1")
    assert series(collector.collect()) == {
        **info("data", "dm-1", "mpath-36001"),
        **of("data", "dm-1", 0, 1, 0),
        **state("data", "sdb", "offline"),
    }


@given(st.binary(max_size=24) | st.sampled_from(ODD_WORDS))
def test_any_size(raw: bytes) -> None:
    """Whatever the attribute holds, it is a number of 64 bits or none."""
    number = size_bytes(raw)
    assert number is None or 0 <= number < 2**64
