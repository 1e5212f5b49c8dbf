"""The sampler of containers, over an engine, cgroups and GPUs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nodescope import configuration
from nodescope.collectors.container.container import build
from nodescope.collectors.container.source import loop
from nodescope.collectors.gpu.attributing import ledger
from nodescope.collectors.parts import Parts, Surroundings
from nodescope.containers.runtimes import Runtimes
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host
from nodescope.records.container import Container, ContainerUse, RuntimeStatus
from nodescope.records.container_choice import ContainersLeftOut
from nodescope.records.container_view import ContainerView, views
from tests.collectors.container.sampled import of, sampled
from tests.containers.engine.fake_engine import FakeEngine

LONG_S = 20.0


def parts(root: Path, heard: list[tuple[str, str]], **flags: str) -> Parts:
    def publish(kind: str, subject: str, attributes: Mapping[str, str]) -> None:
        heard.append((kind, subject))

    host = Host(f"{root}/proc", f"{root}/sys", str(root))
    given = {"collector.gpu.enabled": "false", "collector.rdma.enabled": "false", **flags}
    return Parts(host, configuration.load(given, {}), Surroundings(publish, {}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("run", "proc/1", "sys/fs/cgroup"):
        (tmp_path / folder).mkdir(parents=True)
    mount = f"30 1 0:26 / {tmp_path}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    (tmp_path / "proc/1/mountinfo").write_text(mount)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/mountinfo").write_text(mount)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory io pids\n")
    return tmp_path


def cgroup(root: Path, container_id: str) -> Path:
    folder = root / f"sys/fs/cgroup/system.slice/docker-{container_id}.scope"
    folder.mkdir(parents=True)
    (folder / "cpu.stat").write_text("usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\n")
    (folder / "memory.current").write_text("1048576\n")
    (folder / "memory.stat").write_text("anon 524288\nfile 262144\ninactive_file 262144\n")
    (folder / "memory.events").write_text("oom 0\noom_kill 0\n")
    (folder / "pids.current").write_text("3\n")
    (folder / "cgroup.procs").write_text("")
    return folder


def test_a_host_without_containers(root: Path) -> None:
    """Where there is neither a runtime nor a container's cgroup it is absent."""
    made = loop(parts(root, []))
    with pytest.raises(Absent):
        made.sampler.sample()
    made.stop()


def test_the_first_sample_has_what_the_runtimes_tell(root: Path) -> None:
    """Who samples once, or scrapes at the start, is told of the containers that there are, not of none."""
    with FakeEngine(root / "run/docker.sock") as engine:
        engine.start(engine.create(1, name="web"))
        made = loop(parts(root, []))
        records = made.sampler.sample()
        made.stop()
    assert [one.name for one in of(records, Container)] == ["web"]
    assert [one.state for one in of(records, RuntimeStatus)] == ["ok"]


def test_the_sampler_of_before_a_reload(root: Path) -> None:
    """Once another follows the runtimes it tells nothing, neither of containers by their ids nor of whose GPUs are."""
    with FakeEngine(root / "run/docker.sock") as engine:
        engine.start(container := engine.create(1, name="web"))
        cgroup(root, container)
        asked = parts(root, [])
        before = loop(asked)
        assert [one.name for one in of(before.sampler.sample(), Container)] == ["web"]
        after = loop(Parts(asked.host, asked.settings, asked.surroundings))
        after.sampler.sample()
        known = ledger(asked)._known
        with pytest.raises(Absent):
            before.sampler.sample()
        assert known is ledger(asked)._known
        before.stop()
        assert [one.name for one in of(after.sampler.sample(), Container)] == ["web"]
        after.stop()


def test_a_host_without_cgroups(root: Path) -> None:
    """What a runtime tells of a container is shown, though no cgroup filesystem is mounted."""
    for process in ("1", "self"):
        (root / f"proc/{process}/mountinfo").write_text("")
    with FakeEngine(root / "run/docker.sock") as engine:
        container = engine.create(1, name="web")
        engine.start(container)
        made = loop(parts(root, []))
        deadline = time.monotonic() + LONG_S
        while not any(type(record) is Container for record in made.sampler.sample()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        made.stop()


def test_a_cgroup_that_was_left_behind(root: Path) -> None:
    """A cgroup without a process is no running container where no runtime tells of it; one that tells none is shown."""
    left, living, untold = "a" * 64, "b" * 64, "c" * 64
    (cgroup(root, left) / "pids.current").write_text("0\n")
    cgroup(root, living)
    (cgroup(root, untold) / "pids.current").unlink()
    made = loop(parts(root, []))
    records = made.sampler.sample()
    made.stop()
    assert {record.id for record in records if type(record) is Container} == {living, untold}
    assert {record.id for record in records if type(record) is ContainerUse} == {living, untold}


def test_cgroups_that_are_not_the_hosts(root: Path, sampler: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where containers run and none has a cgroup here, the log says so once, with what to do."""
    with FakeEngine(root / "run/docker.sock") as engine:
        made = sampler(parts(root, []))
        container = engine.create(1, name="web")
        made.sampler.sample()
        engine.start(container)
        sampled(made, lambda all_: [one.state for one in of(all_, Container)] == ["running"])
        for _ in range(3):
            made.sampler.sample()
        engine.start(engine.create(2, name="other"))
        sampled(made, lambda all_: len(of(all_, Container)) == 2)
    assert [line.partition(" below ")[0] for line in caplog.messages if "no cgroup of" in line] == [
        "1 containers run, and no cgroup of them is"
    ]


def test_kills_of_one_that_was_deleted(root: Path, sampler: Any) -> None:
    """Another container under its id begins without its kills for memory."""
    counts = []
    with FakeEngine(root / "run/docker.sock") as engine:
        made = sampler(parts(root, []))
        for kills in (2, 0):
            container = engine.create(1, name="web")
            engine.start(container)
            folder = cgroup(root, container)
            (folder / "memory.events").write_text(f"oom 0\noom_kill {kills}\n")
            records = sampled(made, lambda all_: bool(of(all_, Container)) and bool(of(all_, ContainerUse)))
            counts += [use.oom_kills for use in of(records, ContainerUse)]
            shutil.rmtree(folder)
            engine.die(container, 137)
            sampled(made, lambda all_: not of(all_, ContainerUse))
            engine.remove(container)
            sampled(made, lambda all_: not of(all_, Container))
    assert counts == [2, 0]


@pytest.mark.parametrize(("code", "kinds"), [(0, []), (137, ["container.oom_killed"])])
def test_a_kill_that_only_the_cgroup_above_counted(root: Path, sampler: Any, code: int, kinds: list[str]) -> None:
    """Beside what is no container it is of the container that ended, unless that ended well."""
    heard: list[tuple[str, str]] = []
    above = root / "sys/fs/cgroup/system.slice"
    (above / "slurmstepd.scope").mkdir(parents=True)
    (above / "memory.events").write_text("oom 0\noom_kill 3\n")
    with FakeEngine(root / "run/docker.sock") as engine:
        made = sampler(parts(root, heard))
        container = engine.create(1, name="web")
        engine.start(container)
        folder = cgroup(root, container)
        sampled(made, lambda all_: bool(of(all_, Container)) and bool(of(all_, ContainerUse)))
        engine.die(container, code)
        sampled(made, lambda all_: [one.exit_code for one in of(all_, Container)] == [code])
        shutil.rmtree(folder)
        (above / "memory.events").write_text("oom 0\noom_kill 4\n")
        sampled(made, lambda all_: not of(all_, ContainerUse))
        made.sampler.sample()
    assert [kind for kind, _ in heard if kind == "container.oom_killed"] == kinds


def test_a_file_that_cannot_be_understood(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted at each look, and the log has it once, by its name and place, until it is well again."""
    file = cgroup(root, "a" * 64) / "memory.current"
    made = loop(parts(root, []))
    counts = []
    for data in ("many\n", "many\n", "1\n", "few\n"):
        file.write_text(data)
        (told,) = [record for record in made.sampler.sample() if type(record) is ContainersLeftOut]
        counts.append(told.files)
    made.stop()
    assert counts == [1, 1, 0, 1]
    told_of = [line for line in caplog.messages if "containers' cgroups" in line]
    where = f"of what containers' cgroups tell 1 are left out; the first: {file.parent}: memory.current: expected"
    assert [line.startswith(where) for line in told_of] == [True, True]
    assert [data in line for data, line in zip(("many", "few"), told_of, strict=True)] == [True, True]


def test_a_container(root: Path) -> None:
    """What its engine tells and what its cgroup says are shown together, and what happens to it is published."""
    heard: list[tuple[str, str]] = []
    with FakeEngine(root / "run/docker.sock") as engine:
        container = engine.create(1, name="web")
        engine.start(container)
        cgroup(root, container)
        settings = parts(root, heard, **{"collector.container.interval": "0.5s"})
        made = loop(settings)
        made.start()
        collector = build(settings.host, settings.settings, made)
        wanted = ("container_cpu_time_seconds_total{", 'container_name="web"')
        text, deadline = "", time.monotonic() + LONG_S
        while not all(word in text for word in wanted):
            assert time.monotonic() < deadline, text[:2000]
            try:
                text = TextEncoder().encode(collector.collect()).decode()
            except Absent:
                text = ""
            time.sleep(0.1)
        engine.die(container, 3)
        while ("container.exited", container) not in heard:
            assert time.monotonic() < deadline, heard
            time.sleep(0.1)
        made.stop()


def test_one_id_in_two_namespaces(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers that containerd has under one name in several namespaces are each told of, with its own figures."""
    told = []
    for number, namespace in enumerate(("a", "b", "default"), start=1):
        folder = root / f"sys/fs/cgroup/{namespace}/web"
        folder.mkdir(parents=True)
        (folder / "cpu.stat").write_text(f"usage_usec {number}000000\n")
        (folder / "io.stat").write_text(f"8:0 rbytes={number} wbytes=0 rios=1 wios=0\n")
        told.append(
            Container(runtime="containerd", id="web", name="web", namespace=namespace, cgroup=f"/{namespace}/web")
        )
    monkeypatch.setattr(Runtimes, "containers", lambda _self: tuple(told))
    made = loop(parts(root, []))
    records = made.sampler.sample()
    made.stop()
    seen = {
        view.container.key: (view.use and view.use.cpu_seconds, view.read_bytes)
        for view in views(records, 0.0)
        if type(view) is ContainerView
    }
    assert seen == {"a/web": (1.0, 1), "b/web": (2.0, 2), "web": (3.0, 3)}
    assert [record.containers for record in records if type(record) is ContainersLeftOut] == [0]
