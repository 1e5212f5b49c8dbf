"""Process -> cgroup -> container, job, user."""

from __future__ import annotations

from pathlib import Path

from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.host import Host
from nodescope.ownership.holder import NOBODY, Holder, of_container
from nodescope.ownership.process_owner import Containers, holders_of_devices, owners
from tests.ownership.gpus import MIG, NVIDIA, A, B, container, process

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def machine(root: Path, cgroups: dict[int, str]) -> ProcessCgroups:
    """A host whose processes are in these cgroups and were started 1000 ticks after boot."""
    for pid, path in cgroups.items():
        folder = root / f"proc/{pid}"
        folder.mkdir(parents=True)
        (folder / "cgroup").write_text(f"0::{path}\n")
        fields = ["0"] * 18 + ["1000"] + ["0"] * 30
        (folder / "stat").write_text(f"{pid} (a) b) S {' '.join(fields)}\n")
    return ProcessCgroups(Host(str(root / "proc")))


def test_whose_processes_are(tmp_path: Path) -> None:
    """A known container, one that no runtime knows, one of containerd by name, a job, a user's session, and no one."""
    known = container(name="train", id=ID, pod_name="p", pod_namespace="n")
    named = container(name="web", id="web", runtime="containerd", namespace="default")
    cgroups = machine(
        tmp_path,
        {
            1: f"/system.slice/docker-{ID}.scope",
            2: f"/docker/{OTHER}",
            3: "/default/web",
            4: "/system.slice/slurmstepd.scope/job_42/step_0/user/task_0",
            5: "/user.slice/user-1000.slice/session-1.scope",
            6: "/init.scope",
            7: "/default/unknown",
        },
    )
    processes = [process(NVIDIA[0], pid, user="root" if pid == 6 else None) for pid in range(1, 9)]
    found = owners(processes, cgroups, Containers([known, named]), user_name=lambda uid: f"u{uid}")
    assert found == {
        1: of_container(known),
        2: Holder(OTHER, OTHER, OTHER[:12], "docker"),
        3: of_container(named),
        4: Holder("job:42", slurm_job="42"),
        5: Holder("user:u1000", user="u1000"),
        6: Holder("user:root", user="root"),
        7: NOBODY,
        8: NOBODY,
    }


def test_a_sandbox_of_a_known_pod(tmp_path: Path) -> None:
    """What its cgroup alone tells of is of the pod that the cgroup names, unless a user can have named it so."""
    uid = "12345678-1234-1234-1234-123456789abc"
    known = container(name="train", id=ID, pod_name="p", pod_namespace="n", pod_uid=uid)
    cgroups = machine(
        tmp_path,
        {
            1: f"/kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice/cri-containerd-{OTHER}.scope",
            2: f"/user.slice/user-1000.slice/user@1000.service/pod{uid}/{OTHER}",
            3: f"/kubepods/pod{'a' * 32}/{OTHER}",
        },
    )
    found = owners([process(NVIDIA[0], pid) for pid in (1, 2, 3)], cgroups, Containers([known]))
    assert [(found[pid].key, found[pid].pod_name, found[pid].pod_namespace) for pid in (1, 2, 3)] == [
        (OTHER, "p", "n"),
        (OTHER, None, None),
        (OTHER, None, None),
    ]


def test_one_id_in_two_namespaces(tmp_path: Path) -> None:
    """Processes of two containers that containerd has under one name are of two holders."""
    one, other = (container(name="web", id="web", runtime="containerd", namespace=name) for name in ("a", "b"))
    cgroups = machine(tmp_path, {1: "/a/web", 2: "/b/web"})
    found = owners([process(NVIDIA[0], 1), process(NVIDIA[0], 2)], cgroups, Containers([one, other]))
    assert {pid: holder.key for pid, holder in found.items()} == {1: "a/web", 2: "b/web"}


def test_a_cgroup_that_its_runtime_tells(tmp_path: Path) -> None:
    """A process is its container's where only the runtime tells which cgroup that is: any path, and below it."""
    placed = {
        "unit": "/system.slice/ctr-unit.scope",
        "placed": "/my/place",
        "usual": "/default/usual",
        "moved": "/default/usual/moved",
    }
    known = {
        name: container(name=name, id=name, runtime="containerd", namespace="default", cgroup=path)
        for name, path in placed.items()
    }
    where = {1: placed["unit"], 2: f"{placed['placed']}/init", 3: placed["usual"], 4: "/my/places", 5: "/my"}
    cgroups = machine(tmp_path, where)
    found = owners([process(NVIDIA[0], pid) for pid in where], cgroups, Containers(known.values()))
    assert {pid: holder.key for pid, holder in found.items()} == {
        1: "unit", 2: "placed", 3: "usual", 4: NOBODY.key, 5: NOBODY.key,
    }  # fmt: skip


def test_who_is_in_a_container_of_a_container(tmp_path: Path) -> None:
    """The innermost container that a runtime knows is the holder; where none is known, the innermost that is named."""
    pod = container(name="dind", id=OTHER, pod_name="p", pod_namespace="n")
    cgroups = machine(tmp_path, {1: f"/kubepods/pod{'a' * 32}/{OTHER}/docker/{ID}", 2: f"/docker/{OTHER}/docker/{ID}"})
    processes = [process(NVIDIA[0], pid) for pid in (1, 2)]
    assert set(owners(processes, cgroups, Containers([pod])).values()) == {of_container(pod)}
    inner = container(name="inner", id=ID)
    assert set(owners(processes, cgroups, Containers([pod, inner])).values()) == {of_container(inner)}
    assert {one.key for one in owners(processes, cgroups, Containers([])).values()} == {ID}


def test_a_container_in_a_users_session(tmp_path: Path) -> None:
    """A rootless container, known or not, has the user whose session it is in; a job's has the job and its user."""
    session = "/user.slice/user-1000.slice/user@1000.service/user.slice"
    cgroups = machine(
        tmp_path,
        {
            1: f"{session}/libpod-{ID}.scope/container",
            2: f"{session}/docker-{OTHER}.scope",
            3: f"/slurm/uid_1001/job_7/step_0/docker/{ID}",
        },
    )
    processes = [process(NVIDIA[0], pid) for pid in (1, 2, 3)]
    found = owners(processes, cgroups, Containers([container(name="web", id=ID)]), user_name=lambda uid: f"u{uid}")
    assert [(one.container, one.user, one.slurm_job) for one in found.values()] == [
        ("web", "u1000", None),
        (OTHER[:12], "u1000", None),
        ("web", "u1001", "7"),
    ]


def test_a_cgroup_by_the_id_of_anothers_container(tmp_path: Path) -> None:
    """A user who calls a cgroup of theirs by a container's id is told as that user; the container's own are its own."""
    session = "/user.slice/user-1000.slice/user@1000.service/app.slice"
    cgroups = machine(
        tmp_path,
        {
            1: f"/system.slice/docker-{ID}.scope",
            2: f"/system.slice/docker-{ID}.scope/worker",
            3: f"{session}/docker-{ID}.scope",
        },
    )
    known = container(name="web", id=ID, pid=1)
    processes = [process(NVIDIA[0], pid) for pid in (2, 3)]
    found = owners(processes, cgroups, Containers([known]), user_name=lambda uid: f"u{uid}")
    assert found == {2: of_container(known), 3: Holder("user:u1000", user="u1000")}
    ended = container(name="web", id=ID, pid=9)
    assert owners(processes, cgroups, Containers([ended]))[2] == of_container(ended)


def test_odd_files_cost_one_process(tmp_path: Path) -> None:
    """A process whose files are not as documented is nobody's; its neighbour is found."""
    cgroups = machine(tmp_path, {1: f"/docker/{ID}", 2: f"/docker/{ID}"})
    (tmp_path / "proc/1/cgroup").write_bytes(b"\xff\xfe")
    found = owners([process(NVIDIA[0], pid) for pid in (1, 2)], cgroups, Containers([container(id=ID)]))
    assert (found[1], found[2].container_id) == (NOBODY, ID)


def test_one_container_of_two_runtimes() -> None:
    """containerd below Docker tells less, and does not take the place of Docker's."""
    bare = container(id=ID, runtime="containerd", namespace="moby")
    full = container(id=ID, name="train")
    from nodescope.containers.cgroup.path import ContainerPath

    for order in ([bare, full], [full, bare]):
        assert Containers(order).at(ContainerPath(None, ID)) is full
    assert Containers([full]).at(ContainerPath("docker", OTHER)) is None


def test_who_uses_which_device() -> None:
    """By partition where it is told, else by GPU; processes of no one are left out."""
    ada = Holder("user:ada", user="ada")
    processes = [
        process(NVIDIA[0], 1), process(NVIDIA[0], 2), process(NVIDIA[1], 3),
        process(NVIDIA[2], 1, instance_uuid=MIG[0]),
    ]  # fmt: skip
    found = holders_of_devices(processes, {1: ada, 2: NOBODY})
    assert found == {A: {"user:ada": ada}, MIG[0]: {"user:ada": ada}}
    assert B not in found
