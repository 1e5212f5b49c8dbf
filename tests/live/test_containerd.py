"""A real containerd, with its CRI: what it tells, what happens in it, and its restart under the agent."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.containers.containerd.client import Client
from nodescope.containers.cri.client import Client as CriClient
from nodescope.containers.grpc.channel import Channel
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number
from nodescope.containers.watch import Watch
from nodescope.records.container import ContainerDevice, ContainerEvent

START_SECONDS: Final = 20.0
CRI: Final = "/runtime.v1.RuntimeService/"
IMAGE: Final = "docker.io/local/busybox:1"
MEMORY_BYTES: Final = 64 * 1024 * 1024

CONFIG: Final = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/s"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/busybox:1"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{folder}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""


class Containerd:
    """A containerd of the test's own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "s")
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "config.toml").write_text(CONFIG.format(folder=folder))

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = ["containerd", "-c", str(self.folder / "config.toml")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + START_SECONDS
        while subprocess.run(["ctr", "-a", self.socket, "version"], capture_output=True).returncode:
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """At once; its containers go on, as they do under systemd."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """Removes its containers, which would outlive it, and ends it."""
        if self.process is None:
            return
        try:
            if self.process.poll() is not None:
                self.start()
            for namespace in self.ctr("namespaces", "ls", "-q").split():
                self.remove(namespace)
        finally:
            self.process.terminate()
            self.process.wait(20)

    def ctr(self, *arguments: str) -> str:
        command = ["ctr", "-a", self.socket, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def run(self, name: str, *command: str, options: tuple[str, ...] = ()) -> None:
        self.ctr("run", "-d", "--rootfs", *options, str(self.folder / "rootfs"), name, *command)

    def remove(self, namespace: str) -> None:
        tasks = self.ctr("-n", namespace, "tasks", "ls", "-q").split()
        for task in tasks:
            with contextlib.suppress(AssertionError):
                self.ctr("-n", namespace, "tasks", "rm", "-f", task)
        for container in self.ctr("-n", namespace, "containers", "ls", "-q").split():
            with contextlib.suppress(AssertionError):
                self.ctr("-n", namespace, "containers", "rm", container)


def make_rootfs(folder: Path, busybox: str) -> None:
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    for name in ("sh", "sleep", "true", "head", "tail"):
        (folder / "bin" / name).symlink_to("busybox")


def image_archive(rootfs: Path, path: Path) -> None:
    """An archive as `docker save` makes it, of one layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(rootfs, arcname=".")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "100000"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer.getvalue(), "config.json": json.dumps(config).encode()}
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture(scope="module")
def containerd(program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """A running containerd with one image; its containers and mounts are gone afterwards."""
    for name in ("containerd", "ctr", "runc"):
        program(name)
    busybox = program("busybox", "busybox-static")
    if os.geteuid() != 0:
        pytest.skip("containerd needs root here")
    folder = tmp_path_factory.mktemp("containerd")
    make_rootfs(folder / "rootfs", busybox)
    image_archive(folder / "rootfs", folder / "image.tar")
    running = Containerd(folder)
    try:
        running.start()
        running.ctr("-n", "k8s.io", "images", "import", str(folder / "image.tar"))
        yield running
    finally:
        running.end()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
            subprocess.run(["umount", "-l", mount], check=False)


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
    assert web.devices == tuple(
        ContainerDevice(kind="gpu", evidence="environment", request=request, vendor="nvidia") for request in "01"
    )
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


def test_a_pod_by_cri(containerd: Containerd, events: queue.Queue[ContainerEvent]) -> None:
    """A pod's container is told by the CRI and by containerd alike, its sandbox by neither; no events is no harm."""
    channel = Channel(containerd.socket)
    metadata = encode_bytes(1, "train-0") + encode_bytes(2, "uid-1") + encode_bytes(3, "ml")
    host_network = encode_bytes(8, encode_bytes(2, encode_bytes(1, encode_number(1, 2))))
    pod = encode_bytes(1, metadata) + host_network
    sandbox = Message(channel.unary(CRI + "RunPodSandbox", encode_bytes(1, pod), timeout_s=30), "x").text(1)
    config = encode_bytes(1, encode_bytes(1, "main") + encode_number(2, 2)) + encode_bytes(2, encode_bytes(1, IMAGE))
    config += encode_bytes(3, "/bin/sleep") + encode_bytes(4, "1000")
    asked = encode_bytes(1, sandbox) + encode_bytes(2, config) + encode_bytes(3, pod)
    id_ = Message(channel.unary(CRI + "CreateContainer", asked, timeout_s=30), "x").text(1)
    channel.unary(CRI + "StartContainer", encode_bytes(1, id_), timeout_s=30)
    client = CriClient(containerd.socket)
    (found,) = [container for container in client.containers() if container.id == id_]
    with contextlib.closing(Client(containerd.socket)) as beside:
        (same,) = [container for container in beside.containers() if container.namespace == "k8s.io"]
    channel.unary(CRI + "StopContainer", encode_bytes(1, id_), timeout_s=30)
    (ended,) = [container for container in client.containers() if container.id == id_]
    channel.unary(CRI + "RemovePodSandbox", encode_bytes(1, sandbox), timeout_s=30)
    channel.close()
    client.close()
    assert (found.runtime, found.name, found.restarts, found.state) == ("cri-containerd", "main", 2, "running")
    assert (found.pod_name, found.pod_namespace, found.pod_uid) == ("train-0", "ml", "uid-1")
    assert (same.id, same.pid, same.cgroup, same.runtime) == (id_, found.pid, found.cgroup, "cri-containerd")
    assert Path(f"/proc/{found.pid}").exists() is False
    assert (ended.state, ended.exit_code, ended.pid) == ("exited", 137, None)
    told = [event.kind for event in of(events, id_, "deleted")]
    assert told == ["created", "running", "exited", "deleted"]
    left = [events.get() for _ in range(events.qsize())]
    assert sandbox not in [event.id for event in left]
