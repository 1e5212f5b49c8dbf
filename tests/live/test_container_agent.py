"""The agent and its exporters beside real runtimes: containers that end in every way, and daemons killed under them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from nodescope.events.event import Event
from tests.live.container_image import IMAGE
from tests.live.container_pages import Get, Roles, bus_of_agent, roles
from tests.live.containerd_daemon import Pod, containerd
from tests.live.engine_daemon import Engine, engine, host_root, oom_kills, until
from tools.serving import Server, nodescope_command, unused_port

SETTLE_S: Final = 2.0
"""What would be told twice is told the second time by a list, a second after it was heard."""

EATS: Final = ("sh", "-c", "sleep 1; exec tail /dev/zero")
SUFFERS: Final = ("sh", "-c", "sleep 1; tail /dev/zero; while :; do sleep 1; done")
"""A process of it is killed for memory, and it goes on."""

OBEYS: Final = ("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
KILLED: Final = 128 + signal.SIGKILL
UNNAMED: Final = re.compile("[0-9a-f]{12}")
NOBODY_ID: Final = 65534
NOBODY: Final = (
    "setpriv",
    f"--reuid={NOBODY_ID}",
    f"--regid={NOBODY_ID}",
    "--clear-groups",
    # A checkout below a home that only root may enter can be read with these, and no socket can be opened.
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)
RETRIES_S: Final = 4.0
"""In which each socket is tried several times."""


def of(events: list[Event], container: str) -> list[str]:
    """What happened to a container of this name, in the order in which it was told."""
    return [event.kind.removeprefix("container.") for event in events if event.attributes["name"] == container]


def state(told: Roles, container: str) -> str | None:
    """The one state that the agent says a container is in."""
    page = told.page("agent")
    found = [
        dict(labels)["state"]
        for (name, labels), value in page.samples.items()
        if name == "nodescope_container_state" and ("container_name", container) in labels and value == 1
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def states(told: Roles, **wanted: str | None) -> None:
    """Waits until the agent says these states."""
    until(
        lambda: all(state(told, name) == each for name, each in wanted.items()),
        why=lambda: {name: state(told, name) for name in wanted},
    )


def shown(told: Roles, role: str) -> set[str]:
    """Names of the containers that a role's page has, but those that no runtime names: of other daemons' here."""
    label, family = {
        "agent": ("container_name", "nodescope_container_"),
        "cadvisor": ("name", "container_"),
        "docker_stats": ("container", "docker_container_"),
    }[role]
    return {name for name in told.page(role).values(label, family) if not UNNAMED.fullmatch(name)}


def everywhere(told: Roles, running: set[str], known: set[str]) -> None:
    """Waits until each role's page has its containers, the agent's those that have ended too."""
    wanted = {role: known if role == "agent" else running for role in told.servers}
    until(
        lambda: all(shown(told, role) == names for role, names in wanted.items()),
        why=lambda: {role: shown(told, role) for role in wanted},
    )
    for role in told.servers:
        assert told.page(role).of("nodescope_series_dropped_total", reason="duplicate") == 0


@pytest.fixture(params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest, program: Callable[..., str]) -> Iterator[Engine]:
    with host_root() as root, engine(str(request.param), root, program) as running:
        yield running


@pytest.mark.timeout(170)
def test_an_engine_and_all_ends(runtime: Engine, http_get: Get) -> None:
    """Killed, out of memory, stopped, restarted, the engine killed: right on each page, and each event told once."""
    sleep = ("sleep", "100000")
    with roles(runtime.root, http_get) as told, bus_of_agent(runtime.root, http_get) as events:
        until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="ok") == 1)
        for name in ("killed", "again", "lost"):
            runtime.run("run", "-d", "--name", name, IMAGE, *sleep)
        runtime.run("run", "-d", "--name", "stays", "--health-cmd", "true", "--health-interval", "1s", IMAGE, *sleep)
        runtime.run("run", "-d", "--name", "eats", "--memory", "8m", IMAGE, *EATS)
        runtime.run("run", "-d", "--name", "suffers", "--memory", "8m", IMAGE, *SUFFERS)
        runtime.run("run", "-d", "--name", "obeys", IMAGE, *OBEYS)
        runtime.run("run", "-d", "--name", "fails", "--restart", "on-failure:2", IMAGE, "sh", "-c", "exit 3")
        names = {"killed", "again", "stays", "lost", "eats", "suffers", "obeys", "fails"}
        if runtime.name == "podman":  # its timers are systemd's
            runtime.run("healthcheck", "run", "stays")
        os.kill(runtime.inspect("killed")["State"]["Pid"], signal.SIGKILL)
        runtime.run("stop", "obeys")
        runtime.run("restart", "-t", "0", "again")
        states(told, killed="exited", again="running", stays="running", eats="exited", obeys="exited", fails="exited")
        everywhere(told, {"again", "stays", "lost", "suffers"}, names)
        until(lambda: told.page("agent").of("nodescope_container_restarts_total", container_name="fails") == 2)
        until(
            lambda: told.page("agent").of("nodescope_container_health", container_name="stays", health="healthy") == 1
        )
        pid = runtime.inspect("suffers")["State"]["Pid"]
        until(lambda: oom_kills(pid) > 0, why=lambda: runtime.inspect("suffers")["State"])
        kills = "nodescope_container_oom_kills_total"
        until(
            lambda: told.page("agent").of(kills, container_name="suffers") == oom_kills(pid),
            why=lambda: (told.page("agent").of(kills, container_name="suffers"), oom_kills(pid)),
        )
        as_inspected(runtime, told, names)
        before = told.page("agent").of("nodescope_container_cpu_seconds_total", container_name="stays")
        lost = runtime.inspect("lost")["State"]["Pid"]
        runtime.kill()
        os.kill(lost, signal.SIGKILL)
        runtime.again()
        states(told, lost="exited", stays="running", again="running")
        everywhere(told, {"again", "stays", "suffers"}, names)
        as_inspected(runtime, told, names)
        after = told.page("agent").of("nodescope_container_cpu_seconds_total", container_name="stays")
        assert before is not None
        assert after is not None
        assert after >= before
        runtime.run("rm", "-f", *(("-t", "0") if runtime.name == "podman" else ()), *sorted(names))
        everywhere(told, set(), set())
        until(lambda: all(of(events(), name)[-1:] == ["deleted"] for name in names), why=events)
        time.sleep(SETTLE_S)
        found = events()
    told_once(runtime, found)


def told_once(runtime: Engine, found: list[Event]) -> None:
    """Each container's life, in order."""
    for name in ("killed", "obeys", "lost"):
        assert of(found, name) == ["created", "running", "exited", "deleted"], name
    assert of(found, "stays") == ["created", "running", "health", "exited", "deleted"]
    assert of(found, "again") == ["created", "running", "exited", "restarted", "exited", "deleted"]
    suffered = of(found, "suffers")
    assert "oom_killed" in suffered
    assert [kind for kind in suffered if kind != "oom_killed"] == ["created", "running", "exited", "deleted"]
    assert of(found, "fails") == ["created", "running", *2 * ("exited", "restarted"), "exited", "deleted"]
    eaten = of(found, "eats")
    # podman says nothing of it under cgroup v1, where only the cgroup's count can tell if it is read in time.
    assert eaten.count("oom_killed") == 1 or (runtime.name == "podman" and "oom_killed" not in eaten)
    assert [kind for kind in eaten if kind != "oom_killed"] == ["created", "running", "exited", "deleted"]
    assert codes(found, "killed", "eats", "obeys", "fails") == [KILLED, KILLED, 7, 3]


def codes(events: list[Event], *containers: str) -> list[int]:
    """With what each of them ended last."""
    found = {event.attributes["name"]: event.attributes for event in events if event.kind == "container.exited"}
    return [int(found[name]["exit_code"]) for name in containers]


def as_inspected(runtime: Engine, told: Roles, names: set[str]) -> None:
    """State, exit code, restarts and image of each container are what its engine says of it."""
    page = told.fresh("agent")
    for name in names:
        known = runtime.inspect(name)
        status = known["State"]["Status"]
        assert state(told, name) == status
        code = page.of("nodescope_container_exit_code", container_name=name)
        assert code == (known["State"]["ExitCode"] if status == "exited" else None), name
        assert page.of("nodescope_container_restarts_total", container_name=name) == known["RestartCount"]
        health = known["State"].get("Health", {}).get("Status")
        of_checks = page.of("nodescope_container_health", container_name=name, health=health or "healthy")
        assert of_checks == (1 if health else None), name
        labels = page.labels("nodescope_container_info", container_name=name)
        assert (labels["image"], labels["image_digest"]) == (IMAGE, known["Image"])
        assert labels["container_id"] == known["Id"]
    assert page.of("nodescope_container_oom_killed", container_name="killed") == 0
    kills = oom_kills(runtime.inspect("suffers")["State"]["Pid"])
    assert page.of("nodescope_container_oom_kills_total", container_name="suffers") == kills > 0
    # Its cgroup may have been found while it was being made, in one hierarchy after the other.
    until(lambda: told.page("cadvisor").of("container_oom_events_total", name="suffers") == kills)
    if runtime.name == "docker":
        assert page.of("nodescope_container_oom_killed", container_name="eats") == 1


@pytest.mark.timeout(170)
def test_containerd_and_all_ends(program: Callable[..., str], http_get: Get) -> None:
    """Killed, out of memory, started again, a pod's, containerd killed: right on both pages, each event told once."""
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(host_root())
        runtime = stack.enter_context(containerd(root, program))
        told = stack.enter_context(roles(root, http_get, names=("agent", "cadvisor")))
        events = stack.enter_context(bus_of_agent(root, http_get))
        until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="ok") == 1)
        for name in ("killed", "again", "stays", "lost"):
            runtime.run(name, "/bin/sleep", "100000")
        runtime.run("eats", *EATS, options=("--memory-limit", str(16 * 1024 * 1024), "--env", "PATH=/bin"))
        pod = Pod(runtime.socket)
        id_ = pod.start("main", 1, "/bin/sleep", "100000")
        states(told, main="running")
        pod.stop(id_)
        for name in ("killed", "again"):
            os.kill(runtime.pid(name), signal.SIGKILL)
        states(told, killed="exited", again="exited", eats="exited", stays="running", main="exited")
        # Until its task is removed one that has ended has its cgroup.
        runtime.ctr("tasks", "rm", "killed", "again", "eats")
        runtime.ctr("tasks", "start", "-d", "again")
        states(told, again="running")
        names = {"killed", "again", "stays", "lost", "eats", "main"}
        everywhere(told, {"again", "stays", "lost"}, names)
        page = told.fresh("agent")
        for name in ("killed", "eats", "main"):
            assert page.of("nodescope_container_exit_code", container_name=name) == KILLED, name
        assert page.of("nodescope_container_restarts_total", container_name="main") == 1
        lost = runtime.pid("lost")
        runtime.kill()
        os.kill(lost, signal.SIGKILL)
        runtime.start()
        runtime.ctr("tasks", "rm", "lost")
        states(told, lost="exited", stays="running", again="running", killed="exited", main="exited")
        everywhere(told, {"again", "stays"}, names)
        pod.end()
        runtime.remove("default")
        everywhere(told, set(), set())
        time.sleep(SETTLE_S)
        found = events()
    for name in ("killed", "stays", "lost"):
        assert of(found, name) == ["created", "running", "exited", "deleted"], name
    assert of(found, "again") == ["created", "running", "exited", "restarted", "exited", "deleted"]
    eaten = of(found, "eats")
    assert eaten.count("oom_killed") == 1
    assert [kind for kind in eaten if kind != "oom_killed"] == ["created", "running", "exited", "deleted"]
    of_pod = [event.kind.removeprefix("container.") for event in found if event.subject == id_]
    assert of_pod == ["created", "running", "exited", "deleted"]
    assert codes(found, "killed", "eats") == [KILLED, KILLED]


def log_of(server: Server, socket: str) -> list[str]:
    """Lines of a server's log about a socket."""
    return [line for line in server.log.splitlines() if socket in line]


@pytest.mark.timeout(120)
def test_runtimes_that_come_and_go(program: Callable[..., str], http_get: Get) -> None:
    """Runtimes that start after the agent are found; one that goes away is said once, and is followed on its return."""
    with host_root() as root, roles(root, http_get) as told:
        assert told.page("agent").of("nodescope_container_runtime_info") is None
        with engine("docker", root, program) as docker, containerd(root, program) as runtime:
            docker.run("run", "-d", "--name", "web", IMAGE, "sleep", "100000")
            runtime.run("job", "/bin/sleep", "100000")
            states(told, web="running", job="running")
            until(lambda: shown(told, "cadvisor") == {"web", "job"})
            until(lambda: shown(told, "docker_stats") == {"web"})
            docker.kill()
            until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="ok") == 1)
            # Without its engine a container runs on, and so do its figures.
            assert told.fresh("agent").of("nodescope_container_cpu_seconds_total", container_name="web") is not None
            docker.again()
            until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="ok") == 2)
            socket = docker.socket
        until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="ok") is None)
        everywhere(told, set(), set())
        for server in told.servers.values():
            assert [line.count("level=warn") for line in log_of(server, socket)] == [0, 1, 0, 1], server.log


@pytest.mark.timeout(120)
def test_who_may_not_open_sockets(program: Callable[..., str], http_get: Get) -> None:
    """An agent that may not open the sockets says so once for each and what to do; all else is measured as ever."""
    program("setpriv", "util-linux")
    with host_root() as root, engine("docker", root, program) as docker, containerd(root, program) as runtime:
        (root / "state").mkdir()
        os.chown(root / "state", NOBODY_ID, NOBODY_ID)
        docker.run("run", "-d", "--name", "web", IMAGE, "sleep", "100000")
        port = unused_port()
        flags = (f"--path.rootfs={root}", f"--state.directory={root}/state", "--collector.container.interval=0.5s")
        server = Server([*NOBODY, *nodescope_command(("agent", *flags), port)], port, root / "log", root)
        told = Roles({"agent": server}, http_get)
        try:
            until(lambda: told.page("agent").of("nodescope_container_runtime_info", state="denied") == 2)
            time.sleep(RETRIES_S)
            page = told.fresh("agent")
        finally:
            server.kill()
        for socket in (docker.socket, runtime.socket):
            (line,) = log_of(server, socket)
            assert "level=warn" in line
            assert "group" in line
        assert page.of("nodescope_collector_success", collector="container") == 1
        assert page.of("node_load1") is not None
        assert not page.values("container_name", "") & {"web"}
