"""Claims: who holds what, by what it is known, and what contradicts it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from nodescope.ownership.claims import MAX_CLAIMS, Claims, claims
from nodescope.ownership.holder import Holder, of_claim, of_container
from nodescope.ownership.weights import claimed
from nodescope.records.container import Container
from tests.ownership.gpus import MACHINE, MIG, A, B, C, container, given, node


class PodDevices(NamedTuple):
    """As the client of pod-resources gives it."""

    pod_name: str
    pod_namespace: str
    container: str
    resource: str = "nvidia.com/gpu"
    device_ids: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()


def given_pod(*ids: str, **more: Any) -> PodDevices:
    return PodDevices("train-0", "ml", "main", device_ids=ids, **more)


POD = {"pod_name": "train-0", "pod_namespace": "ml", "pod_container": "main"}


def told(found: Claims) -> list[tuple[str, str | None, str, str]]:
    return [(claim.device, claim.container, claim.evidence, claim.conflict) for claim in found.claims]


def use(one: Container) -> dict[str, Holder]:
    return {one.id: of_container(one)}


def test_a_claim_says_who() -> None:
    """A claim has its container, pod, user and job, and back from it the same holder is made."""
    one = container(given("cdi", "nvidia.com/gpu=2:1"), **POD, user="ada", slurm_job="7")
    (claim,) = claims([one], MACHINE).claims
    assert (claim.device, claim.kind, claim.evidence, claim.container_id) == (MIG[1], "gpu_instance", "cdi", one.id)
    assert (claim.pod_name, claim.pod_namespace, claim.user, claim.slurm_job) == ("train-0", "ml", "ada", "7")
    assert claim.request == "nvidia.com/gpu=2:1"
    assert of_claim(claim) == of_container(one)


@pytest.mark.parametrize("state", ["created", "exited", "dead"])
def test_who_does_not_run_holds_nothing(state: str) -> None:
    """A container holds devices while it runs, is paused or is being restarted."""
    assert claims([container(given("cdi", "nvidia.com/gpu=0"), state=state)], MACHINE) == Claims()


def test_two_runtimes_tell_of_one_container() -> None:
    """Docker's word goes before that of containerd below it, in any order."""
    bare = container(runtime="containerd")
    full = container(node("/dev/nvidia0"))
    for order in ([bare, full], [full, bare]):
        assert told(claims(order, MACHINE)) == [(A, "train", "device", "")]


def test_one_id_in_two_namespaces() -> None:
    """Containers that containerd has under one name in two namespaces are two holders, each of its own GPU."""
    named = [
        container(given("cdi", f"nvidia.com/gpu={index}"), runtime="containerd", namespace=namespace, id="web")
        for index, namespace in enumerate(("a", "b"))
    ]
    found = claims(named, MACHINE, used={MACHINE.all()[0].key: {"a/web": of_container(named[0])}}).claims
    assert {(claim.container_id, claim.device, claim.conflict) for claim in found} == {
        ("a/web", MACHINE.all()[0].key, ""),
        ("b/web", MACHINE.all()[1].key, ""),
    }


def test_the_kubelet_knows_best() -> None:
    """What the kubelet allocated to a container is its claim, whatever its variables say."""
    one = container(given("environment", "all"), **POD)
    found = claims([one], MACHINE, [given_pod(A), given_pod("0000:41:00.0", resource="rdma/hca")])
    assert told(found) == [(A, "main", "pod_resources", ""), ("mlx5_1", "main", "pod_resources", "")]


def test_a_kubelet_that_gives_no_gpus() -> None:
    """Where the kubelet gives other devices alone, GPUs come by the variable, and who has them so holds them."""
    one = container(given("environment", "all"), **POD)
    network_card = PodDevices("p", "n", "main", "rdma/hca", ("0000:41:00.0",))
    assert {claim.device for claim in claims([one], MACHINE, [network_card]).claims if claim.kind != "rdma"} == {
        device.key for device in MACHINE.all()
    }


def test_a_pod_that_no_runtime_knows() -> None:
    """The pod itself is the holder then, and ids that are not known here are told of."""
    found = claims([], MACHINE, [PodDevices("p", "n", "main", device_ids=(B, "GPU-gone"))])
    assert [of_claim(claim).key for claim in found.claims] == ["pod:n/p"]
    assert found.unknown == ("n/p: pod_resources GPU-gone",)


def test_use_is_stronger_than_what_was_asked_for() -> None:
    """A process on a GPU proves the claim; on a GPU that its container was not given it is a conflict."""
    one = container(given("cdi", "nvidia.com/gpu=0"))
    found = claims([one], MACHINE, used={A: use(one), B: use(one), "GPU-gone": use(one)})
    assert told(found) == [
        (A, "train", "process", ""),
        (B, "train", "process", "used, but not among the devices that it was given"),
    ]


def test_use_of_a_partition_that_is_not_told() -> None:
    """A process on a divided GPU contradicts nothing where its container has a partition of it."""
    one = container(given("cdi", "nvidia.com/gpu=2:1"))
    assert (C, "train", "process", "") in told(claims([one], MACHINE, used={C: use(one)}))


def test_users_and_jobs_hold_what_they_use() -> None:
    """A process in no container is its job's, else its user's."""
    holders = {"user:ada": Holder("user:ada", user="ada"), "job:7": Holder("job:7", user="bob", slurm_job="7")}
    found = claims([], MACHINE, used={A: holders})
    assert [(claim.user, claim.slurm_job, of_claim(claim).key) for claim in found.claims] == [
        ("bob", "7", "job:7"),
        ("ada", None, "user:ada"),
    ]


def test_an_allocation_that_is_held_twice() -> None:
    """Both who was allocated a device for itself and who else holds it have the conflict; a shared device has none."""
    thief = container(node("/dev/nvidia0"), name="thief")
    owner = container(name="owner", **POD)
    alone = claims([thief, owner], MACHINE, [given_pod(A)])
    assert sorted(claim.conflict for claim in alone.claims) == ["also held by ml/train-0", "also held by thief"]
    shared = claims([thief, owner], MACHINE, [given_pod(f"{A}::0")])
    assert [claim.conflict for claim in shared.claims] == ["", ""]


@pytest.mark.parametrize(
    ("ids", "key"), [(("nvidia0/vgpu0", "nvidia0/vgpu1"), A), (("nvidia2/gi5/vgpu0", "nvidia2/gi5/vgpu1"), MIG[2])]
)
def test_shares_of_googles_plugin(ids: tuple[str, str], key: str) -> None:
    """Those whom it gave shares of one GPU or partition both hold it, without a conflict."""
    found = claims([], MACHINE, [PodDevices(name, "ml", "main", device_ids=(name,)) for name in ids])
    assert [(claim.device, claim.conflict) for claim in found.claims] == [(key, ""), (key, "")]
    assert found.unknown == ()


def test_one_claim_of_several_pods() -> None:
    """Dynamic resource allocation gives the device of a claim to all who name it: that is no conflict."""
    several = [PodDevices(name, "ml", "main", "gpu.nvidia.com", ("node-a/gpu-0",)) for name in ("one", "other")]
    found = claims([], MACHINE, several).claims
    assert {(claim.pod_name, claim.device, claim.conflict) for claim in found} == {("one", A, ""), ("other", A, "")}


def test_there_are_no_more_claims_than_may_be() -> None:
    """Beyond the limit they are counted."""
    many = [container(given("environment", "all"), name=f"c{n}") for n in range(MAX_CLAIMS // 5 + 1)]
    found = claims(many, MACHINE)
    assert (len(found.claims), found.left_out) == (MAX_CLAIMS, 5 * len(many) - MAX_CLAIMS)


def test_cdi_names_of_the_kubelet() -> None:
    """They count where no id is known; what other plugins give away is no business of ours."""
    cdi = given_pod(cdi_devices=("nvidia.com/gpu=1", "k8s.gpu.nvidia.com/claim=x"))
    found = claims([container(**POD)], MACHINE, [cdi, given_pod("odd", resource="example.com/dongle")])
    assert told(found) == [(B, "main", "pod_resources", "")]
    assert found.unknown == ("ml/train-0: pod_resources k8s.gpu.nvidia.com/claim=x",)


def test_all_by_variable_in_a_pod_without_gpus() -> None:
    """Where the kubelet tells what it gave, an image's variable gives nothing more, but to who is privileged."""
    web = {"name": "web", "pod_name": "web-0", "pod_namespace": "ml", "pod_container": "web"}
    variable = given("environment", "NVIDIA_VISIBLE_DEVICES=all")
    trains = container(variable, **POD)
    assert told(claims([trains, container(variable, **web)], MACHINE, [given_pod(A)])) == [
        (A, "main", "pod_resources", "")
    ]
    everyone = 2 * len(MACHINE.all())
    assert len(claims([trains, container(variable, **web)], MACHINE).claims) == everyone
    privileged = claims([container(variable, **web, privileged=True)], MACHINE, [given_pod(A)])
    assert {claim.container for claim in privileged.claims if claim.device == B} == {"web"}
    other = claims([container(variable, name="plain")], MACHINE, [given_pod(A)])
    assert {claim.container for claim in other.claims if claim.device == B} == {"plain"}


def test_all_by_variable_takes_no_part_from_stronger_evidence() -> None:
    """Who claims a GPU by an image's variable alone has a part only where nothing stronger names a holder."""
    web = container(given("environment", "NVIDIA_VISIBLE_DEVICES=all"), name="web")
    one = container(given("cdi", "nvidia.com/gpu=0"))
    holders = claimed(claims([web, one], MACHINE).claims, {})
    assert [holder.container for holder in holders[A]] == ["train"]
    assert [holder.container for holder in holders[B]] == ["web"]
