from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.nvmesubsystem import STATES, state_of
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, series

FOLDER = "sys/class/nvme-subsystem/nvme-subsys0"


def path(machine: Machine, name: str, state: str, transport: str = "tcp", folder: str = FOLDER) -> None:
    """A controller, to which the subsystem has a link, as sysfs has it."""
    device = machine.folder / f"sys/devices/virtual/nvme-fabrics/ctl/{name}"
    device.mkdir(parents=True)
    (machine.folder / folder).mkdir(parents=True, exist_ok=True)
    (machine.folder / folder / name).symlink_to(device)
    machine.write(f"{folder}/{name}/state", f"{state}\n")
    machine.write(f"{folder}/{name}/transport", f"{transport}\n")


def subsystem(machine: Machine, folder: str = FOLDER) -> None:
    values = {"subsysnqn": "nqn.2014-08.org.example:a", "model": "Array  ", "serial": "SN1 ", "iopolicy": "numa"}
    for attribute, value in values.items():
        machine.write(f"{folder}/{attribute}", f"{value}\n")


def state(controller: str, transport: str = "tcp", name: str = "nvme-subsys0", **on: int) -> dict[str, float]:
    labels = f'subsystem="{name}",controller="{controller}",transport="{transport}"'
    return {f'node_nvmesubsystem_path_state{{{labels},state="{each}"}}': on.get(each, 0) for each in STATES}


INFO = (
    'node_nvmesubsystem_info{subsystem="nvme-subsys0",nqn="nqn.2014-08.org.example:a",model="Array",serial="SN1",'
    'iopolicy="numa"}'
)


def test_subsystem(machine: Machine) -> None:
    """Paths are counted, those that are live too, and each shows its state among all states."""
    subsystem(machine)
    path(machine, "nvme0", "live")
    path(machine, "nvme1", "connecting", "rdma")
    path(machine, "nvme2", "deleting (no IO)")
    path(machine, "nvme3", "a state of tomorrow")
    for other in ("nvme0n1", "nvme0c0n1", "power"):
        (machine.folder / FOLDER / other).mkdir()
    (machine.folder / "sys/class/nvme-subsystem/other").mkdir()
    assert series(machine.build("nvmesubsystem").collect()) == {
        INFO: 1,
        'node_nvmesubsystem_namespace_info{subsystem="nvme-subsys0",device="nvme0n1"}': 1,
        'node_nvmesubsystem_paths{subsystem="nvme-subsys0"}': 4,
        'node_nvmesubsystem_paths_live{subsystem="nvme-subsys0"}': 1,
        **state("nvme0", live=1),
        **state("nvme1", "rdma", connecting=1),
        **state("nvme2", deleting=1),
        **state("nvme3", unknown=1),
    }


def test_one_broken_subsystem(machine: Machine) -> None:
    """What cannot be read is an empty label; what is no attribute costs its subsystem, is counted, siblings stay."""
    subsystem(machine)
    machine.remove(f"{FOLDER}/iopolicy")
    machine.write(f"{FOLDER}/serial", b"\xff\xff\n")
    (machine.folder / "sys/class/nvme-subsystem/nvme-subsys1/model").mkdir(parents=True)
    collector = machine.build("nvmesubsystem")
    found = series(collector.collect())
    assert INFO.replace('"SN1"', '"\ufffd"').replace('"numa"', '""') in found
    assert len(found) == 3
    assert collector.left_out == 1


def test_a_path_that_is_gone(machine: Machine) -> None:
    """A controller without a state is gone: it is no path."""
    subsystem(machine)
    path(machine, "nvme0", "live")
    path(machine, "nvme1", "live")
    machine.remove(f"{FOLDER}/nvme1/state")
    found = series(machine.build("nvmesubsystem").collect())
    assert found['node_nvmesubsystem_paths{subsystem="nvme-subsys0"}'] == 1
    assert not any('controller="nvme1"' in name for name in found)


def test_absent(machine: Machine) -> None:
    """Without NVMe there is nothing; with the class but no subsystem there are no families."""
    collector = machine.build("nvmesubsystem")
    with pytest.raises(Absent):
        collector.collect()
    (machine.folder / "sys/class/nvme-subsystem").mkdir(parents=True)
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has the new state and the new path, and not the subsystem that is gone."""
    subsystem(machine)
    subsystem(machine, "sys/class/nvme-subsystem/nvme-subsys1")
    path(machine, "nvme0", "live")
    collector = machine.build("nvmesubsystem")
    assert len(series(collector.collect())) == 2 * 3 + len(STATES)
    machine.write(f"{FOLDER}/nvme0/state", "dead\n")
    path(machine, "nvme1", "live")
    machine.remove("sys/class/nvme-subsystem/nvme-subsys1")
    assert series(collector.collect()) == {
        INFO: 1,
        'node_nvmesubsystem_paths{subsystem="nvme-subsys0"}': 2,
        'node_nvmesubsystem_paths_live{subsystem="nvme-subsys0"}': 1,
        **state("nvme0", dead=1),
        **state("nvme1", live=1),
    }


@given(st.binary(max_size=32))
def test_any_state(raw: bytes) -> None:
    """Whatever the kernel says, it is one of the states that the metric has."""
    assert state_of(raw) in STATES
