"""EngineFollower beside a real dockerd and a real podman service: states, OOM, restarts, health, daemons killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from nodescope.containers.engine.follower import EngineFollower, Pace
from nodescope.records.container import ContainerEvent

IMAGE: Final = "local/busybox:1.35"
DEADLINE_S: Final = 30.0
PROGRAMS: Final = {
    "docker": ("dockerd", "docker", "runc", "unshare", "nsenter"),
    "podman": ("podman", "conmon", "runc"),
}


class Runtime(NamedTuple):
    """A daemon that was started; `again` starts it anew after `kill`."""

    name: str
    socket: str
    command: tuple[str, ...]
    kill: Callable[[], None]
    again: Callable[[], None]

    def run(self, *words: str) -> None:
        subprocess.run([*self.command, *words], check=True, capture_output=True, timeout=60)


@pytest.fixture(params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest, shared: Path, program: Callable[..., str]) -> Iterator[Runtime]:
    name = str(request.param)
    if os.geteuid() != 0:
        pytest.skip("only root can start a container runtime")
    scripts = shared / "tools/runtimes"
    if not (scripts / "start_runtimes.sh").is_file():
        pytest.skip(f"no {scripts}/start_runtimes.sh to start runtimes with")
    for needed in (*PROGRAMS[name], "busybox"):
        program(needed, "busybox-static" if needed == "busybox" else "")
    folder = Path(tempfile.mkdtemp(prefix="nsr", dir="/tmp"))
    environment = {**os.environ, "RT": str(folder)}
    log = folder / "start.log"

    def start() -> None:
        with log.open("ab") as output:
            subprocess.run(
                [scripts / "start_runtimes.sh", name], env=environment, stdout=output, stderr=output, timeout=50
            )

    pid_file = folder / ("pids/dockerd" if name == "docker" else "pids/podman")
    daemon: list[str] = []
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        pid = int(pid_file.read_text())
        daemon[:] = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        if name == "docker":  # it has namespaces of its own, which must outlive it as a real host's do
            started.append(subprocess.Popen(["nsenter", "-t", str(pid), "-m", "-n", "sleep", "600"]))
            time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        pid_file.unlink()
        Path(socket).unlink()
        # Where nobody reaps orphans the dead containerd looks alive to the next dockerd.
        (folder / "docker-exec/containerd/containerd.pid").unlink(missing_ok=True)

    def again() -> None:
        if name == "podman":
            start()
            return
        inside = ["nsenter", "-t", str(started[0].pid), "-m", "-n", *daemon]
        with log.open("ab") as output:
            started.append(subprocess.Popen(inside, stdout=output, stderr=output))

    socket = f"{folder}/{name}.sock"
    command = ("docker", "-H", f"unix://{socket}") if name == "docker" else (f"{folder}/podman",)
    try:
        start()
        if not Path(socket).exists():
            pytest.skip(f"{name} does not start here: {log.read_text()[-300:]}")
        yield Runtime(name, socket, command, kill, again)
    finally:
        subprocess.run([scripts / "stop_runtimes.sh", "--purge"], env=environment, capture_output=True, timeout=50)
        for process in started:
            process.kill()
            process.wait(10)
        end_all_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def follower(runtime: Runtime) -> Iterator[EngineFollower]:
    pace = Pace(first_retry_s=0.05, longest_retry_s=0.2, list_s=30)
    running = EngineFollower(runtime.socket, labels={"team"}, pace=pace)
    running.start()
    until(lambda: running.status().state == "ok")
    yield running
    running.close()


def alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def end_all_of(folder: Path) -> None:
    """Ends what a failed test left behind: shims that name the folder, and what they run."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                children = (path.parent / f"task/{path.parent.name}/children").read_text().split()
                for pid in (*children, path.parent.name):
                    os.kill(int(pid), signal.SIGKILL)
        except (OSError, ValueError):
            continue


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def heard(follower: EngineFollower, last: str, count: int = 1) -> list[ContainerEvent]:
    """Events until so many of the kind `last`, and what comes within a moment of them."""
    events: list[ContainerEvent] = []
    deadline = time.monotonic() + DEADLINE_S
    while sum(event.kind == last for event in events) < count and time.monotonic() < deadline:
        events += follower.take(0.2)
    return events + follower.take(0.5)


@pytest.mark.timeout(120)
def test_states(runtime: Runtime, follower: EngineFollower) -> None:
    """A container that is paused, restarted, killed and removed is told of by these events, in this order, once."""
    assert follower.status().runtime == runtime.name
    limits = ("--memory", "50m", "--cpus", "0.5", "--pids-limit", "30")
    shown = ("--label", "team=a", "--label", "other=b", "--env", "NVIDIA_VISIBLE_DEVICES=0", "--env", "TOKEN=hunter2")
    runtime.run("run", "-d", "--name", "train", *limits, *shown, IMAGE, "sleep", "1000")
    told = [event.kind for event in heard(follower, "running")]
    (record,) = follower.containers()
    assert (record.name, record.state, record.labels) == ("train", "running", {"team": "a"})
    assert (record.memory_limit_bytes, record.cpu_limit_cores, record.pids_limit) == (50 * 1024**2, 0.5, 30)
    assert [device.request for device in record.devices] == ["0"]
    assert record.pid is not None
    assert b"sleep" in Path(f"/proc/{record.pid}/cmdline").read_bytes()
    assert "hunter2" not in repr(record)
    for words in (("pause",), ("unpause",), ("restart", "-t", "0"), ("kill",), ("rm",)):
        runtime.run(*words, "train")
    told += [event.kind for event in heard(follower, "deleted")]
    lived = ["created", "running", "paused", "running", "exited", "restarted", "exited", "deleted"]
    assert told == lived
    assert follower.containers() == ()
    assert follower.status().events_inferred == 0


@pytest.mark.timeout(120)
def test_ends(runtime: Runtime, follower: EngineFollower) -> None:
    """One that fails is restarted as often as it may be; one out of memory ends with 137."""
    runtime.run("run", "-d", "--name", "fails", "--restart", "on-failure:2", IMAGE, "sh", "-c", "exit 3")
    events = heard(follower, "exited", 3)
    assert [event.kind for event in events] == [
        "created", "running", "exited", "restarted", "exited", "restarted", "exited",
    ]  # fmt: skip
    assert {event.exit_code for event in events if event.kind == "exited"} == {3}
    runtime.run("run", "-d", "--name", "eats", "--memory", "8m", IMAGE, "sh", "-c", "sleep 0.3; exec tail /dev/zero")
    events = heard(follower, "exited")
    assert [event.exit_code for event in events if event.kind == "exited"] == [137]
    # podman says nothing of it under cgroup v1: the cgroup's own count tells.
    assert runtime.name == "podman" or "oom_killed" in [event.kind for event in events]


@pytest.mark.timeout(120)
def test_health(runtime: Runtime, follower: EngineFollower) -> None:
    """Health is told when it changes and not with every check."""
    check = ("--health-cmd", "test ! -e /bad", "--health-interval", "1s", "--health-retries", "1")
    runtime.run("run", "-d", "--name", "web", *check, IMAGE, "sleep", "1000")

    def checked() -> list[str | None]:
        if runtime.name == "podman":  # its timers are systemd's
            subprocess.run([*runtime.command, "healthcheck", "run", "web"], capture_output=True, timeout=30)
        return [event.health for event in heard(follower, "health")]

    assert [health for health in checked() if health] == ["healthy"]
    runtime.run("exec", "web", "touch", "/bad")
    assert [health for health in checked() if health] == ["unhealthy"]
    assert [record.health for record in follower.containers()] == ["unhealthy"]


@pytest.mark.timeout(180)
def test_a_daemon_that_is_killed(runtime: Runtime, follower: EngineFollower) -> None:
    """After its daemon was killed and came back, the follower knows what ended meanwhile, and tells it once."""
    for name in ("ends", "stays"):
        runtime.run("run", "-d", "--name", name, IMAGE, "sleep", "1000")
    heard(follower, "running", 2)
    pids = {record.name: record.pid for record in follower.containers()}
    ends = pids["ends"]
    assert ends is not None
    runtime.kill()
    until(lambda: follower.status().state != "ok")
    os.kill(ends, signal.SIGKILL)
    runtime.again()
    until(lambda: follower.status().state == "ok")
    events = heard(follower, "exited")
    assert [event.kind for event in events if event.name == "ends"] == ["exited"]
    assert follower.status().reconnects >= 1
    runtime.run("start", "ends")
    runtime.run("rm", "-f", "ends")
    assert [event.kind for event in heard(follower, "deleted")] == ["restarted", "exited", "deleted"]
