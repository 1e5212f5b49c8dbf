"""The CRI, of a server on a real socket that speaks as CRI-O does; and the watch that follows it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.cri import parts
from nodescope.containers.cri.client import Client
from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number
from nodescope.containers.kept import KeptRuntime
from nodescope.containers.lifecycle import Heard
from nodescope.containers.watch import Watch
from nodescope.kernel.file import Malformed
from nodescope.records.container import ContainerDevice, ContainerEvent
from tests.containers.grpc_fake import serving

SERVICE: Final = "/runtime.v1.RuntimeService/"
NS: Final = 1_000_000_000
DIGEST: Final = "registry/x@sha256:beef"
INFO: Final = {
    "sandboxID": "pod1",
    "pid": 4242,
    "privileged": False,
    "runtimeSpec": {
        "process": {"env": ["SECRET=hunter2", "NVIDIA_VISIBLE_DEVICES=void"], "args": ["hunter2"]},
        "linux": {"devices": [{"path": "/dev/nvidia1"}], "cgroupsPath": "kubepods-podx.slice:crio:a"},
    },
    "config": {"CDI_devices": [{"name": "nvidia.com/gpu=1"}]},
}


def listed(id_: str = "a", state: int = parts.RUNNING) -> bytes:
    metadata = encode_bytes(1, "main") + encode_number(2, 3)
    label = encode_bytes(1, "token") + encode_bytes(2, "hunter2")
    return (
        encode_bytes(1, id_)
        + encode_bytes(2, "pod1")
        + encode_bytes(3, metadata)
        + encode_bytes(4, encode_bytes(1, "registry/x:1"))
        + encode_number(6, state)
        + encode_number(7, 1000 * NS)
        + encode_bytes(8, label)
    )


def status(id_: str = "a", *, reason: str = "", code: int = 0, finished: int = 0) -> bytes:
    data = encode_bytes(1, id_) + encode_bytes(2, encode_bytes(1, "main")) + encode_number(5, 1001 * NS)
    data += encode_number(6, finished * NS) + encode_number(7, code) + encode_bytes(9, DIGEST)
    return data + encode_bytes(10, reason)


class Runtime:
    """What CRI-O would answer."""

    def __init__(self) -> None:
        self.items = [listed()]
        self.status = status()
        self.asked: list[bytes] = []
        self.events: queue.Queue[bytes] = queue.Queue()
        self.info = json.dumps(INFO)
        self.over = threading.Event()

    def unary(self) -> dict[str, Any]:
        version = encode_bytes(2, "cri-o") + encode_bytes(3, "1.31.0") + encode_bytes(4, "v1")
        pod = encode_bytes(1, "train-0") + encode_bytes(2, "uid-1") + encode_bytes(3, "ml")
        pods = encode_bytes(1, encode_bytes(1, "pod1") + encode_bytes(2, pod))
        return {
            SERVICE + "Version": lambda *_: version,
            SERVICE + "ListPodSandbox": lambda *_: pods,
            SERVICE + "ListContainers": lambda *_: b"".join(encode_bytes(1, item) for item in self.items),
            SERVICE + "ContainerStatus": self._status,
        }

    def streaming(self) -> dict[str, Any]:
        return {SERVICE + "GetContainerEvents": self._stream}

    def _status(self, request: bytes, _context: Any) -> bytes:
        self.asked.append(request)
        entry = encode_bytes(1, "info") + encode_bytes(2, self.info)
        return encode_bytes(1, self.status) + encode_bytes(2, entry)

    def _stream(self, _request: bytes, _context: Any) -> Iterator[bytes]:
        while not self.over.is_set():
            with contextlib.suppress(queue.Empty):
                yield self.events.get(timeout=0.05)


def told(event_type: int, container_status: bytes, id_: str = "a") -> bytes:
    sandbox = encode_bytes(4, encode_bytes(1, "pod1"))
    head = encode_bytes(1, id_) + encode_number(2, event_type) + encode_number(3, 1002 * NS)
    return head + sandbox + encode_bytes(5, status("other")) + encode_bytes(5, container_status)


def test_a_container_of_a_pod(tmp_path: Path) -> None:
    """List, sandbox, status and verbose info make one container; the status is asked for once in a state."""
    runtime = Runtime()
    with serving(tmp_path / "s", runtime.unary()):
        client = Client(str(tmp_path / "s"))
        (found,) = client.containers()
        assert client.containers() == (found,)
        runtime.items = [listed(state=parts.EXITED)]
        runtime.status = status(reason="OOMKilled", code=137, finished=1009)
        (ended,) = client.containers()
        client.close()
    assert runtime.asked == [encode_bytes(1, "a") + encode_number(2, 1)] * 2
    assert (found.runtime, found.name, found.state, found.pid) == ("cri-o", "main", "running", 4242)
    assert (found.pod_name, found.pod_namespace, found.pod_uid) == ("train-0", "ml", "uid-1")
    assert (found.image, found.image_digest, found.restarts) == ("registry/x:1", "sha256:beef", 3)
    assert (found.created_seconds, found.started_seconds, found.finished_seconds) == (1000, 1001, None)
    assert found.cgroup == "/kubepods.slice/kubepods-podx.slice/crio-a.scope"
    assert found.devices == (
        ContainerDevice(kind="gpu", evidence="device", path="/dev/nvidia1", vendor="nvidia"),
        ContainerDevice(kind="gpu", evidence="cdi", request="nvidia.com/gpu=1", vendor="nvidia"),
    )
    assert "hunter2" not in repr(found)
    assert (ended.state, ended.exit_code, ended.oom_killed, ended.pid) == ("exited", 137, True, None)
    assert ended.finished_seconds == 1009


def test_a_status_that_is_not_there(tmp_path: Path) -> None:
    """A container that went between list and status, or whose info is broken, is told by its list; others are whole."""
    runtime = Runtime()
    runtime.info = "{"
    methods = runtime.unary()
    with serving(tmp_path / "s", methods):
        client = Client(str(tmp_path / "s"))
        (found,) = client.containers()
        client.close()
    assert (found.state, found.pid, found.image_digest) == ("running", None, "sha256:beef")
    del methods[SERVICE + "ContainerStatus"]
    with serving(tmp_path / "s", methods):
        client = Client(str(tmp_path / "s"))
        (found,) = client.containers()
        client.close()
    assert (found.state, found.pid, found.started_seconds) == ("running", None, None)


def test_events_as_they_come() -> None:
    """An exit for memory is two events; a sandbox's own are none."""
    ended = status(reason="OOMKilled", code=137, finished=1005)
    oom, exited = parts.heard(told(2, ended), "x", 0.0)
    assert (oom.kind, exited) == ("oom_killed", Heard("a", "exited", 1005.0, name="main", exit_code=137))
    assert parts.heard(told(0, status()), "x", 0.0) == (Heard("a", "created", 1002.0, name="main"),)
    assert parts.heard(told(3, b""), "x", 0.0) == (Heard("a", "deleted", 1002.0),)
    assert parts.heard(told(1, b"", id_="pod1"), "x", 0.0) == ()
    assert parts.heard(told(9, b""), "x", 0.0) == ()


@contextlib.contextmanager
def watching(path: Path) -> Iterator[tuple[Watch, queue.Queue[ContainerEvent]]]:
    events: queue.Queue[ContainerEvent] = queue.Queue()
    watch = Watch(Client(str(path)), events.put, KeptRuntime("cri-o", 0.0))
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        yield watch, events
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def take(events: queue.Queue[ContainerEvent], count: int) -> list[tuple[str, bool]]:
    found = [events.get(timeout=20) for _ in range(count)]
    return [(event.kind, event.inferred) for event in found]


def test_the_watch_hears_and_reconciles(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was there is inferred, what happens is heard, what a restart hid is inferred again, once each."""
    runtime = Runtime()
    caplog.set_level(logging.INFO)
    with watching(tmp_path / "s") as (watch, events):
        with serving(tmp_path / "s", runtime.unary(), runtime.streaming()):
            assert take(events, 2) == [("created", True), ("running", True)]
            runtime.events.put(told(1, status()))
            runtime.events.put(told(0, status("b"), id_="b"))
            runtime.events.put(told(1, status("b"), id_="b"))
            assert take(events, 2) == [("created", False), ("running", False)]
            runtime.over.set()
        runtime.items = [listed("b", parts.EXITED)]
        runtime.status = status("b", reason="OOMKilled", code=137, finished=1009)
        runtime.over.clear()
        with serving(tmp_path / "s", runtime.unary(), runtime.streaming()):
            assert take(events, 4) == [("oom_killed", True), ("exited", True), ("exited", True), ("deleted", True)]
            fares = watch.status()
            runtime.over.set()
    assert events.empty()
    assert (fares.runtime, fares.state, fares.version, fares.reconnects) == ("cri-o", "ok", "1.31.0", 1)
    assert (fares.events, fares.events_inferred, fares.containers) == (2, 6, 1)


def test_the_watch_without_events(tmp_path: Path) -> None:
    """A runtime that has no stream of events is asked for its list instead."""
    runtime = Runtime()
    with serving(tmp_path / "s", runtime.unary()), watching(tmp_path / "s") as (watch, events):
        assert take(events, 2) == [("created", True), ("running", True)]
        runtime.items = []
        assert take(events, 2) == [("exited", True), ("deleted", True)]
        assert watch.status().state == "ok"


def test_the_watch_of_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No socket is absence, without a word; one that speaks something else is said once."""
    with watching(tmp_path / "none") as (watch, _events):
        threading.Event().wait(0.2)
        assert watch.status().state == "absent"
    assert caplog.records == []
    with serving(tmp_path / "s", {}), watching(tmp_path / "s") as (watch, _events):
        for _ in range(60):
            if watch.status().state == "failed":
                break
            threading.Event().wait(0.1)
        threading.Event().wait(1.5)
        assert "UNIMPLEMENTED" in watch.status().reason
    assert len(caplog.records) == 1


def test_the_watch_that_may_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that may not be opened is said once, with what to do, however often it is tried."""
    user = os.geteuid()
    with serving(tmp_path / "s", {}):
        os.chmod(tmp_path / "s", 0)
        if user == 0:
            os.seteuid(65534)
        try:
            with watching(tmp_path / "s") as (watch, _events):
                threading.Event().wait(2.5)
                assert watch.status().state == "denied"
        finally:
            os.seteuid(user)
    (record,) = caplog.records
    assert "run nodescope as root" in record.getMessage()


@given(st.binary(max_size=120), st.text(max_size=60))
def test_any_bytes(data: bytes, info: str) -> None:
    """Whatever comes, parts or `Malformed`."""
    with contextlib.suppress(Malformed):
        parts.heard(data, "x", 0.0)
    with contextlib.suppress(Malformed):
        parts.inside({"info": info}, "x")
    with contextlib.suppress(Malformed):
        message = Message(data, "x")
        parts.container(message, message, parts.Inside(), None, "cri-o", lambda _: True)
