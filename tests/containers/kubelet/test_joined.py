"""Containers with the pods that the kubelet tells of."""

from __future__ import annotations

from typing import Any, Final

from nodescope.containers.cgroup.untold import UNNAMED
from nodescope.containers.kubelet.joined import with_pods
from nodescope.containers.kubelet.pods import decoded, index
from nodescope.records.container import Container
from tests.containers.kubelet.fake_kubelet import container, pod, pod_list

UID: Final = "0b6f3d3a-1111-2222-3333-444455556666"
ID: Final = f"{UID}-main"
INDEX: Final = index(decoded(pod_list(pod("train-0", [container("main")], uid=UID))).pods)


def named(**fields: Any) -> Container:
    (found,) = with_pods([Container(**{"runtime": "docker", "id": ID, "name": "k8s_main", **fields})], INDEX)
    return found


def test_by_the_containers_id() -> None:
    """A container of a pod whose runtime said nothing of it has the pod's name, namespace, uid, and its name there."""
    found = named()
    assert (found.pod_name, found.pod_namespace, found.pod_uid) == ("train-0", "jobs", UID)
    assert (found.pod_container, found.name) == ("main", "k8s_main")


def test_what_the_runtime_said_stays() -> None:
    """Nothing that the runtime told is put in question."""
    found = named(pod_name="a", pod_namespace="b", pod_uid="c", pod_container="d")
    assert (found.pod_name, found.pod_namespace, found.pod_uid, found.pod_container) == ("a", "b", "c", "d")


def test_one_that_its_cgroup_told_of() -> None:
    """One that was named by its id has the name that it has in the pod, and the runtime that the kubelet speaks to."""
    found = named(name=ID[:12], runtime=UNNAMED)
    assert (found.name, found.runtime) == ("main", "containerd")
    assert named(name=ID[:12], runtime="cri-containerd").runtime == "cri-containerd"


def test_by_the_pods_uid() -> None:
    """One that the kubelet does not know, such as a sandbox, has the pod that its cgroup names, in either spelling."""
    for uid in (UID, UID.replace("-", "_")):
        found = named(id="sandbox", pod_uid=uid)
        assert (found.pod_name, found.pod_namespace, found.pod_container) == ("train-0", "jobs", None)


def test_others_are_as_they_were() -> None:
    """A container that is no pod's is the same."""
    one = Container(runtime="docker", id="web", name="web", pod_uid="unknown")
    assert next(with_pods([one], INDEX)) is one
