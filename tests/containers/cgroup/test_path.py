"""nodescope.containers.cgroup.path: which container a path names."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.cgroup.path import (
    MAX_PATH_CHARS,
    ContainerPath,
    container_of,
    holder_of,
    leaf_container,
)

ID: Final = "4f0c1d2e" * 8
OTHER: Final = "a1b2c3d4" * 8
UID: Final = "0d6f5a1c-1c1f-4b7e-9f0e-4f7f5d1f9a11"
STATIC: Final = "d1c2b3a4" * 4
SLICE_UID: Final = UID.replace("-", "_")
SESSION: Final = "/user.slice/user-1000.slice/user@1000.service/user.slice"
POD_SLICE: Final = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE_UID}.slice"

# Path -> runtime, id, uid of the pod, whether it is nested; the container's own cgroup where it is not the path.
NAMED: Final[tuple[tuple[str, str | None, str, str | None, bool, str | None], ...]] = (
    (f"/docker/{ID}", "docker", ID, None, False, None),
    (f"/system.slice/docker-{ID}.scope", "docker", ID, None, False, None),
    (f"/kubepods/pod{UID}/{ID}", "cri-containerd", ID, UID, False, None),
    (f"/kubepods/burstable/pod{UID}/{ID}", "cri-containerd", ID, UID, False, None),
    (f"/kubepods/besteffort/pod{UID}/crio-{ID}", "cri-o", ID, UID, False, None),
    (f"{POD_SLICE}/cri-containerd-{ID}.scope", "cri-containerd", ID, UID, False, None),
    (f"{POD_SLICE}/crio-{ID}.scope", "cri-o", ID, UID, False, None),
    (f"{POD_SLICE}/docker-{ID}.scope", "docker", ID, UID, False, None),
    (f"/kubepods.slice/kubepods-pod{SLICE_UID}.slice/crio-{ID}.scope", "cri-o", ID, UID, False, None),
    (f"/kubepods.slice/kubepods-pod{STATIC}.slice/crio-{ID}.scope", "cri-o", ID, STATIC, False, None),
    (f"/kubepods/pod{STATIC}/{ID}", "cri-containerd", ID, STATIC, False, None),
    (
        f"/system.slice/containerd.service/kubepods-burstable-pod{SLICE_UID}.slice:cri-containerd:{ID}",
        "cri-containerd", ID, UID, False, None,
    ),
    (
        f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICE_UID}.slice/cri-containerd-{ID}.scope",
        "cri-containerd", ID, UID, False, None,
    ),
    (f"/libpod_parent/libpod-{ID}", "podman", ID, None, False, None),
    (f"/libpod_parent/{OTHER}/libpod-{ID}", "podman", ID, None, False, None),
    (f"/machine.slice/libpod-{ID}.scope", "podman", ID, None, False, None),
    (f"/system.slice/web.service/libpod-payload-{ID}", "podman", ID, None, False, None),
    (f"/default/{ID}", None, ID, None, False, None),
    (f"/system.slice/nerdctl-{ID}.scope", "containerd", ID, None, False, None),
    # Rootless, in the slice of a user's own manager.
    (f"{SESSION}/docker-{ID}.scope", "docker", ID, None, False, None),
    (f"{SESSION}/nerdctl-{ID}.scope", "containerd", ID, None, False, None),
    (f"{SESSION}/libpod-{ID}.scope", "podman", ID, None, False, None),
    # podman's pods, with systemd and without.
    (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", "podman", ID, None, False, None),
    (f"{SESSION}/user-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", "podman", ID, None, False, None),
    # QoS classes, and uids with "-" and "_"; a kubelet that has a root of its own; k3s as a service.
    (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICE_UID}.slice/cri-containerd-{ID}.scope",
     "cri-containerd", ID, UID, False, None),
    (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{STATIC}.slice/crio-{ID}.scope",
     "cri-o", ID, STATIC, False, None),
    (f"/kubepods/besteffort/pod{UID}/{ID}", "cri-containerd", ID, UID, False, None),
    (f"/kubepods/guaranteed/pod{UID}/{ID}", "cri-containerd", ID, UID, False, None),
    (f"/system.slice/k3s.service/kubepods/burstable/pod{UID}/{ID}", "cri-containerd", ID, UID, False, None),
    (f"/kubepods/burstable/pod{UID}/crio-{ID}", "cri-o", ID, UID, False, None),
    # kind and minikube: a kubelet in a container of Docker's.
    (f"/docker/{OTHER}/kubelet/kubepods/burstable/pod{UID}/{ID}", "cri-containerd", ID, UID, True, None),
    (f"/system.slice/docker-{OTHER}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
     f"kubelet-kubepods-burstable-pod{SLICE_UID}.slice/cri-containerd-{ID}.scope",
     "cri-containerd", ID, UID, True, None),
    (f"/docker/{OTHER}{POD_SLICE}/docker-{ID}.scope", "docker", ID, UID, True, None),
    # Named for systemd, made without it.
    (f"/system.slice:docker:{ID}", "docker", ID, None, False, None),
    (f"/system.slice/docker.service/system.slice:docker:{ID}", "docker", ID, None, False, None),
    (f"/kubepods-besteffort-pod{SLICE_UID}.slice:crio:{ID}", "cri-o", ID, UID, False, None),
    (f"/user.slice:nerdctl:{ID}", "containerd", ID, None, False, None),
    (f"/machine.slice:libpod:{ID}", "podman", ID, None, False, None),
    # Within what is no container of ours: LXC, a machine of systemd's, a task of ECS, a scheduler's slice.
    (f"/lxc.payload.web/docker/{ID}", "docker", ID, None, False, None),
    (f"/lxc/100/ns/docker/{ID}", "docker", ID, None, False, None),
    (f"/machine.slice/machine-web.scope/payload/system.slice/docker-{ID}.scope", "docker", ID, None, False, None),
    (f"/machine.slice/systemd-nspawn@web.service/payload/docker/{ID}", "docker", ID, None, False, None),
    (f"/ecs/{STATIC}/{ID}", None, ID, None, False, None),
    (f"/ecstasks.slice/ecstasks-{STATIC}.slice/docker-{ID}.scope", "docker", ID, None, False, None),
    # systemd writes "-" in a part of a slice's name as "\\x2d".
    (rf"/team\x2da.slice/docker-{ID}.scope", "docker", ID, None, False, None),
    (rf"/system.slice/web\x2dapp.service/libpod-payload-{ID}", "podman", ID, None, False, None),
    # Sub-cgroups: crun's, and those of an init system inside.
    (f"/machine.slice/libpod-{ID}.scope/container", "podman", ID, None, False, f"/machine.slice/libpod-{ID}.scope"),
    (f"{POD_SLICE}/crio-{ID}.scope/container", "cri-o", ID, UID, False, f"{POD_SLICE}/crio-{ID}.scope"),
    (f"/docker/{ID}/system.slice/cron.service", "docker", ID, None, False, f"/docker/{ID}"),
    (f"/docker/{ID}/init.scope", "docker", ID, None, False, f"/docker/{ID}"),
    # Nested.
    (f"/docker/{OTHER}/docker/{ID}", "docker", ID, None, True, None),
    (f"/docker/{OTHER}/kubepods/burstable/pod{UID}/{ID}", "cri-containerd", ID, UID, True, None),
    (f"/kubepods/pod{UID}/{OTHER}/docker/{ID}", "docker", ID, UID, True, None),
    # Parents of the user's choice, also such that look like containers.
    (f"/team-a/{ID}", None, ID, None, False, None),
    (f"/team.slice/docker-{ID}.scope", "docker", ID, None, False, None),
    (f"/docker-{OTHER}.scope/{ID}", None, ID, None, True, None),
    # Removed.
    (f"/docker/{ID} (deleted)", "docker", ID, None, False, f"/docker/{ID}"),
    (f"/docker/{ID}/", "docker", ID, None, False, f"/docker/{ID}"),
)  # fmt: skip

NAMELESS: Final = (
    "", "/", "/init.scope", "/user.slice/user-1000.slice/session-3.scope", "/system.slice/ssh.service",
    "/system.slice/docker.service", "/system.slice/containerd.service", "/docker", "/kubepods/burstable",
    f"/kubepods/pod{UID}", POD_SLICE, f"/system.slice/docker-{ID[:63]}.scope", f"/docker/{ID}0",
    f"/docker/{ID.upper()}",
    f"/system.slice/crio-conmon-{ID}.scope", f"{POD_SLICE}/crio-conmon-{ID}.scope",
    f"/machine.slice/libpod-conmon-{ID}.scope", f"/libpod_parent/conmon-{ID}",
    f"/libpod_parent/{ID}",
    f"/system.slice/var-lib-docker-overlay2-{ID}-merged.mount", f"/system.slice/run-containerd-{ID}-rootfs.mount",
    f"/system.slice/docker-{ID}.mount", "/../..", "/../system.slice", f"/{'x' * MAX_PATH_CHARS}/docker/{ID}",
    "/slurm/uid_1000/job_7", "/a", "/a b/c", "/lxc/web",
    # Pods' slices, conmon's scopes and services of podman's, also where the id is whole.
    f"/machine.slice/machine-libpod_pod_{ID}.slice", f"{SESSION}/user-libpod_pod_{ID}.slice",
    f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-conmon-{ID}.scope", f"{SESSION}/libpod-conmon-{ID}.scope",
    "/system.slice/web.service/runtime", f"{SESSION}/podman-239302.scope",
    f"/kubepods/burstable/pod{UID}/crio-conmon-{ID}", f"/kubepods.slice/kubepods-pod{SLICE_UID}.slice",
    # Machines that are no containers of a runtime that is asked.
    "/lxc.monitor.web", "/lxc.payload.web", "/lxc.payload.web/init.scope", "/machine.slice/machine-web.scope/payload",
    "/machine.slice/systemd-nspawn@web.service/supervisor", r"/machine.slice/machine-qemu\x2d1\x2dweb.scope",
    # Nearly ids: cut short, of another length, of other letters, or with more around them.
    f"/docker/{ID[:12]}", f"/system.slice/docker-{ID[:12]}.scope", f"/kubepods/pod{UID}/{ID[:32]}",
    f"/system.slice/docker-{ID}", f"/system.slice/docker-{ID}.service", f"/system.slice/cri-containerd-{ID}",
    f"/system.slice/docker-g{ID[1:]}.scope", f"/system.slice/mydocker-{ID}.scope", f"/sha256:{ID}",
    f"/system.slice/run-docker-runtime\\x2drunc-moby-{ID}-runc.mount", f"/system.slice/containerd-shim-{ID}.scope",
    "/docker/buildkit/o3m5c2qykbzn7dbnhsjdkgkx6", "/system.slice/docker.service/docker/buildkit/l1x0",
)  # fmt: skip


@pytest.mark.parametrize(("path", "runtime", "container_id", "uid", "nested", "own"), NAMED)
def test_paths_that_name_a_container(
    path: str, runtime: str | None, container_id: str, uid: str | None, nested: bool, own: str | None
) -> None:
    """Every runtime's path gives the runtime, the id, the pod and the container's own cgroup."""
    assert container_of(path) == ContainerPath(runtime, container_id, uid, nested, True, None, own or path)


@pytest.mark.parametrize("path", NAMELESS)
def test_paths_that_name_none(path: str) -> None:
    """Units, pods, conmon, mounts and what is nearly an id are no container."""
    assert container_of(path) is None


@pytest.mark.parametrize("path", [f"/../{ID}", f"/../../system.slice/docker-{ID}.scope", f"/../../docker/{ID}/init"])
def test_from_another_namespace(path: str) -> None:
    """A path out of a private namespace tells the id; where the cgroup is for the host, it does not tell."""
    found = container_of(path)
    assert found is not None
    assert (found.id, found.cgroup, found.certain) == (ID, None, True)


@pytest.mark.parametrize("path", ["/default/redis-1", "/default/redis-1/sub", "/k8s.io/web_2"])
def test_names_of_containerd(path: str) -> None:
    """Two parts that could be containerd's namespace and name are a container that is not certain."""
    found = container_of(path)
    assert found is not None
    namespace, name = path.split("/")[1:3]
    assert found == ContainerPath("containerd", name, None, False, False, namespace, f"/{namespace}/{name}")


@pytest.mark.parametrize(
    ("path", "job", "uid"),
    [
        ("/system.slice/slurmstepd.scope/job_123/step_0/user/task_0", "123", None),
        ("/system.slice/node7_slurmstepd.scope/job_123/step_batch", "123", None),
        ("/slurm/uid_1001/job_42/step_0/task_1", "42", 1001),
        ("/slurm_node7/uid_1001/job_42", "42", 1001),
        ("/user.slice/user-1000.slice/session-3.scope", None, 1000),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", None, 1000),
        ("/system.slice/slurmstepd.scope/job_123/step_extern/user/task_special", "123", None),
        ("/system.slice/slurmstepd.scope/job_123/step_batch/slurm", "123", None),
        ("/system.slice/slurmstepd.scope/system", None, None),
        ("/system.slice/slurmd.service", None, None),
        ("/slurm/uid_0/job_4294967295/step_4294967291/task_0", "4294967295", 0),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-vte.slice", None, 1000),
        ("/system.slice/user-1000.sliced", None, None),
        ("/other/job_42", None, None),
        ("/job_42/slurm", None, None),
        ("/other/uid_1001", None, None),
        ("/system.slice/job_42.service", None, None),
        ("/../../user.slice/user-1000.slice/session-3.scope", None, 1000),
        # Users of a system within a container or a machine are others than the host's; its Slurm's jobs are jobs.
        (f"/system.slice/docker-{ID}.scope/user.slice/user-1000.slice/session-1.scope", None, None),
        ("/lxc.payload.web/user.slice/user-1000.slice/session-1.scope", None, None),
        ("/machine.slice/systemd-nspawn@web.service/payload/user.slice/user-1000.slice/session-1.scope", None, None),
        (f"/system.slice/docker-{ID}.scope/slurm/uid_1001/job_7", "7", None),
        (f"{POD_SLICE}/cri-containerd-{ID}.scope/system.slice/slurmstepd.scope/job_7/step_0", "7", None),
        # Users may name what is below their own slice, and jobs what is below theirs, as they like.
        (f"{SESSION}/slurm/uid_0/job_7", None, 1000),
        (f"{SESSION}/docker-{ID}.scope/user.slice/user-0.slice/session-1.scope", None, 1000),
        ("/slurm/uid_1001/job_42/step_0/slurm/uid_0/job_7", "42", 1001),
    ],
)
def test_slurm_jobs_and_users(path: str, job: str | None, uid: int | None) -> None:
    """Jobs below Slurm's cgroups, and the host's users of slices and jobs, are told beside the container."""
    holder = holder_of(path)
    assert (holder.slurm_job, holder.uid) == (job, uid)


def test_a_container_in_a_slurm_job() -> None:
    """A container that a job started is both."""
    holder = holder_of(f"/system.slice/slurmstepd.scope/job_9/step_0/docker/{ID}")
    assert holder.slurm_job == "9"
    assert holder.container is not None
    assert holder.container.id == ID


def test_the_containers_around() -> None:
    """Of nested containers all are told, for the host's runtime knows the outermost alone."""
    holder = holder_of(f"/kubepods/pod{UID}/{OTHER}/docker/{ID}/init.scope")
    assert holder.container is not None
    assert (holder.container.id, holder.container.nested) == (ID, True)
    assert holder.outer == (ContainerPath("cri-containerd", OTHER, UID, cgroup=f"/kubepods/pod{UID}/{OTHER}"),)


_PARTS = st.sampled_from([
    "..", ".", "docker", ID, OTHER, f"docker-{ID}.scope", f"libpod-{ID}.scope", f"pod{UID}", "kubepods", "job_1", "a",
    "slurm", "user-1.slice", " (deleted)", "a (deleted)", ":", f":crio:{ID}", "\ufffd", "container", f"crio-{ID}",
])  # fmt: skip


@given(st.one_of(st.text(max_size=300), st.lists(st.one_of(_PARTS, st.text(max_size=80))).map("/".join)))
def test_any_path(path: str) -> None:
    """Whatever the path, a certain container's id is 64 hexadecimal digits, which its cgroup's name tells."""
    holder = holder_of(path)
    container = holder.container
    assert holder == holder_of(path + " (deleted)") or path.endswith(" (deleted)")
    if container is None or not container.certain:
        return
    assert len(container.id) == 64
    assert set(container.id) <= set("0123456789abcdef")
    if container.cgroup is not None:
        leaf = leaf_container(container.cgroup.rpartition("/")[2])
        assert leaf is not None
        assert leaf[1] == container.id
