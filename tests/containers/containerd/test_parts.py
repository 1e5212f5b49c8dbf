"""Messages of containerd."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nodescope.containers.containerd import parts
from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number
from nodescope.containers.lifecycle import Heard
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container, ContainerDevice

NOW = 1_700_000_000


def stamp(seconds: int) -> bytes:
    return encode_number(1, seconds)


def pairs(number: int, values: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(encode_bytes(number, encode_bytes(1, key) + encode_bytes(2, value)) for key, value in values)


def event(topic: str, body: bytes) -> tuple[Heard, ...]:
    any_ = encode_bytes(1, "containerd.events.X") + encode_bytes(2, body)
    data = encode_bytes(1, stamp(NOW)) + encode_bytes(2, "k8s.io") + encode_bytes(3, topic) + encode_bytes(4, any_)
    envelope = parts.envelope(data, "x", 0.0)
    assert envelope.namespace == "k8s.io"
    return envelope.heard


def test_a_pod_container() -> None:
    """A container of a pod has its pod, image, digest, limits, devices and its allowed labels alone."""
    labels = {
        "io.cri-containerd.kind": "container",
        "io.kubernetes.pod.name": "train-0",
        "io.kubernetes.pod.namespace": "ml",
        "io.kubernetes.pod.uid": "1-2",
        "io.kubernetes.container.name": "main",
        "team": "vision",
        "token": "hunter2",
    }
    text = json.dumps({"process": {"env": ["NVIDIA_VISIBLE_DEVICES=all", "KEY=hunter2"]}})
    data = (
        encode_bytes(1, "ab" * 32)
        + pairs(2, labels.items())
        + encode_bytes(3, "docker.io/x/y:1@sha256:beef")
        + encode_bytes(5, encode_bytes(1, "types.containerd.io/opencontainers/Spec") + encode_bytes(2, text))
        + encode_bytes(8, stamp(NOW))
    )
    task = parts.Task("ab" * 32, 77, "running", None, None, False)
    found = parts.container(Message(data, "x"), "k8s.io", task, lambda name: name == "team", "x")
    assert found is not None
    assert (found.runtime, found.name, found.pid, found.state) == ("cri-containerd", "main", 77, "running")
    assert (found.pod_name, found.pod_namespace, found.pod_uid) == ("train-0", "ml", "1-2")
    assert (found.image, found.image_digest, found.created_seconds) == ("docker.io/x/y:1", "sha256:beef", NOW)
    assert found.labels == {"team": "vision"}
    assert found.devices == (
        ContainerDevice(kind="gpu", evidence="environment", request="NVIDIA_VISIBLE_DEVICES=all", vendor="nvidia"),
    )
    assert "hunter2" not in repr(found)


def test_a_specification_that_cannot_be_read() -> None:
    """It costs what it would have told; a sandbox is no container."""
    broken = encode_bytes(1, "a") + encode_bytes(5, encode_bytes(2, "{"))
    found = parts.container(Message(broken, "x"), "default", None, lambda _: True, "x")
    assert found is not None
    assert (found.state, found.devices, found.pid) == ("created", (), None)
    sandbox = encode_bytes(1, "a") + pairs(2, [("io.cri-containerd.kind", "sandbox")])
    assert parts.container(Message(sandbox, "x"), "k8s.io", None, lambda _: True, "x") is None


def test_tasks() -> None:
    """A stopped task has its code, its time, and whether memory killed it; a running one its process."""
    running = encode_bytes(1, "a") + encode_number(3, 5) + encode_number(4, 2)
    assert parts.task(Message(running, "x")) == parts.Task("a", 5, "running", None, None, False)
    ended = encode_bytes(2, "a") + encode_number(3, 5) + encode_number(4, 3) + encode_number(9, 137)
    ended += encode_bytes(10, stamp(NOW)) + encode_number(11, 1)
    assert parts.task(Message(ended, "x")) == parts.Task("a", None, "exited", 137, NOW, True)


def test_events() -> None:
    """Each topic that tells of a container is heard; exits of processes started within one are not."""
    id_ = encode_bytes(1, "a")
    assert event("/containers/create", id_) == (Heard("a", "created", NOW),)
    assert event("/tasks/start", id_ + encode_number(2, 9)) == (Heard("a", "running", NOW, pid=9),)
    ended = id_ + encode_bytes(2, "a") + encode_number(3, 9) + encode_number(4, 3) + encode_bytes(5, stamp(NOW + 1))
    exited = Heard("a", "exited", NOW + 1, pid=9, exit_code=3)
    assert event("/tasks/exit", ended) == (exited,)
    assert event("/tasks/exit", ended + encode_number(6, 1)) == (Heard("a", "oom_killed", NOW + 1), exited)
    assert event("/tasks/exit", id_ + encode_bytes(2, "exec-1") + encode_number(3, 10)) == ()
    assert event("/tasks/oom", id_) == (Heard("a", "oom_killed", NOW),)
    assert event("/tasks/exec-started", id_) == ()
    assert event("/images/create", id_) == ()
    assert event("/containers/delete", b"") == ()


@given(st.binary(max_size=120), st.sampled_from(["/tasks/exit", "/tasks/start", "/containers/create"]))
def test_any_bytes(data: bytes, topic: str) -> None:
    """Whatever comes, parts or `Malformed`."""
    with contextlib.suppress(Malformed):
        parts.envelope(data, "x", 0.0)
    with contextlib.suppress(Malformed):
        event(topic, data)
    with contextlib.suppress(Malformed):
        parts.task(Message(data, "x"))
    with contextlib.suppress(Malformed):
        parts.container(Message(data, "x"), "n", None, lambda _: True, "x")


def test_what_the_cri_tells_besides() -> None:
    """Of a container the CRI adds restarts, times and its end; what has no task and runs by it has ended just now."""
    mine = Container(
        runtime="cri-containerd", id="a", name="a", namespace="k8s.io", state="running", pid=7, cgroup="/x"
    )
    its = Container(
        runtime="cri-containerd",
        id="a",
        name="main",
        state="running",
        restarts=2,
        started_seconds=5.0,
        pod_name="train",
    )
    found = parts.with_cri(mine, its)
    assert (found.name, found.state, found.pid, found.cgroup) == ("main", "running", 7, "/x")
    assert (found.restarts, found.started_seconds, found.pod_name) == (2, 5.0, "train")
    gone = structs.replace(mine, state="created", pid=None)
    assert parts.with_cri(gone, its).state == "created"
    ended = structs.replace(its, state="exited", exit_code=137, finished_seconds=9.0)
    found = parts.with_cri(gone, ended)
    assert (found.state, found.exit_code, found.finished_seconds) == ("exited", 137, 9.0)
    assert parts.with_cri(mine, None) is mine
