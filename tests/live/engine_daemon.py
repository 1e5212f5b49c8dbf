"""dockerd and podman's service as daemons of a test's own, each in a folder that looks like a host's root."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live.container_image import IMAGE, image_archive, make_rootfs

DEADLINE_S: Final = 30.0
REQUEST_S: Final = 30.0
PROGRAMS: Final = {
    "docker": ("dockerd", "docker", "runc", "unshare", "nsenter"),
    "podman": ("podman", "conmon", "runc"),
}
PACKAGES: Final = {
    "dockerd": "docker.io", "docker": "docker.io", "unshare": "util-linux", "nsenter": "util-linux",
    "busybox": "busybox-static",
}  # fmt: skip
SOCKETS: Final = {"docker": "run/docker.sock", "podman": "run/podman/podman.sock"}

# Bridges, rules and mounts of the daemon stay in namespaces of their own, which outlive it as a host's do.
_NAMESPACES: Final = ("unshare", "--mount", "--net", "--propagation", "private", "sh", "-c")
_HYBRID: Final = "busybox ip link set lo up && exec sleep 100000"
_UNIFIED: Final = f"umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && {_HYBRID}"
_PODMAN: Final = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""


class Engine:
    """A daemon with the Docker API. `again` starts it anew after `kill`; its containers live on between them.

    `unified`: dockerd sees cgroup v2 alone, and of that only what the host's v1 has not taken.
    """

    def __init__(self, name: str, root: Path, unified: bool = False) -> None:
        self.name = name
        self.root = root
        self.socket = str(root / SOCKETS[name])
        self.folder = root / name
        self.folder.mkdir(exist_ok=True)
        Path(self.socket).parent.mkdir(parents=True, exist_ok=True)
        self._unified = unified
        self._namespaces: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self.command: tuple[str, ...] = ("docker", "-H", f"unix://{self.socket}")
        if name == "podman":
            (self.folder / "containers.conf").write_text(_PODMAN)
            own = {"--root": "root", "--runroot": "run", "--tmpdir": "tmp"}
            places = (word for flag, place in own.items() for word in (flag, str(self.folder / place)))
            settings = f"CONTAINERS_CONF={self.folder}/containers.conf"
            self.command = ("env", settings, "podman", *places, "--storage-driver", "overlay")

    def run(self, *words: str) -> str:
        """What the command line's answer is. Raises where it fails."""
        ran = subprocess.run(
            [*self.command, *words], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, (words, ran.stderr)
        return ran.stdout.strip()

    def get(self, path: str) -> Any:
        """An answer of the API."""
        connection = http.client.HTTPConnection("localhost", timeout=REQUEST_S)
        with contextlib.closing(connection):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(REQUEST_S)
            connection.sock.connect(self.socket)
            connection.request("GET", path)
            body = connection.getresponse().read()
        return json.loads(body)

    def inspect(self, container: str) -> Any:
        return self.get(f"/v1.41/containers/{container}/json")

    def start(self) -> None:
        """Returns once it answers; the test is skipped where it does not."""
        if self.name == "docker" and self._namespaces is None:
            self._namespaces = self._popen(*_NAMESPACES, _UNIFIED if self._unified else _HYBRID)
            pid = self._namespaces.pid
            # Its own name and no more: the words of the shell that makes the namespaces have it too.
            until(lambda: cmdline(pid).startswith(b"sleep\0") or not alive(pid))
            assert alive(pid), f"no namespaces for dockerd: {self.log[-500:]}"
        self.again()

    def again(self) -> None:
        if self.name == "docker":
            assert self._namespaces is not None
            inside = ("nsenter", "-t", str(self._namespaces.pid), "-m", "-n")
            own = (
                f"--data-root={self.folder}/data",
                f"--exec-root={self.folder}/exec",
                f"--pidfile={self.root}/run/docker.pid",
            )
            self._daemon = self._popen(
                *inside, "dockerd", *own, "-H", f"unix://{self.socket}", "--storage-driver=overlay2", "--live-restore"
            )
        else:
            self._daemon = self._popen(*self.command, "system", "service", "--time=0", f"unix://{self.socket}")
        until(lambda: self._answers() or not self.is_alive())
        if not self._answers():
            pytest.skip(f"{self.name} does not start here: {self.log[-500:]}")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def is_alive(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def kill(self) -> None:
        """At once; its containers and what watches them go on, dockerd's own containerd with them."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait(10)
        Path(self.socket).unlink(missing_ok=True)
        # Where nobody reaps orphans the dead containerd looks alive to the next dockerd.
        (self.root / "run/docker.pid").unlink(missing_ok=True)
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def end(self) -> None:
        """Removes its containers and ends it."""
        if self._daemon is not None and self.is_alive():
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if found := self.run("ps", "-aq").split():
                    self.run("rm", "-f", *(("-t", "0") if self.name == "podman" else ()), *found)
            self._daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._daemon.wait(15)
        end_all_of(self.folder)
        for process in (self._daemon, self._namespaces):
            if process is not None:
                process.kill()
                process.wait(10)
        unmount_below(self.folder)
        Path(self.socket).unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            return bool(self.get("/version"))
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def _popen(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            # conmon leaves a file where it was started.
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextlib.contextmanager
def host_root() -> Iterator[Path]:
    """A folder for a host's root, with a short name: paths of sockets have at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="nsr", dir="/tmp"))
    (folder / "run").mkdir()
    # Who is not root finds the sockets, and may not open them.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def engine(name: str, root: Path, program: Callable[..., str], unified: bool = False) -> Iterator[Engine]:
    """A running engine that has the image; the test is skipped where something for it is missing."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a container runtime")
    for needed in (*PROGRAMS[name], "busybox"):
        program(needed, PACKAGES.get(needed, ""))
    running = Engine(name, root, unified)
    try:
        running.start()
        make_rootfs(running.folder / "rootfs", program("busybox", "busybox-static"))
        image_archive(running.folder / "rootfs", running.folder / "image.tar")
        try:
            running.run("load", "-i", str(running.folder / "image.tar"))
            running.run("run", "--rm", IMAGE, "true")
        except AssertionError as error:
            pytest.skip(f"{name} runs no container here: {error}")
        yield running
    finally:
        running.end()


def cmdline(pid: int) -> bytes:
    """The command line of a process, nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def oom_kills(pid: int) -> int:
    """In the cgroup of a process, by the kernel."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for place in (f"memory{path}/memory.oom_control", f"{path}/memory.events"):
            file = Path("/sys/fs/cgroup") / place.removeprefix("/")
            if controllers in ("memory", "") and file.is_file():
                return int(dict(row.split() for row in file.read_text().splitlines())["oom_kill"])
    raise AssertionError(f"process {pid} has no cgroup that counts OOM kills")


def end_all_of(folder: Path) -> None:
    """Ends what a failed test left behind: shims and monitors that name the folder, and what they run."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        try:
            if pid != os.getpid() and f"{folder}/".encode() in path.read_bytes():
                children = (path.parent / f"task/{pid}/children").read_text().split()
                for each in (*map(int, children), pid):
                    os.kill(each, signal.SIGKILL)
        except (OSError, ValueError):
            continue


def unmount_below(folder: Path) -> None:
    """Takes away the mounts that a runtime left."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True, timeout=10)


def until(done: Callable[[], bool], seconds: float = DEADLINE_S, why: Callable[[], object] = lambda: "") -> None:
    """Waits until `done`; fails after the deadline with what `why` says."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not in time: {why()}"
        time.sleep(0.02)
