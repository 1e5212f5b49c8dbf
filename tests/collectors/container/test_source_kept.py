"""The sampler of containers over restarts of the agent and reloads of its settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nodescope import configuration
from nodescope.collectors.container.source import loop
from nodescope.collectors.parts import Parts, Surroundings
from nodescope.host import Host
from nodescope.sampling import SamplerLoop
from tests.containers.engine.fake_engine import FakeEngine

LONG_S = 20.0


class Agent:
    """What is published, and what is kept, as the agent does it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.published: list[str] = []
        self.about: list[Mapping[str, str]] = []
        self.surroundings = Surroundings(self._publish, {}, keeps_state=True)

    def _publish(self, kind: str, subject: str, attributes: Mapping[str, str]) -> None:
        self.published.append(f"{attributes['name']} {kind}{' inferred' if 'inferred' in attributes else ''}")
        self.about.append(attributes)

    def measure(self) -> SamplerLoop:
        """Begins to, as at the start and at each reload."""
        given = {
            "collector.gpu.enabled": "false",
            "collector.rdma.enabled": "false",
            "collector.container.interval": "0.5s",
            "state.directory": f"{self.root}/state",
        }
        host = Host(f"{self.root}/proc", f"{self.root}/sys", str(self.root))
        made = loop(Parts(host, configuration.load(given, {}), self.surroundings))
        made.start()
        until(lambda: made.snapshot is not None and any(self._ok(record) for record in made.snapshot.records))
        return made

    def _ok(self, record: object) -> bool:
        return getattr(record, "state", "") == "ok"


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_start_a_reload_and_a_restart(tmp_path: Path) -> None:
    """Over a start, a reload and a restart each thing that happened is published once."""
    for folder in ("run", "proc/1", "proc/self", "sys/fs/cgroup"):
        (tmp_path / folder).mkdir(parents=True)
    for process in ("1", "self"):
        mount = f"30 1 0:26 / {tmp_path}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        (tmp_path / f"proc/{process}/mountinfo").write_text(mount)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory io pids\n")
    with FakeEngine(tmp_path / "run/docker.sock") as engine:
        one = engine.create(1, "train")
        agent = Agent(tmp_path)
        before = agent.measure()
        engine.start(one)
        until(lambda: agent.published == ["train container.running"])
        after = agent.measure()
        before.stop()
        engine.die(one, 1)
        until(lambda: len(agent.published) == 2)
        after.stop()
        agent.surroundings.end()
        assert agent.published == ["train container.running", "train container.exited"]
        engine.start(one)
        engine.start(engine.create(2, "new"))
        again = Agent(tmp_path)
        made = again.measure()
        until(lambda: len(again.published) >= 3)
        made.stop()
        again.surroundings.end()
    assert again.published == [
        "train container.restarted inferred", "new container.created inferred", "new container.running inferred",
    ]  # fmt: skip
    assert agent.about[1] == {"runtime": "docker", "name": "train", "evidence": "runtime", "exit_code": "1"}
