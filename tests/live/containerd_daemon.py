"""containerd, with its CRI, as a daemon of a test's own in a folder that looks like a host's root."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.containers.grpc.channel import Channel
from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number
from tests.live.container_image import IMAGE, image_archive, make_rootfs
from tests.live.engine_daemon import unmount_below

START_SECONDS: Final = 20.0
CALL_SECONDS: Final = 30.0
CRI: Final = "/runtime.v1.RuntimeService/"
NODE_NETWORK: Final = 2
SOCKET: Final = "run/containerd/containerd.sock"

CONFIG: Final = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{folder}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""


class Containerd:
    """`kill` ends it at once; its containers go on, and `start` takes them up again."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "containerd"
        self.folder.mkdir()
        self.socket = str(root / SOCKET)
        Path(self.socket).parent.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        settings = CONFIG.format(folder=self.folder, socket=self.socket, image=IMAGE)
        (self.folder / "config.toml").write_text(settings)

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

    def pid(self, name: str, namespace: str = "default") -> int:
        """Of a container's first process."""
        rows = (line.split() for line in self.ctr("-n", namespace, "tasks", "ls").splitlines())
        return next(int(row[1]) for row in rows if row[0] == name)

    def metrics(self, name: str, namespace: str = "default") -> Any:
        """What a container uses, by containerd."""
        return json.loads(self.ctr("-n", namespace, "tasks", "metrics", "--format", "json", name))

    def remove(self, namespace: str) -> None:
        tasks = self.ctr("-n", namespace, "tasks", "ls", "-q").split()
        for task in tasks:
            with contextlib.suppress(AssertionError):
                self.ctr("-n", namespace, "tasks", "rm", "-f", task)
        for container in self.ctr("-n", namespace, "containers", "ls", "-q").split():
            with contextlib.suppress(AssertionError):
                self.ctr("-n", namespace, "containers", "rm", container)


class Pod:
    """Pod ml/train-0 on the node's network, made by the CRI as a kubelet makes it."""

    def __init__(self, socket: str) -> None:
        self._channel = Channel(socket)
        metadata = encode_bytes(1, "train-0") + encode_bytes(2, "uid-1") + encode_bytes(3, "ml")
        network = encode_bytes(8, encode_bytes(2, encode_bytes(1, encode_number(1, NODE_NETWORK))))
        self._config = encode_bytes(1, metadata) + network
        self.sandbox = self.call("RunPodSandbox", encode_bytes(1, self._config)).text(1)

    def start(self, name: str, restarts: int, *command: str, **more: bytes) -> str:
        """Starts a container; its id. `more`: further fields of its ContainerConfig, encoded."""
        config = encode_bytes(1, encode_bytes(1, name) + encode_number(2, restarts))
        config += encode_bytes(2, encode_bytes(1, IMAGE)) + encode_bytes(3, command[0])
        config += b"".join(encode_bytes(4, word) for word in command[1:]) + b"".join(more.values())
        asked = encode_bytes(1, self.sandbox) + encode_bytes(2, config) + encode_bytes(3, self._config)
        id_ = self.call("CreateContainer", asked).text(1)
        self.call("StartContainer", encode_bytes(1, id_))
        return id_

    def stop(self, id_: str) -> None:
        """At once."""
        self.call("StopContainer", encode_bytes(1, id_))

    def call(self, method: str, request: bytes) -> Message:
        """A call of the CRI."""
        return Message(self._channel.unary(CRI + method, request, timeout_s=CALL_SECONDS), method)

    def end(self) -> None:
        """Removes it with its containers."""
        self.call("RemovePodSandbox", encode_bytes(1, self.sandbox))
        self._channel.close()


@contextlib.contextmanager
def containerd(root: Path, program: Callable[..., str]) -> Iterator[Containerd]:
    """A running containerd with the image; its containers and mounts are gone afterwards."""
    for name in ("containerd", "ctr", "runc"):
        program(name)
    busybox = program("busybox", "busybox-static")
    if os.geteuid() != 0:
        pytest.skip("containerd needs root here")
    running = Containerd(root)
    make_rootfs(running.folder / "rootfs", busybox)
    image_archive(running.folder / "rootfs", running.folder / "image.tar")
    try:
        try:
            running.start()
            for namespace in ("default", "k8s.io"):
                running.ctr("-n", namespace, "images", "import", str(running.folder / "image.tar"))
            running.ctr("run", "--rm", "--rootfs", str(running.folder / "rootfs"), "trial", "/bin/true")
        except AssertionError as error:
            pytest.skip(f"containerd runs no container here: {error}")
        yield running
    finally:
        running.end()
        unmount_below(running.folder)
