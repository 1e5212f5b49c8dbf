"""nodescope.containers.cgroup.tree: finds the containers' cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.containers.cgroup import tree as tree_module
from nodescope.containers.cgroup.hierarchy import find_hierarchies
from nodescope.containers.cgroup.tree import MAX_CONTAINERS, MAX_DEPTH, ContainerTree, Tree
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import ID, OTHER, Clock, mount_v1, mount_v2, put_v1, put_v2

UID = "0d6f5a1c_1c1f_4b7e_9f0e_4f7f5d1f9a11"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def folder(machine: Machine, path: str) -> None:
    (machine.folder / f"sys/fs/cgroup{path}").mkdir(parents=True)


def test_v2(machine: Machine) -> None:
    """Containers of all kinds are found, each once; services, pods, conmon and what is below a container are not."""
    mount_v2(machine)
    pod = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice"
    wanted = {
        "1" * 64: f"/docker/{'1' * 64}",
        "2" * 64: f"/system.slice/docker-{'2' * 64}.scope",
        "3" * 64: f"{pod}/cri-containerd-{'3' * 64}.scope",
        "4" * 64: f"/machine.slice/libpod-{'4' * 64}.scope",
        "5" * 64: f"/docker/{'1' * 64}/docker/{'5' * 64}",
    }
    for path in wanted.values():
        folder(machine, path)
    for path in (
        "/system.slice/ssh.service",
        f"{pod}/crio-conmon-{ID}.scope",
        f"/machine.slice/libpod-{'4' * 64}.scope/container",
        "/default/redis",
        f"/libpod_parent/{ID}",
        f"/docker/{'1' * 64}/libpod_parent/{OTHER}",
    ):
        folder(machine, path)
    found = ContainerTree(find_hierarchies(machine.host)).find()
    assert {container_id: one.cgroup for container_id, one in found.items()} == wanted
    assert {container_id for container_id, one in found.items() if one.container.nested} == {"5" * 64}
    assert found["3" * 64].container.pod_uid == UID.replace("_", "-")
    assert found["1" * 64].unified == machine.host.sys(f"fs/cgroup/docker/{'1' * 64}")
    assert found["1" * 64].legacy is None


def test_v1_and_hybrid(machine: Machine) -> None:
    """A container of a hybrid host is one, with its places in both; one that only v1 or v2 has is found too."""
    mount_v1(machine)
    mount_v2(machine, "/unified", "")
    put_v1(machine, f"/docker/{ID}")
    put_v2(machine, f"/docker/{ID}", folder="/unified")
    put_v1(machine, f"/docker/{OTHER}")
    put_v2(machine, f"/libpod_parent/libpod-{'7' * 64}", folder="/unified")
    found = ContainerTree(find_hierarchies(machine.host)).find()
    assert {container_id: (one.unified is not None, one.legacy) for container_id, one in found.items()} == {
        ID: (True, f"/docker/{ID}"),
        OTHER: (False, f"/docker/{OTHER}"),
        "7" * 64: (True, None),
    }


def test_what_runtimes_tell(machine: Machine) -> None:
    """A cgroup whose name tells nothing is taken from a runtime, if it is there; never one outside of the hierarchy."""
    mount_v2(machine)
    folder(machine, "/default/redis")
    folder(machine, "/team.slice/batch")
    told = {
        "redis": "/default/redis",
        "batch": "/team.slice/batch/",
        "gone": "/default/gone",
        "root": "/",
        "out": "/../..",
        "relative": "default/redis",
    }
    found = ContainerTree(find_hierarchies(machine.host)).find(told)
    assert {container_id: one.cgroup for container_id, one in found.items()} == {
        "redis": "/default/redis",
        "batch": "/team.slice/batch",
    }
    assert found["redis"].container.runtime == "containerd"


def test_what_comes_and_goes(machine: Machine) -> None:
    """The next walk finds what is new, loses what is gone and sees what was exchanged."""
    mount_v2(machine)
    folder(machine, f"/docker/{ID}")
    tree = ContainerTree(find_hierarchies(machine.host), Clock())
    assert list(tree.find()) == [ID]
    folder(machine, f"/docker/{OTHER}")
    assert set(tree.find()) == {ID, OTHER}
    machine.remove(f"sys/fs/cgroup/docker/{ID}")
    assert set(tree.find()) == {OTHER}
    machine.remove(f"sys/fs/cgroup/docker/{OTHER}")
    folder(machine, f"/docker/{'9' * 64}")
    assert set(tree.find()) == {"9" * 64}
    assert tree.left_out == 0


@pytest.mark.parametrize("parent", ["/docker", "/kubepods/burstable", "/a/b/c"])
def test_one_in_the_place_of_another(machine: Machine, parent: str) -> None:
    """A container that starts as another ends is seen at the next walk, though there are as many cgroups as before."""
    mount_v2(machine)
    folder(machine, f"{parent}/{'1' * 64}")
    folder(machine, f"{parent}/{'2' * 64}/below")
    tree = ContainerTree(find_hierarchies(machine.host), Clock())
    assert set(tree.find()) == {"1" * 64, "2" * 64}
    (machine.folder / f"sys/fs/cgroup{parent}/{'1' * 64}").rmdir()
    folder(machine, f"{parent}/{'3' * 64}")
    assert set(tree.find()) == {"2" * 64, "3" * 64}
    assert tree.left_out == 0


@pytest.mark.parametrize(
    "path",
    [
        f"/system.slice/docker-{ID}.scope",
        f"/docker/{ID}",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice/cri-containerd-{ID}.scope",
    ],
)
@pytest.mark.parametrize("name", ["{}", "docker-{:064x}.scope"])
def test_what_users_make_hides_no_container(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    """Cgroups that a user makes below their own, more than there is room for, do not take that of containers."""
    monkeypatch.setattr(tree_module, "MAX_CGROUPS", 60)
    monkeypatch.setattr(tree_module, "MAX_CONTAINERS", 10)
    mount_v2(machine)
    folder(machine, path)
    for number in range(30):
        folder(machine, f"/user.slice/user-1000.slice/user@1000.service/{name.format(number)}/{'f' * 64}")
    tree = Tree(machine.host.sys("fs/cgroup"))
    assert path in tree.walk()
    assert tree.left_out > 0


K3S = f"/system.slice/k3s.service/kubepods/burstable/pod{UID.replace('_', '-')}/{ID}"


@pytest.mark.parametrize(
    "path", [f"/user.slice/user-1000.slice/user@1000.service/docker-{ID}.scope", f"/docker/{OTHER}/docker-{ID}.scope"]
)
def test_a_cgroup_by_the_id_of_anothers_container(machine: Machine, path: str) -> None:
    """What a user, or who is in a container, calls by the id of a container that lies deeper is not taken for it."""
    mount_v2(machine)
    folder(machine, K3S)
    folder(machine, path)
    assert ContainerTree(find_hierarchies(machine.host)).find()[ID].cgroup == K3S


def test_a_cgroup_by_the_id_of_anothers_container_in_one_hierarchy(machine: Machine) -> None:
    """What a user calls by the id of a container that has no cgroup in that hierarchy is not taken for it."""
    mount_v1(machine)
    mount_v2(machine, "/unified", "")
    put_v1(machine, f"/docker/{ID}")
    put_v2(machine, f"/user.slice/user-1000.slice/user@1000.service/docker-{ID}.scope", folder="/unified")
    found = ContainerTree(find_hierarchies(machine.host)).find()[ID]
    assert (found.cgroup, found.unified, found.legacy) == (f"/docker/{ID}", None, f"/docker/{ID}")


def test_what_users_make_hides_no_container_that_lies_deeper(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who fills the room with names of containers fills it for users alone."""
    monkeypatch.setattr(tree_module, "MAX_CONTAINERS", 10)
    mount_v2(machine)
    folder(machine, K3S)
    for number in range(30):
        folder(machine, f"/user.slice/user-1000.slice/user@1000.service/{number:064x}")
    tree = Tree(machine.host.sys("fs/cgroup"))
    assert K3S in tree.walk()
    assert tree.left_out == 21


def test_bounds(machine: Machine) -> None:
    """Depth and number are bounded, and what is beyond is counted."""
    mount_v2(machine)
    folder(machine, "/a" * (MAX_DEPTH + 2))
    tree = Tree(machine.host.sys("fs/cgroup"))
    tree.walk()
    assert tree.left_out == 1
    for number in range(MAX_CONTAINERS + 3):
        folder(machine, f"/docker/{number:064x}")
    assert len(tree.walk()) == MAX_CONTAINERS
    assert tree.left_out == 4


def test_no_such_folder() -> None:
    """A hierarchy that is not there any more has no containers."""
    assert Tree("/nonexistent").walk() == {}
    assert tree_module.LEAF_LINKS == 2


def test_names_that_are_not_text(machine: Machine) -> None:
    """A cgroup whose name is not UTF-8 is left out and counted."""
    mount_v2(machine)
    (Path(bytes(machine.folder).decode()) / "sys/fs/cgroup/x\udcff").mkdir()
    tree = Tree(machine.host.sys("fs/cgroup"))
    assert tree.walk() == {}
    assert tree.left_out == 1
