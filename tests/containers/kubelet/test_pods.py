"""Pods out of a PodList, and the index from containers to pods."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.kubelet.pods import MAX_CONTAINERS, MAX_PODS, decoded, index
from nodescope.kernel.file import Malformed
from nodescope.records.kubelet import Pod, PodContainer
from tests.containers.kubelet.fake_kubelet import container, pod, pod_list


def test_a_pod_and_its_containers() -> None:
    """Init containers, sidecars and containers have their kinds, ids and GPUs, and the pod what is held for it."""
    init = [container("setup", {"nvidia.com/gpu": "2"}), container("proxy", restartPolicy="Always")]
    told = pod("train-0", [container("main", {"nvidia.com/gpu": "1", "cpu": "4"})], init=init, uid="u-1")
    ((found,), left_out) = decoded(pod_list(told))
    assert left_out == 0
    assert found == Pod(
        uid="u-1",
        name="train-0",
        namespace="jobs",
        phase="Running",
        node="node-1",
        containers=(
            PodContainer(
                name="setup",
                kind="init",
                id="u-1-setup",
                runtime="containerd",
                gpu_requests={"nvidia.com/gpu": 2},
                gpu_limits={"nvidia.com/gpu": 2},
            ),
            PodContainer(name="proxy", kind="sidecar", id="u-1-proxy", runtime="containerd"),
            PodContainer(
                name="main",
                id="u-1-main",
                runtime="containerd",
                gpu_requests={"nvidia.com/gpu": 1},
                gpu_limits={"nvidia.com/gpu": 1},
            ),
        ),
        gpu_requests={"nvidia.com/gpu": 2},
        gpu_limits={"nvidia.com/gpu": 2},
    )


def test_secrets_are_not_kept() -> None:
    """No value of an environment, command, label or annotation is in what is kept."""
    pods, _ = decoded(pod_list(pod("a", [container("main", {"amd.com/gpu": "1"})])))
    assert b"SECRET" not in msgspec.json.encode(pods)


def test_limits_alone_are_requests() -> None:
    """An extended resource that is limited and not requested is requested as limited."""
    ((found,), _) = decoded(pod_list(pod("a", [container("main", None, limits={"amd.com/gpu": "4"})])))
    assert (found.gpu_requests, found.gpu_limits) == ({"amd.com/gpu": 4}, {"amd.com/gpu": 4})


def test_one_broken_pod_among_healthy_ones() -> None:
    """A pod that is not as documented costs only itself, and is counted; null stands for an empty list."""
    broken: list[dict[str, Any]] = [pod("b"), pod("c"), pod("d"), pod("f", [container("x")] * (MAX_CONTAINERS + 1))]
    broken[0]["metadata"]["name"] = 7
    broken[1]["spec"] = None
    broken[2]["metadata"]["namespace"] = "n" * 300
    bare = {"metadata": {"name": "e", "namespace": "jobs", "uid": "u-e"}, "spec": {"containers": None}}
    pods, left_out = decoded(pod_list(pod("a"), *broken, bare))
    assert ([found.name for found in pods], left_out) == (["a", "e"], 4)
    assert pods[1].phase == "Unknown"
    assert decoded(b'{"items":null}') == ((), 0)


def test_the_same_pod_twice() -> None:
    """A pod that is listed twice counts once, and a mirror of a static pod does not count beside it."""
    static = pod("kube-proxy-node-1", [container("main", {"amd.com/gpu": "1"})], uid="0" * 32)
    mirror = pod("kube-proxy-node-1", [container("main", {"amd.com/gpu": "1"})], uid="u-mirror")
    mirror["metadata"]["ownerReferences"] = [{"kind": "Node", "name": "node-1"}]
    pods, left_out = decoded(pod_list(static, mirror, static))
    assert ([found.uid for found in pods], left_out) == (["0" * 32], 1)
    assert [found.uid for found in decoded(pod_list(mirror)).pods] == ["u-mirror"]


def test_more_pods_than_a_node_has() -> None:
    """Pods beyond the limit are left out and counted."""
    pods, left_out = decoded(json.dumps({"items": [{}] * (MAX_PODS + 5)}).encode())
    assert (pods, left_out) == ((), MAX_PODS + 5)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"items":7}', b'{"items":[{', b"<html>environment-SECRET", b"[" * 9999]
)
def test_what_is_no_list(body: bytes) -> None:
    """What is no PodList is malformed, and is not shown."""
    with pytest.raises(Malformed, match="/pods") as failure:
        decoded(body)
    assert "SECRET" not in str(failure.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "name", "namespace", "uid", "spec", "containers", "resources", "limits", "status"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.binary(max_size=200) | st.builds(lambda items: json.dumps({"items": items}).encode(), st.lists(JSON, max_size=3))
)
def test_any_bytes(body: bytes) -> None:
    """Any bytes are a list of pods with names, or malformed."""
    try:
        pods, left_out = decoded(body)
    except Malformed:
        return
    assert left_out >= 0
    assert all(found.name and found.uid for found in pods)


def test_the_index() -> None:
    """A container's id leads to its pod and its name, a uid of systemd's cgroups to its pod, another id to nothing."""
    first = pod("a", [container("main")], uid="11-22")
    second = pod("b", [container("main")], init=[container("setup")], uid="33-44")
    waiting = pod("c", [container("main")])
    waiting["status"] = {"phase": "Pending", "containerStatuses": [{"name": "main", "containerID": ""}]}
    found = index(decoded(pod_list(first, second, waiting)).pods)
    assert set(found.by_container) == {"11-22-main", "33-44-main", "33-44-setup"}
    owner = found.owner("33-44-setup")
    assert owner is not None
    assert (owner.pod.name, owner.container.name, owner.container.kind) == ("b", "setup", "init")
    held = found.pod("11_22")
    assert held is not None
    assert held.name == "a"
    assert (found.owner("nobody"), found.pod("nobody")) == (None, None)
