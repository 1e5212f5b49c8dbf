"""Whose the GPUs are: containers of a real engine on a driver's library, and the docs' queries in a real Prometheus."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.fake_nvml import SCRIPT, Script, beside, build
from tests.live.container_image import IMAGE
from tests.live.engine_daemon import Engine, engine, host_root, until
from tests.live.samples import read
from tests.test_ownership_agent import Page
from tools.serving import Server, unused_port

GIB: Final = 2**30
ROOT: Final = Path(__file__).resolve().parents[2]
DEADLINE_S: Final = 45.0
LEAST_POINTS: Final = 12
MEMORY: Final = "nodescope_gpu_attributed_memory_bytes"
ENERGY: Final = "nodescope_gpu_attributed_energy_joules_total"
RATIO: Final = "nodescope_gpu_attributed_utilization_ratio"
Vector = list[tuple[dict[str, str], float]]
Ask = Callable[..., Vector]


def queries() -> list[str]:
    """Those of the section, in order: by user, by Slurm job, by pod."""
    section = (ROOT / "docs/containers.md").read_text().partition("## Whose GPU")[2].partition("\n## ")[0]
    return re.findall(r"```promql\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def ask(
    program: Callable[..., str],
    agent_process: Callable[..., Any],
    server_process: Callable[..., Any],
    http_get: Callable[..., Any],
    tmp_path: Path,
) -> Ask:
    """ask(query): the vector that Prometheus answers, of one time, after it has scraped an agent for a while."""
    program("prometheus")
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.container")
    agent = agent_process(
        "agent", *only, "--simulate=h200x8", "--simulate.seed=3", "--collector.container.interval=500ms"
    )
    target = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{agent.port}"]}]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [target]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    port = unused_port()
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    server_process([*command, f"--web.listen-address=127.0.0.1:{port}"], port)

    def ask(query: str, at: float | None = None) -> Vector:
        when = "" if at is None else f"&time={at}"
        reply = http_get(port, f"/api/v1/query?query={quote(query)}{when}")
        if reply.status == 503 and at is None:
            # It has only just started.
            return []
        assert reply.status == 200, (query, reply.body)
        return [(one["metric"], float(one["value"][1])) for one in json.loads(reply.body)["data"]["result"]]

    deadline = time.monotonic() + DEADLINE_S
    while not any(points >= LEAST_POINTS for _, points in ask(f'count_over_time({ENERGY}{{slurm_job!=""}}[1m])')):
        assert time.monotonic() < deadline, agent.log
        time.sleep(0.5)
    now = time.time()
    return lambda query: ask(query, now)


def summed(vector: Vector, *labels: str) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for told, value in vector:
        found[tuple(told.get(label, "") for label in labels)] += value
    return dict(found)


def test_the_queries_of_the_docs(ask: Ask) -> None:
    """By user, by job and by pod they give what the rows of each have together, and all rows what the GPUs have."""
    by_user, by_job, by_pod = queries()
    memory = ask(MEMORY)
    users = summed([row for row in memory if row[0].get("user")], "user")
    assert len(users) > 1
    assert summed(ask(by_user), "user") == users
    energy = ask(f"increase({ENERGY}[1h])")
    jobs = summed([row for row in energy if row[0].get("slurm_job")], "slurm_job", "user")
    assert summed(ask(by_job), "slurm_job", "user") == {
        key: pytest.approx(value / 3.6e6) for key, value in jobs.items()
    }
    assert min(jobs.values()) > 0
    infos = {labels["container_id"]: labels.get("pod_uid", "") for labels, _ in ask("nodescope_container_info")}
    pods = summed([({"pod_uid": infos.get(row["holder"], "")}, value) for row, value in ask(RATIO)], "pod_uid")
    pods.pop(("",))
    assert summed(ask(by_pod), "pod_uid") == {key: pytest.approx(value) for key, value in pods.items()}
    assert len(pods) == 1


def test_nothing_counts_twice(ask: Ask) -> None:
    """In what Prometheus has stored the rows of each GPU sum to its own, and all energy that is drawn is someone's."""
    own = {MEMORY: "hw_gpu_memory_usage_bytes", RATIO: 'hw_gpu_utilization_ratio{hw_gpu_task="general"}'}
    own["nodescope_gpu_attributed_power_watts"] = 'hw_power_watts{hw_type="gpu"}'
    for attributed, device in own.items():
        told = summed(ask(device), "hw_id")
        assert summed(ask(attributed), "hw_id") == told
        assert len(told) == 8
        assert ask(f"sum by (hw_id, instance) ({attributed}) != on (hw_id, instance) {device}") == []
    # A series' first sample is no increase, and holders have more than one: at most a few samples apart.
    (drawn,), (held,) = (
        ask('sum(increase(hw_energy_joules_total{hw_type="gpu"}[1h]))'),
        ask(f'sum(increase({ENERGY}{{holder!="departed"}}[1h]))'),
    )
    assert held[1] == pytest.approx(drawn[1], rel=0.35)


class Node:
    """An agent beside a real engine, on two GPUs of a driver's library whose processes are the engine's."""

    def __init__(self, server: Server, script: Script, runtime: Engine, get: Callable[..., Any]) -> None:
        self.server = server
        self.script = script
        self.runtime = runtime
        self._get = get

    def run(self, name: str, *flags: str) -> int:
        """Starts a container; the PID of its first process on the host."""
        self.runtime.run("run", "-d", "--name", name, *flags, IMAGE, "sleep", "1000")
        pid: int = self.runtime.inspect(name)["State"]["Pid"]
        return pid

    def rows(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """A family on a page, by some of its labels; the parts of every GPU on that page sum to the GPU's own."""
        samples = read(self._get(self.server.port, "/metrics").body).samples
        page = Page(samples)
        # Before it knows who there is the agent divides nothing.
        if page.holders:
            page.checked()
        found = [(dict(pairs), value) for (family, pairs), value in samples.items() if family == name]
        return summed(found, *labels)

    def waits_for(self, what: Callable[[], bool]) -> None:
        until(what)
        assert what(), self.server.log


@pytest.fixture(params=["docker", "podman"])
def node(
    request: pytest.FixtureRequest,
    program: Callable[..., str],
    agent_process: Callable[..., Server],
    http_get: Callable[..., Any],
    tmp_path: Path,
) -> Iterator[Node]:
    library = beside(build(tmp_path), tmp_path / "driver")
    script = Script(library.parent / SCRIPT, count=2)
    for gpu in range(2):
        script.set("memory.used", 80 * GIB, gpu=gpu)
        script.set("energy", "1000000 + 600000/s", gpu=gpu)
    script.write()
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.container")
    often = ("--collector.gpu.interval=200ms", "--collector.container.interval=500ms", "--collector.gpu.kmsg=")
    with host_root() as root, engine(str(request.param), root, program) as runtime:
        where = (f"--path.rootfs={root}", f"--state.directory={tmp_path}", f"--collector.gpu.nvml-library={library}")
        yield Node(agent_process("agent", *only, *often, *where), script, runtime, http_get)


@pytest.mark.timeout(120)
def test_containers_of_a_real_engine(node: Node) -> None:
    """Each has the memory of its processes under its name, until it is gone; a process elsewhere is a conflict."""
    train = node.run("train", "--env", "NVIDIA_VISIBLE_DEVICES=0")
    serve = node.run("serve", "--env", "NVIDIA_VISIBLE_DEVICES=1")
    node.script.process(train, gpu=0, memory=60 * GIB, sm=90)
    node.script.process(serve, gpu=1, memory=20 * GIB, sm=30)
    node.script.process(train, gpu=1, memory=10 * GIB, sm=10)
    node.script.write()
    wanted = {("train",): 70.0 * GIB, ("serve",): 20.0 * GIB}
    node.waits_for(lambda: wanted.items() <= node.rows(MEMORY, "container").items())
    assert node.rows(MEMORY, "holder")["unattributed",] == 70.0 * GIB

    def claims() -> set[tuple[str, ...]]:
        return set(node.rows("nodescope_container_device_claim", "container_name", "evidence", "conflict"))

    node.waits_for(lambda: {("train", "process", ""), ("serve", "process", "")} <= claims())
    assert any(name == "train" and "not among the devices" in conflict for name, _, conflict in claims())
    node.waits_for(lambda: node.rows(ENERGY, "container").get(("train",), 0) > 0)
    before = node.rows(ENERGY, "container")["train",]
    node.runtime.run("rm", "-f", *(("-t", "0") if node.runtime.name == "podman" else ()), "train")
    for gpu in range(2):
        node.script.no_process(train, gpu=gpu)
    node.script.write()
    node.waits_for(lambda: ("train",) not in node.rows(MEMORY, "container"))
    assert node.rows(MEMORY, "container")["serve",] == 20.0 * GIB
    assert node.rows(ENERGY, "container")["train",] >= before > 0
