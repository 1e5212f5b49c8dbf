"""What containers are started with stays with them: real runtimes, and everything that the agent and its roles say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.api.table import OPENAPI_PATH
from nodescope.containers.grpc.wire import encode_bytes
from tests.live.container_image import IMAGE
from tests.live.container_pages import ROLES, Get, Roles, bus_of_agent, roles
from tests.live.containerd_daemon import Containerd, Pod, containerd
from tests.live.engine_daemon import Engine, engine, host_root, until

SECRET: Final = "hunter2"
"""Part of each value that is to stay."""

ALLOWED: Final = "vision-team"
SHELL: Final = ("sh", "-c", f": {SECRET}-in-the-command; while :; do sleep 1; done", f"{SECRET}-argument")
LABELS: Final = {"owner": f"{SECRET}-label", "team": ALLOWED}
ENVIRONMENT: Final = {"TOKEN": f"{SECRET}-environment", "CUDA_VISIBLE_DEVICES": f"0,{SECRET}-is-no-device"}
PATHS: Final = ("/", "/metrics", "/health", "/v1/pods", "/pods")


def start_on(runtime: Engine) -> None:
    """One that runs, one that has ended, one that cannot start, and one whose check fails and says so."""
    labels = [word for name, value in LABELS.items() for word in ("--label", f"{name}={value}")]
    environment = [word for name, value in ENVIRONMENT.items() for word in ("--env", f"{name}={value}")]
    given = (*labels, *environment, "--hostname", "web")
    check = ("--health-cmd", f"echo {SECRET}-check; exit 1", "--health-interval", "1s", "--health-retries", "1")
    runtime.run("run", "-d", "--name", f"{runtime.name}-runs", *given, *check, IMAGE, *SHELL)
    runtime.run("run", "-d", "--name", f"{runtime.name}-ended", *given, IMAGE, "sh", "-c", f"exit 3 # {SECRET}-end")
    runtime.run("create", "--name", f"{runtime.name}-broken", *given, IMAGE, f"/{SECRET}-is-no-program")
    with pytest.raises(AssertionError, match=SECRET):
        runtime.run("start", f"{runtime.name}-broken")


def start_by_cri(runtime: Containerd) -> Pod:
    """A pod's container; the fields are ContainerConfig's envs, labels and annotations."""
    pod = Pod(runtime.socket)

    def pairs(field: int, values: dict[str, str]) -> bytes:
        return b"".join(
            encode_bytes(field, encode_bytes(1, key) + encode_bytes(2, value)) for key, value in values.items()
        )

    more = {"envs": pairs(6, ENVIRONMENT), "labels": pairs(9, LABELS), "annotations": pairs(10, LABELS)}
    pod.start("of-a-pod", 0, *SHELL, **more)
    return pod


@contextlib.contextmanager
def all_started(root: Path, program: Callable[..., str]) -> Iterator[Engine]:
    """Containers with secrets on every runtime; dockerd of them."""
    with (
        engine("docker", root, program) as docker,
        engine("podman", root, program) as podman,
        containerd(root, program) as runtime,
    ):
        start_on(docker)
        start_on(podman)
        given = [word for name, value in ENVIRONMENT.items() for word in ("--env", f"{name}={value}")]
        given += [word for name, value in LABELS.items() for word in ("--label", f"{name}={value}")]
        runtime.run("of-containerd", *SHELL, options=(*given, "--env", "PATH=/bin"))
        pod = start_by_cri(runtime)
        try:
            yield docker
        finally:
            pod.end()


def outputs(told: Roles, root: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that leaves the roles: each route's answer, logs, and what is kept on the disk."""
    document = json.loads(told.get("agent", OPENAPI_PATH))
    for role, server in told.servers.items():
        for path in (*PATHS, *document["paths"], *(f"{path}?envelope=lens" for path in document["paths"])):
            yield f"{role} {path}", told.get(role, path)
        yield f"log of {role}", server.log.encode()
    for path in root.glob("state-*/**/*"):
        if path.is_file():
            yield f"{path}", path.read_bytes()


@pytest.mark.timeout(150)
def test_nothing_leaks(program: Callable[..., str], http_get: Get) -> None:
    """Environment, command line, check and labels not on the list are in no answer, event, log at debug nor file."""
    with host_root() as root:
        flags = ("--log.level=debug", "--collector.container.labels=team")
        names = {"docker-runs", "podman-runs", "of-containerd", "of-a-pod"}
        with (
            all_started(root, program) as docker,
            bus_of_agent(root, http_get, runtimes=3) as events,
            roles(root, http_get, *flags, names=tuple(ROLES)) as told,
        ):
            until(lambda: names <= told.page("agent").values("container_name", "nodescope_container_"))
            until(lambda: told.page("agent").of("nodescope_container_health", health="unhealthy") == 1)
            until(lambda: {"docker-runs", "podman-runs"} <= told.page("docker_stats").values("container", "docker_"))
            given = ("--env", f"TOKEN={SECRET}-late", "--label", f"owner={SECRET}-late")
            docker.run("run", "-d", "--name", "late", *given, IMAGE, *SHELL)
            os.kill(docker.inspect("docker-runs")["State"]["Pid"], signal.SIGKILL)
            docker.kill()
            docker.again()
            docker.run("rename", "docker-ended", "docker-renamed")
            until(lambda: "docker-renamed" in told.page("agent").values("container_name", "nodescope_container_"))
            said = dict(outputs(told, root))
            until(lambda: {"late", "docker-runs"} <= {event.attributes["name"] for event in events()})
            said["events"] = repr(events()).encode()
        said |= {f"log of {role} at its end": server.log.encode() for role, server in told.servers.items()}
        said |= {f"{path}": path.read_bytes() for path in root.glob("state-*/**/*") if path.is_file()}
    leaking = {
        name: body[max(0, at - 80) : at + 80] for name, body in said.items() if (at := body.find(SECRET.encode())) >= 0
    }
    assert leaking == {}
    assert any(ALLOWED.encode() in body for body in said.values())
    assert any(name.startswith(f"{root}") for name in said)
