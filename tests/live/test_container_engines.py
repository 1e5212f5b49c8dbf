"""EngineFollower beside a real dockerd and a real podman service: states, OOM, restarts, health, daemons killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodescope.containers.engine.follower import Pace
from nodescope.records.container import ContainerEvent
from tests.containers.engine.followed import Followed
from tests.live.container_image import IMAGE
from tests.live.engine_daemon import DEADLINE_S, Engine, engine, host_root, until


@pytest.fixture(params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest, program: Callable[..., str]) -> Iterator[Engine]:
    with host_root() as root, engine(str(request.param), root, program) as running:
        yield running


@pytest.fixture
def follower(runtime: Engine) -> Iterator[Followed]:
    pace = Pace(first_retry_s=0.05, longest_retry_s=0.2, list_s=30)
    running = Followed(runtime.socket, labels={"team"}, pace=pace)
    running.start()
    until(lambda: running.status().state == "ok")
    yield running
    running.close()


def heard(follower: Followed, last: str, count: int = 1) -> list[ContainerEvent]:
    """Events until so many of the kind `last`, and what comes within a moment of them."""
    events: list[ContainerEvent] = []
    deadline = time.monotonic() + DEADLINE_S
    while sum(event.kind == last for event in events) < count and time.monotonic() < deadline:
        events += follower.take(0.2)
    return events + follower.take(0.5)


@pytest.mark.timeout(120)
def test_states(runtime: Engine, follower: Followed) -> None:
    """A container that is paused, restarted, killed and removed is told of by these events, in this order, once."""
    assert follower.status().runtime == runtime.name
    limits = ("--memory", "50m", "--cpus", "0.5", "--pids-limit", "30")
    shown = ("--label", "team=a", "--label", "other=b", "--env", "NVIDIA_VISIBLE_DEVICES=0", "--env", "TOKEN=hunter2")
    runtime.run("run", "-d", "--name", "train", *limits, *shown, IMAGE, "sleep", "1000")
    told = [event.kind for event in heard(follower, "running")]
    (record,) = follower.containers()
    assert (record.name, record.state, record.labels) == ("train", "running", {"team": "a"})
    assert (record.memory_limit_bytes, record.cpu_limit_cores, record.pids_limit) == (50 * 1024**2, 0.5, 30)
    assert [device.request for device in record.devices] == ["NVIDIA_VISIBLE_DEVICES=0"]
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
def test_ends(runtime: Engine, follower: Followed) -> None:
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
def test_health(runtime: Engine, follower: Followed) -> None:
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
def test_a_daemon_that_is_killed(runtime: Engine, follower: Followed) -> None:
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
