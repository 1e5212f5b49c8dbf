"""/pods: the example of Primus-Lens' documentation, the fields of its code, and every vendor's devices."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from nodescope.api.selection import MAX_CONTAINERS
from nodescope.records.amd_static import AmdStatic
from nodescope.records.container import Container, ContainerDevice, ContainerUse, DeviceClaim
from nodescope.records.dri import DriDevice
from nodescope.records.gpu import GpuIdentity, InstanceIdentity, InstanceReading
from nodescope.records.gpu_snapshot import GpuInstance
from tests.api import records
from tests.api.lens_example import PODS
from tests.api.records import ARC, DRI, GPUS, H200, MI300X, MI300X_READING, RDMA, STATIC, Node, ask, gpu
from tests.api.test_lens import lacking

ID: Final = "abc123..."
POD: Final = {
    "pod_name": "gpu-workload-pod",
    "pod_namespace": "default",
    "pod_uid": "uuid-123",
    "pod_container": "main",
}

CODE_FIELDS: Final = (
    "id metadata state created_at started_at finished_at exit_code image image_ref reason message labels annotations "
    "mounts log_path pod_name pod_namespace pod_uuid info devices status pid oom_killed exit_time last_updated"
)
INFO_FIELDS: Final = "sandboxID pid removing snapshotKey snapshotter runtimeType runtimeOptions config runtimeSpec"
DEVICE_FIELDS: Final = "name id path type kind uuid serial slot"


def container(**fields: Any) -> Container:
    return Container(**{"runtime": "cri-containerd", "id": ID, "name": "main", "pid": 71, **fields})


def claim(device: str, kind: str = "gpu", id_: str | None = ID, **fields: Any) -> DeviceClaim:
    return DeviceClaim(**{"device": device, "kind": kind, "evidence": "cdi", "container_id": id_, **fields})


def pods(*told: Any, path: str = "/pods", **parts: Any) -> list[dict[str, Any]]:
    node = Node(**{"gpus": GPUS, "rdma": RDMA, "dri": DRI, "amd_static": (STATIC,), **parts}, pods=told)
    answered = ask(node, path)
    assert answered.status == 200
    found: list[dict[str, Any]] = json.loads(answered.body)
    return found


def test_a_sandbox_that_docker_runs() -> None:
    """A pod's sandbox is no container of it, also where Docker runs it as one."""
    sandbox = container(**{**POD, "pod_container": "POD"}, runtime="docker")
    assert [one["metadata"]["name"] for one in pods(container(**{**POD, "id": "b" * 64}), sandbox)] == ["main"]


@pytest.mark.parametrize("path", ["/pods", "/v1/pods"])
@pytest.mark.parametrize("static", [(STATIC,), ()])
def test_the_documentations_example(static: tuple[AmdStatic, ...], path: str) -> None:
    """It is answered field for field, with and without /v1, and with and without amd-smi."""
    told = (container(**POD), claim(MI300X.uuid), claim("mlx5_0", "rdma"))
    found = pods(*told, path=path, gpus=(gpu(MI300X, MI300X_READING),), amd_static=static)
    assert lacking(PODS, found) == []


def test_the_fields_of_the_code() -> None:
    """Every field that the client's types read is there: of a container, of what containerd says, of each device."""
    ended = container(
        **POD, state="exited", exit_code=137, oom_killed=True, restarts=2, created_seconds=1.6e9,
        started_seconds=1.6e9 + 1, finished_seconds=1.6e9 + 2.5, image="train:1", image_digest="sha256:ab",
        labels={"team": "x"},
    )  # fmt: skip
    (pod,) = pods(ended, claim(MI300X.uuid), claim("mlx5_0", "rdma"))
    assert set(CODE_FIELDS.split()) <= set(pod)
    assert set(INFO_FIELDS.split()) == set(pod["info"])
    for device in (*pod["devices"]["gpu"], *pod["devices"]["infiniband"]):
        assert set(DEVICE_FIELDS.split()) <= set(device)
    assert pod["devices"]["infiniband"][0]["slot"] == "0"
    assert pod["devices"]["infiniband"][0]["serial"] == "mlx5_0"
    assert pod["devices"]["gpu"][0]["type"] == "c"
    assert pod["devices"]["gpu"][0]["render"] == "/dev/dri/renderD128"
    assert (pod["metadata"], pod["labels"]) == ({"name": "main", "attempt": 2}, {"team": "x"})
    assert (pod["created_at"], pod["finished_at"]) == (1_600_000_000_000_000_000, 1_600_000_002_500_000_000)
    assert (pod["state"], pod["status"], pod["reason"], pod["exit_code"]) == (2, "OOMKilled", "OOMKilled", 137)
    assert (pod["exit_time"], pod["oom_killed"]) == ("2020-09-13T12:26:42Z", True)
    assert (pod["image"], pod["image_ref"]) == ("train:1", "sha256:ab")


@pytest.mark.parametrize(
    ("state", "code", "number", "status", "reason"),
    [
        ("created", None, 0, "Created", None),
        ("running", None, 1, "Running", None),
        ("paused", None, 1, "Running", None),
        ("exited", 0, 2, "Exit", "Completed"),
        ("exited", 1, 2, "Exit", "Error"),
        ("dead", None, 2, "Exit", None),
        ("odd", None, 3, None, None),
    ],
)
def test_states(state: str, code: int | None, number: int, status: str | None, reason: str | None) -> None:
    """A state is the CRI's number, the exporter's word, and the reason of an end; unknown is null."""
    (pod,) = pods(container(**POD, state=state, exit_code=code))
    assert (pod["state"], pod["status"], pod["reason"]) == (number, status, reason)


def test_what_is_not_known_is_null() -> None:
    """A container of which only its pod is known has no times and no devices, and lists that are empty."""
    (pod,) = pods(container(**POD, pid=None))
    known = {
        "id", "pod_name", "pod_namespace", "pod_uuid", "devices", "metadata", "state", "labels", "annotations",
        "mounts", "info", "status", "oom_killed", "last_updated", "runtime",
    }  # fmt: skip
    assert {key for key, value in pod.items() if value is not None} == known
    assert pod["devices"] == {"gpu": [], "infiniband": []}


def test_kills_that_only_the_cgroup_counts() -> None:
    """A running container one of whose processes was killed for memory says so, and still runs."""
    (pod,) = pods(container(**POD), ContainerUse(id=ID, cgroup="/x", oom_kills=1))
    assert (pod["oom_killed"], pod["status"]) == (True, "Running")


def test_devices_of_every_vendor() -> None:
    """NVIDIA's and Intel's GPUs are described like AMD's, by their own nodes, with null for what is not known."""
    nvidia = GpuIdentity(**{name: getattr(H200, name) for name in H200.__struct_fields__} | {"device": "nvidia0"})
    told = (container(**POD), claim(H200.uuid), claim(MI300X.uuid), claim(ARC.uuid))
    (pod,) = pods(*told, gpus=(gpu(MI300X), gpu(nvidia), gpu(ARC)), amd_static=())
    amd, second, third = pod["devices"]["gpu"]
    assert (amd["vendor"], amd["path"], amd["device"], amd["evidence"]) == ("amd", "/dev/dri/card0", MI300X.uuid, "cdi")
    assert (second["name"], second["id"], second["path"]) == ("NVIDIA H200", 1, "/dev/nvidia0")
    assert (second["uuid"], second["serial"], second["slot"]) == ("0x2335", H200.serial, "0000:18:00.0")
    assert (third["vendor"], third["path"], third["type"], third["slot"]) == ("intel", None, None, ARC.pci_address)


def test_a_partition_is_of_its_gpu() -> None:
    """A MIG device is told with its GPU's name and address, its own UUID and its profile."""
    instance = InstanceIdentity(gpu_uuid=H200.uuid, uuid="MIG-1", index=0, profile="1g.18gb")
    part = GpuInstance(identity=H200, instance=instance, gpu=gpu(H200), first=1, reading=InstanceReading(uuid="MIG-1"))
    (pod,) = pods(container(**POD), claim("MIG-1", "gpu_instance"), gpus=(gpu(H200), part), amd_static=())
    (device,) = pod["devices"]["gpu"]
    assert (device["name"], device["device"], device["profile"]) == ("NVIDIA H200", "MIG-1", "1g.18gb")
    assert (device["id"], device["slot"]) == (0, H200.pci_address)


def test_a_partition_of_amds_has_its_own_nodes() -> None:
    """A compute partition that amd-smi does not list is told with its own DRM nodes."""
    (pod,) = pods(container(**POD), claim(f"{MI300X.uuid}-1", "gpu_instance"), gpus=(gpu(MI300X), records.partition(1)))
    (device,) = pod["devices"]["gpu"]
    assert (device["path"], device["profile"], device["name"]) == ("/dev/dri/card1", "CPX", "AMD Instinct MI300X")


def test_which_containers_are_listed() -> None:
    """Containers of pods all are, others where they have a device, and one that two runtimes tell of once."""
    told = (
        container(id="1", **POD),
        container(id="2", runtime="docker", name="web"),
        container(id="3", runtime="docker", name="train"),
        container(id="3", runtime="containerd", name="3"),
        container(id="4", runtime="podman", name="verbs"),
        claim(MI300X.uuid, id_="3"),
        claim("mlx5_0", "rdma", id_="4"),
    )
    found = pods(*told)
    assert [(pod["id"], pod["runtime"]) for pod in found] == [("1", "cri-containerd"), ("3", "docker"), ("4", "podman")]
    assert (found[1]["pod_name"], found[1]["metadata"]["name"]) == (None, "train")


def test_devices_of_one_that_has_ended() -> None:
    """What was given by its nodes is told after the end; what a privileged one saw is not."""
    given = tuple(
        ContainerDevice(kind=kind, evidence="device", path=path)
        for kind, path in (("gpu", "/dev/dri/renderD128"), ("gpu", "/dev/dri/card0"), ("gpu", "/dev/kfd"),
                           ("rdma", "/dev/infiniband/uverbs0"))
    )  # fmt: skip
    (pod,) = pods(container(state="exited", devices=given))
    assert [device["path"] for device in pod["devices"]["gpu"]] == ["/dev/dri/card0"]
    assert [device["name"] for device in pod["devices"]["infiniband"]] == ["mlx5_0"]
    assert pods(container(state="exited", devices=given, privileged=True)) == []


def test_folders_of_one_that_has_ended() -> None:
    """Whole folders of nodes, as ROCm's guide gives them (`--device /dev/dri`), are all nodes in them but NVIDIA's."""
    given = tuple(
        ContainerDevice(kind=kind, evidence="device", path=path)
        for kind, path in (("gpu", "/dev/kfd"), ("gpu", "/dev/dri"), ("rdma", "/dev/infiniband"))
    )
    (pod,) = pods(container(state="exited", devices=given))
    assert {device["vendor"] for device in pod["devices"]["gpu"]} == {"amd"}
    assert [device["name"] for device in pod["devices"]["infiniband"]] == ["mlx5_0"]


@pytest.mark.parametrize(
    ("state", "variable", "shown"),
    [
        ("exited", "HIP_VISIBLE_DEVICES=", 0),
        ("running", "HIP_VISIBLE_DEVICES=", 0),
        ("running", "ROCR_VISIBLE_DEVICES=9", 0),
        ("exited", "ROCR_VISIBLE_DEVICES=0", 1),
        ("running", "CUDA_VISIBLE_DEVICES=", 1),
    ],
)
def test_devices_that_a_variable_hides(state: str, variable: str, shown: int) -> None:
    """A node that a container has is not told where its own variable hides all GPUs of that vendor from it."""
    given = (
        ContainerDevice(kind="gpu", evidence="device", path="/dev/dri/renderD128"),
        ContainerDevice(kind="gpu", evidence="environment", request=variable),
    )
    (pod,) = pods(container(**POD, state=state, devices=given))
    assert len(pod["devices"]["gpu"]) == shown


def test_a_pod_that_no_runtime_told_of() -> None:
    """What the kubelet gave to a container that nobody knows is told under its pod, with a null id."""
    unseen = claim(MI300X.uuid, id_=None, container="main", pod_name="train", pod_namespace="ml")
    of_user = claim(H200.uuid, id_=None, user="ada")
    (pod,) = pods(unseen, of_user)
    assert (pod["id"], pod["pod_name"], pod["pod_namespace"], pod["metadata"]["name"]) == (None, "train", "ml", "main")
    assert pod["devices"]["gpu"][0]["name"] == "AMD Instinct MI300X"


def test_a_device_that_is_gone() -> None:
    """A claim on a GPU that is not there any more costs the others nothing."""
    (pod,) = pods(container(**POD), claim("GPU-gone"), claim(MI300X.uuid))
    assert len(pod["devices"]["gpu"]) == 1


def test_a_host_without_drm_nodes() -> None:
    """A GPU of which no node is known has neither path nor type."""
    bare = GpuIdentity(vendor="amd", uuid="1", index=0, pci_address="0000:01:00.0")
    (pod,) = pods(container(**POD), claim("1"), gpus=(gpu(bare),), dri=(DriDevice(card="/dev/dri/card7"),))
    assert (pod["devices"]["gpu"][0]["path"], pod["devices"]["gpu"][0]["type"]) == (None, None)


def test_the_list_is_bounded() -> None:
    """No more than its limit of containers are listed; how many more there are is in a header."""
    many = tuple(container(id=str(number), pod_name="p") for number in range(MAX_CONTAINERS + 2))
    answered = ask(Node(pods=many), "/pods")
    assert len(json.loads(answered.body)) == MAX_CONTAINERS
    assert ("X-Left-Out", "2") in answered.headers
