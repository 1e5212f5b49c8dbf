"""Local storage out of a stats Summary."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.kubelet.summary import decoded
from nodescope.kernel.file import Malformed
from nodescope.records.kubelet import NodeEphemeralStorage, PodEphemeralStorage
from tests.containers.kubelet.fake_kubelet import pod_storage, summary

FS = {"usedBytes": 25, "availableBytes": 60, "capacityBytes": 100, "inodes": 7}


def test_node_and_pods() -> None:
    """The node's filesystem and each pod's use are read, under the name that the kubelet gives the node."""
    node, pods, left_out = decoded(summary(pod_storage("a", 5), pod_storage("b", 0), fs=FS), None, "here")
    assert node == NodeEphemeralStorage(node="node-1", used_bytes=25, available_bytes=60, capacity_bytes=100)
    assert (node.used_percent, node.used_ratio) == (25.0, 0.25)
    assert pods == (
        PodEphemeralStorage(namespace="jobs", pod="a", node="node-1", used_bytes=5),
        PodEphemeralStorage(namespace="jobs", pod="b", node="node-1", used_bytes=0),
    )
    assert left_out == 0


def test_absent_numbers() -> None:
    """What the kubelet does not tell is unknown and not 0, and there is no percent of it."""
    node, pods, left_out = decoded(summary(pod_storage("a"), fs={"usedBytes": 3}), "given", "here")
    assert node == NodeEphemeralStorage(node="given", used_bytes=3)
    assert (node.used_percent, pods, left_out) == (None, (), 0)
    assert NodeEphemeralStorage(node="n", used_bytes=0, capacity_bytes=0).used_percent is None
    assert NodeEphemeralStorage(node="n", used_bytes=7, capacity_bytes=100).used_percent == 7
    assert decoded(b"{}", None, "here") == (None, (), 0)
    assert decoded(b'{"node":null,"pods":null}', None, "here") == (None, (), 0)


def test_one_broken_part_among_healthy_ones() -> None:
    """A pod or a filesystem with a number that is none costs only itself, and is counted."""
    broken = [pod_storage("b", -1), pod_storage("c", "many"), pod_storage("d", 2**70), {"podRef": {}}]
    node, pods, left_out = decoded(summary(pod_storage("a", 5), *broken, fs={"usedBytes": -1}), None, "here")
    assert (node, [pod.pod for pod in pods], left_out) == (None, ["a"], 5)
    assert decoded(b'{"node":7}', None, "here").left_out == 1


def test_a_pod_twice() -> None:
    """A pod that is told of twice has one series."""
    _, pods, left_out = decoded(summary(pod_storage("a", 5), pod_storage("a", 6)), None, "here")
    assert ([pod.used_bytes for pod in pods], left_out) == ([5], 1)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"pods":{}}', b'{"node":', b"\xff"])
def test_what_is_no_summary(body: bytes) -> None:
    """What is no Summary is malformed."""
    with pytest.raises(Malformed, match="/stats/summary"):
        decoded(body, None, "here")


FILESYSTEMS = st.dictionaries(
    st.sampled_from(list(FS)), st.none() | st.integers() | st.floats() | st.text(max_size=3), max_size=3
).map(lambda fs: json.dumps({"node": {"fs": fs}}).encode())


@given(st.binary(max_size=100) | FILESYSTEMS)
def test_any_bytes(body: bytes) -> None:
    """Any bytes are a summary whose numbers are no less than 0, or malformed."""
    try:
        node, _, _ = decoded(body, None, "here")
    except Malformed:
        return
    if node is not None:
        told = (node.used_bytes, node.available_bytes, node.capacity_bytes)
        assert all(number is None or number >= 0 for number in told)
