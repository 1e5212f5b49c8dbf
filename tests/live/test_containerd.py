"""A real containerd, with its CRI: what it tells, what happens in it, and its restart under the agent."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.containers.containerd.client import Client
from nodescope.containers.cri.client import Client as CriClient
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.runtimes import Runtimes
from nodescope.containers.watch import Watch
from nodescope.host import Host
from nodescope.records.container import Container, ContainerDevice, ContainerEvent
from tests.containers.engine.fake_engine import FakeEngine
from tests.live.containerd_daemon import Containerd, Pod
from tests.live.containerd_daemon import containerd as running_containerd
from tests.live.engine_daemon import host_root

START_SECONDS: Final = 20.0
MEMORY_BYTES: Final = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def containerd(program: Callable[..., str]) -> Iterator[Containerd]:
    """A running containerd with one image; its containers and mounts are gone afterwards."""
    with host_root() as root, running_containerd(root, program) as running:
        yield running


@pytest.fixture
def events(containerd: Containerd) -> Iterator[queue.Queue[ContainerEvent]]:
    """What a watch tells, from when it is connected."""
    told: queue.Queue[ContainerEvent] = queue.Queue()
    watch = Watch(Client(containerd.socket), told.put)
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    until = time.monotonic() + START_SECONDS
    while watch.status().state != "ok" and time.monotonic() < until:
        time.sleep(0.05)
    assert watch.status().version
    yield told
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def of(told: queue.Queue[ContainerEvent], id_: str, last: str) -> list[ContainerEvent]:
    """The events of a container up to one of kind `last`."""
    found: list[ContainerEvent] = []
    while not found or found[-1].kind != last:
        event = told.get(timeout=30)
        if event.id == id_:
            found.append(event)
    return found


def test_containers_of_two_namespaces(containerd: Containerd) -> None:
    """Containers that share a name in two namespaces are told with limits, devices, process and no secret."""
    secret = ("--env", "SECRET=hunter2", "--env", "NVIDIA_VISIBLE_DEVICES=0,1", "--label", "token=hunter2")
    containerd.run("web", "/bin/sleep", "1000", options=(*secret, "--memory-limit", str(MEMORY_BYTES)))
    containerd.ctr(
        "-n", "other", "run", "-d", "--rootfs", str(containerd.folder / "rootfs"), "web", "/bin/sleep", "1000"
    )
    client = Client(containerd.socket, left_out=frozenset({"k8s.io"}))
    found = {container.namespace: container for container in client.containers()}
    client.close()
    web = found["default"]
    assert set(found) == {"default", "other"}
    assert (web.id, web.state, web.memory_limit_bytes) == ("web", "running", MEMORY_BYTES)
    # A moment after the start it is still runc that is about to become the program.
    until = time.monotonic() + START_SECONDS
    while (command := Path(f"/proc/{web.pid}/cmdline").read_bytes()) != b"/bin/sleep\x001000\0":
        assert time.monotonic() < until, command
    request = "NVIDIA_VISIBLE_DEVICES=0,1"
    assert web.devices == (ContainerDevice(kind="gpu", evidence="environment", request=request, vendor="nvidia"),)
    assert web.cgroup is not None
    assert web.cgroup in Path(f"/proc/{web.pid}/cgroup").read_text()
    assert "hunter2" not in repr(found)


def test_a_life_is_heard(containerd: Containerd, events: queue.Queue[ContainerEvent]) -> None:
    """Created, running, paused, running, exited with its code, deleted: heard, in order; a process within is not."""
    containerd.run("short", "/bin/sleep", "1000")
    containerd.ctr("tasks", "exec", "--exec-id", "e1", "short", "/bin/true")
    containerd.ctr("tasks", "pause", "short")
    containerd.ctr("tasks", "resume", "short")
    containerd.ctr("tasks", "kill", "-s", "9", "short")
    found = of(events, "short", "exited")
    containerd.ctr("tasks", "rm", "-f", "short")
    containerd.ctr("containers", "rm", "short")
    found += of(events, "short", "deleted")
    kinds = [event.kind for event in found]
    assert kinds == ["created", "running", "paused", "running", "exited", "deleted"]
    assert found[4].exit_code == 128 + signal.SIGKILL
    assert not any(event.inferred for event in found)


def test_a_kill_for_memory(containerd: Containerd, events: queue.Queue[ContainerEvent]) -> None:
    """A container that takes more memory than it may is told as OOM-killed, and as exited."""
    eat = "tail /dev/zero"
    containerd.run("eater", "/bin/sh", "-c", eat, options=("--memory-limit", str(16 * 1024 * 1024)))
    kinds = {event.kind for event in of(events, "eater", "exited")}
    if "oom_killed" not in kinds:
        kinds |= {event.kind for event in of(events, "eater", "oom_killed")}
    assert {"created", "running", "exited", "oom_killed"} <= kinds


def test_what_ended_while_containerd_was_down(containerd: Containerd, events: queue.Queue[ContainerEvent]) -> None:
    """A container that died while its runtime was killed is told once it is back; one that lives is not told again."""
    containerd.run("stays", "/bin/sleep", "1000")
    containerd.run("dies", "/bin/sleep", "1000")
    of(events, "dies", "running")
    client = Client(containerd.socket)
    pid = next(container.pid for container in client.containers() if container.id == "dies")
    client.close()
    assert pid is not None
    containerd.kill()
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    containerd.start()
    (exited,) = of(events, "dies", "exited")
    assert exited.runtime == "containerd"
    time.sleep(1.5)
    left = [events.get() for _ in range(events.qsize())]
    assert [event.kind for event in left if event.id in ("stays", "dies")] == []


def test_a_containerd_that_hangs(containerd: Containerd) -> None:
    """A runtime that is stopped costs a call its deadline, and answers again once it goes on."""
    client = Client(containerd.socket)
    before = {container.id for container in client.containers()}
    assert containerd.process is not None
    containerd.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable, match="in time"):
            client.containers()
    finally:
        containerd.process.send_signal(signal.SIGCONT)
    assert {container.id for container in client.containers()} == before
    client.close()


def test_dockers_own_namespace(containerd: Containerd) -> None:
    """What is in Docker's namespace is told where Docker cannot be asked, and left to Docker where it can."""
    containerd.ctr(
        "-n", "moby", "run", "-d", "--rootfs", str(containerd.folder / "rootfs"), "web", "/bin/sleep", "1000"
    )
    root = containerd.folder.parent
    assert "web" in {one.id for one in followed(root) if one.namespace == "moby"}
    with FakeEngine(root / "run/docker.sock"):
        assert "moby" not in {one.namespace for one in followed(root)}
    containerd.remove("moby")


def followed(root: Path) -> tuple[Container, ...]:
    """What the runtimes of a host tell, once all of them have answered."""
    runtimes = Runtimes(Host(rootfs=str(root)), (), lambda event: None)
    until = time.monotonic() + START_SECONDS
    try:
        runtimes.look()
        while {status.state for status in runtimes.statuses()} != {"ok"}:
            assert time.monotonic() < until, runtimes.statuses()
            time.sleep(0.05)
        return runtimes.containers()
    finally:
        runtimes.close()


def test_a_pod_by_cri(containerd: Containerd, events: queue.Queue[ContainerEvent]) -> None:
    """A pod's container is told by the CRI and by containerd alike, its sandbox by neither; no events is no harm."""
    pod = Pod(containerd.socket)
    id_ = pod.start("main", 2, "/bin/sleep", "1000")
    client = CriClient(containerd.socket)
    (found,) = [container for container in client.containers() if container.id == id_]
    with contextlib.closing(Client(containerd.socket)) as beside:
        (same,) = [container for container in beside.containers() if container.namespace == "k8s.io"]
        pod.stop(id_)
        (gone,) = [container for container in beside.containers() if container.namespace == "k8s.io"]
    (ended,) = [container for container in client.containers() if container.id == id_]
    pod.end()
    client.close()
    assert (found.runtime, found.name, found.restarts, found.state) == ("cri-containerd", "main", 2, "running")
    assert (found.pod_name, found.pod_namespace, found.pod_uid) == ("train-0", "ml", "uid-1")
    assert (same.id, same.pid, same.cgroup, same.runtime) == (id_, found.pid, found.cgroup, "cri-containerd")
    assert Path(f"/proc/{found.pid}").exists() is False
    for each in (ended, gone):
        assert (each.state, each.exit_code, each.pid, each.restarts) == ("exited", 137, None, 2)
    assert (same.restarts, same.started_seconds) == (2, found.started_seconds)
    told = [event.kind for event in of(events, id_, "deleted")]
    assert told == ["created", "running", "exited", "deleted"]
    left = [events.get() for _ in range(events.qsize())]
    assert pod.sandbox not in [event.id for event in left]
