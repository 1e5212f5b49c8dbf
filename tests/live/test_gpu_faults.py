"""What goes wrong with GPUs, seen from outside: a whole agent on a driver's library that misbehaves."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.fake_nvml import SCRIPT, Script, beside, build
from tools.serving import Server

GPUS: Final = 8
TEMPERATURE: Final = "hw_temperature_celsius"
UP: Final = "nodescope_gpu_up"
POWER: Final = "DCGM_FI_DEV_POWER_USAGE"
SOURCE: Final = "nodescope_gpu_source_info"
SEEN_S: Final = 25.0
PAUSE_S: Final = 2.0
POLL_S: Final = 0.1
SICK: Final = 2
_LINE: Final = re.compile(r"(\w+)\{([^}]*)\} (\S+)")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


class Series(NamedTuple):
    """One line of a scrape."""

    name: str
    labels: Mapping[str, str]
    value: float


class Node:
    """An agent, its driver's script, and what it says. `answers_s`: how long each of its answers took."""

    def __init__(self, server: Server, script: Script, get: Callable[..., Any]) -> None:
        self.server = server
        self.script = script
        self.answers_s: list[float] = []
        self._get = get

    def series(self) -> list[Series]:
        begin = time.monotonic()
        body = self._get(self.server.port, "/metrics").body.decode()
        self.answers_s.append(time.monotonic() - begin)
        return [Series(m[1], dict(_LABEL.findall(m[2])), float(m[3])) for m in _LINE.finditer(body)]

    def by_gpu(self, name: str, **labels: str) -> dict[int, float]:
        """The values of a metric by the GPU's number."""
        found = (s for s in self.series() if s.name == name and labels.items() <= s.labels.items())
        return {int(s.labels["gpu"]): s.value for s in found}

    def temperatures(self) -> dict[int, float]:
        return self.by_gpu(TEMPERATURE, hw_sensor_location="gpu")

    def by_id(self) -> dict[str, float]:
        """The temperatures by the GPU's UUID, which stays where its number does not."""
        found = (s for s in self.series() if s.name == TEMPERATURE and s.labels["hw_sensor_location"] == "gpu")
        return {s.labels["hw_id"]: s.value for s in found}

    def states(self) -> dict[int, str]:
        return {int(s.labels["gpu"]): s.labels["state"] for s in self.series() if s.name == "nodescope_gpu_state"}

    def waits_for(self, what: Callable[[], bool]) -> None:
        """Until `what` holds; meanwhile every answer must come."""
        deadline = time.monotonic() + SEEN_S
        while not what():
            assert time.monotonic() < deadline, f"{self.states()} {self.temperatures()}\n{self.server.log}"
            time.sleep(POLL_S)


def healthy(values: Mapping[int, float], sick: int = SICK) -> bool:
    """Whether all but the sick GPU read what the script says of them."""
    return all(values.get(gpu) == 40 + gpu for gpu in range(GPUS) if gpu != sick)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("fake_nvml"))


@pytest.fixture
def start(
    agent_process: Callable[..., Server], library: Path, tmp_path: Path, http_get: Callable[..., Any]
) -> Iterator[Callable[..., Node]]:
    """start(): an agent that reads eight GPUs, of which each has a temperature of its own.

    `pytest -rP` shows how long its slowest answer took.
    """
    nodes: list[Node] = []

    def start(prepare: Callable[[Script], None] = lambda script: None) -> Node:
        copy = beside(library, tmp_path / "driver")
        script = Script(copy.parent / SCRIPT, count=GPUS)
        for gpu in range(GPUS):
            script.set("temperature.gpu", 40 + gpu, gpu=gpu)
        prepare(script)
        script.write()
        flags = ("--collector.gpu.interval=200ms", f"--state.directory={tmp_path}", "--collector.gpu.kmsg=")
        only = ("--collector.disable-defaults", "--collector.gpu", "--collector.gpu_dcgm")
        pause = f"--collector.gpu.pause-file={tmp_path}/paused"
        server = agent_process("agent", *only, *flags, pause, f"--collector.gpu.nvml-library={copy}")
        nodes.append(Node(server, script, http_get))
        return nodes[-1]

    yield start
    for node in nodes:
        print(f"slowest of {len(node.answers_s)} answers: {max(node.answers_s) * 1000:.0f} ms")


@pytest.fixture
def node(start: Callable[..., Node]) -> Node:
    made = start()
    made.waits_for(lambda: healthy(made.temperatures(), sick=-1))
    return made


@pytest.mark.parametrize(
    "call",
    [
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetComputeRunningProcesses_v3",
    ],
)
def test_a_call_that_hangs(node: Node, call: str) -> None:
    """A call that hangs is left out; its GPU and all others go on, and it is counted."""
    node.script.hang(call, gpu=SICK)
    node.script.write()
    node.waits_for(lambda: any(s.name == "nodescope_gpu_source_hung_calls_total" and s.value for s in node.series()))
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1) and node.states()[SICK] == "ok")
    assert all(node.by_gpu(UP).values())


def test_every_call_of_a_gpu_hangs(node: Node) -> None:
    """A GPU of which every call hangs is unresponsive, with its identity; the others never notice."""
    node.script.hang("*", gpu=SICK)
    node.script.write()
    node.waits_for(lambda: node.states().get(SICK) == "unresponsive")
    node.waits_for(lambda: healthy(node.temperatures()) and SICK not in node.temperatures())
    assert node.by_gpu(UP)[SICK] == 0
    assert SICK in node.by_gpu("hw_gpu_info")


def test_the_library_hangs_at_its_start(start: Callable[..., Node]) -> None:
    """While the library initialises for ever, scrapes are answered; when it comes back, so do the GPUs."""
    node = start(lambda script: script.hang("nvmlInit_v2"))
    for _ in range(5):
        assert node.temperatures() == {}
        time.sleep(POLL_S)
    node.script.no_hang("nvmlInit_v2")
    node.script.write()
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1))


@pytest.mark.parametrize("code", [4, 9, 18, 999])
def test_the_library_fails_at_its_start(start: Callable[..., Node], code: int) -> None:
    """Where it may not be used, the driver is not there, is of another version or fails, no value is made up; then all
    are there."""
    node = start(lambda script: script.error("nvmlInit_v2", code))
    node.waits_for(lambda: "failed" in [s.labels["state"] for s in node.series() if s.name == SOURCE])
    assert node.temperatures() == {}
    assert node.by_gpu(UP) == {}
    node.script.no_error("nvmlInit_v2")
    node.script.write()
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1))


@pytest.mark.parametrize("code", [1, 2, 3, 7, 10, 25])
def test_one_call_fails(node: Node, code: int) -> None:
    """What one call does not tell is absent, of its GPU alone; all else of it and of the others is as it was."""
    call = "nvmlDeviceGetPowerUsage"
    assert len(node.by_gpu(POWER)) == GPUS
    node.script.error(call, code, gpu=SICK)
    node.script.write()
    node.waits_for(lambda: set(node.by_gpu(POWER)) == set(range(GPUS)) - {SICK})
    assert healthy(node.temperatures(), sick=-1)
    assert set(node.states().values()) == {"ok"}


@pytest.mark.parametrize(
    ("code", "state"), [(15, "lost"), (16, "reset_required"), (4, "denied"), (999, "failed")], ids=str
)
def test_a_gpu_answers_with_an_error(node: Node, code: int, state: str) -> None:
    """A GPU that is lost, wants a reset, is denied or unknown keeps its identity and says so; then it is back."""
    node.script.error("*", code, gpu=SICK)
    node.script.write()
    node.waits_for(lambda: node.states().get(SICK) == state and SICK not in node.temperatures())
    assert healthy(node.temperatures())
    assert node.by_gpu(UP)[SICK] == 0
    assert SICK in node.by_gpu("hw_gpu_info")
    node.script.no_error("*", gpu=SICK)
    node.script.write()
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1) and node.states()[SICK] == "ok")


@pytest.mark.parametrize("code", [9, 18])
def test_the_driver_goes_and_comes(node: Node, code: int) -> None:
    """A driver that is unloaded or replaced under us costs the readings until a new process has loaded the new one."""
    node.script.error("*", code)
    node.script.error("nvmlInit_v2", code)
    node.script.write()
    node.waits_for(lambda: set(node.states().values()) == {"failed"})
    assert node.temperatures() == {}
    node.script.no_error("*")
    node.script.no_error("nvmlInit_v2")
    node.script.set("driver", "580.65.06")
    node.script.write()
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1))
    assert {s.labels["driver_version"] for s in node.series() if s.name == "nodescope_gpu_source_info"} == {"580.65.06"}


def test_a_gpu_is_taken_out_and_put_in(node: Node) -> None:
    """A GPU that is gone vanishes, and its siblings keep their own series; it comes back, and a new one beside it."""
    before = node.by_id()
    left = {uuid: value for uuid, value in before.items() if value != 40 + SICK}
    assert len(left) == GPUS - 1
    node.script.set("absent", 1, gpu=SICK)
    node.script.write()
    node.waits_for(lambda: len(node.by_gpu(UP)) == GPUS - 1)
    node.waits_for(lambda: node.by_id() == left)
    node.script.unset("absent", gpu=SICK)
    node.script.set("count", GPUS + 1)
    node.script.set("temperature.gpu", 40 + GPUS, gpu=GPUS)
    node.script.write()
    node.waits_for(lambda: len(node.by_id()) == GPUS + 1)
    assert sorted(node.by_id().values()) == [40 + gpu for gpu in range(GPUS + 1)]
    assert before.items() <= node.by_id().items()


def test_mig_is_switched_on_and_off(node: Node) -> None:
    """Instances appear with a new generation and vanish with the next; other GPUs go on."""
    node.script.mig(SICK, {0: (7, 0, "1g.18gb"), 3: (8, 0, "1g.18gb")})
    node.script.write()
    node.waits_for(lambda: sum(s.name == "hw_gpu_instance_info" for s in node.series()) == 2)
    shown = [s.labels for s in node.series() if s.name == "DCGM_FI_DEV_FB_USED" and s.labels["gpu"] == str(SICK)]
    assert [(labels["GPU_I_PROFILE"], labels["GPU_I_ID"]) for labels in shown] == [("1g.18gb", "7"), ("1g.18gb", "8")]
    assert healthy(node.temperatures(), sick=-1)
    node.script.no_mig(SICK)
    node.script.write()
    node.waits_for(lambda: not any(s.name == "hw_gpu_instance_info" for s in node.series()))
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1))


def test_a_storm_of_xids(node: Node) -> None:
    """Ten thousand XIDs are counted, each once, and scrapes are answered meanwhile."""
    node.script.xid(31, gpu=SICK, count=10_000)
    node.script.xid(79, gpu=5)
    node.script.write()
    node.waits_for(lambda: node.by_gpu("hw_gpu_xid_errors_total", xid="31") == {SICK: 10_000.0})
    node.waits_for(lambda: node.by_gpu("DCGM_FI_DEV_XID_ERRORS")[5] == 79)
    assert healthy(node.temperatures(), sick=-1)


def test_a_pause(node: Node, tmp_path: Path, http_get: Callable[..., Any]) -> None:
    """While paused no process of ours has the library; scrapes are answered, and after it the GPUs are back."""
    (tmp_path / "paused").write_bytes(b"")
    node.waits_for(lambda: set(node.states().values()) == {"paused"})
    assert children_of(node.server.pid) == []
    assert "libnvidia-ml" not in Path(f"/proc/{node.server.pid}/maps").read_text()
    (tmp_path / "paused").unlink()
    node.waits_for(lambda: healthy(node.temperatures(), sick=-1))


def test_a_pause_while_nvidia_smi_runs(
    agent_process: Callable[..., Server], http_get: Callable[..., Any], tmp_path: Path
) -> None:
    """A run that has the driver open is over within 2 s of the pause, and so is what it started."""
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\nsleep 30 &\necho $! $$ > "$(dirname "$0")/pids"\nwait\n')
    program.chmod(0o755)
    only = ("--collector.disable-defaults", "--collector.gpu", f"--collector.gpu.pause-file={tmp_path}/paused")
    source = ("--collector.gpu.source=nvidia-smi", f"--collector.gpu.nvidia-smi={program}", "--collector.gpu.kmsg=")
    server = agent_process("agent", *only, *source, f"--state.directory={tmp_path}")
    deadline = time.monotonic() + SEEN_S
    while not children_of(server.pid):
        assert time.monotonic() < deadline, server.log
        http_get(server.port, "/metrics")
        time.sleep(POLL_S)
    (tmp_path / "paused").write_bytes(b"")
    deadline = time.monotonic() + PAUSE_S
    while children_of(server.pid):
        assert time.monotonic() < deadline
        time.sleep(POLL_S)
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in (tmp_path / "pids").read_text().split())
    http_get(server.port, "/metrics")


def children_of(pid: int) -> list[str]:
    tasks = os.listdir(f"/proc/{pid}/task")
    return [child for task in tasks for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
