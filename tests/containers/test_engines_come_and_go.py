"""Engines of users, who log in and out."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.containers.engine.follower import EngineFollower
from nodescope.containers.engine.sockets import MAX_SOCKETS
from nodescope.containers.kept import KeptContainers
from nodescope.containers.runtimes import Runtimes
from nodescope.host import Host
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.test_runtimes import Agent, wait_for


def test_a_user_who_logs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's engine is followed no longer when the folder is gone, and what happened until it is back is told."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    folder = tmp_path / "run/user/1000"
    folder.mkdir(parents=True)
    agent = Agent(tmp_path, KeptContainers(None))
    with FakeEngine(folder / "docker.sock") as own:
        one = own.create(1, name="train")
        own.start(one)
        agent.ready()
        agent.runtimes.look()
        assert len(agent.runtimes.statuses()) == 1
    shutil.rmtree(folder)
    agent.runtimes.look()
    assert (agent.runtimes.statuses(), agent.runtimes.containers()) == ((), ())
    assert [place for place, _ in agent.runtimes.known()] == [str(folder / "docker.sock")]
    folder.mkdir()
    with FakeEngine(folder / "docker.sock") as own:
        own.start(own.create(1, name="train"))
        own.die(one, 5)
        agent.ready()
        assert agent.told(1)[-1] == "train ~exited"
    agent.runtimes.close()


def test_more_engines_than_are_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engines beyond the first sixteen are told of, once for as many, and who comes back is beyond these."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    for uid in range(1000, 1018):
        (tmp_path / f"run/user/{uid}").mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / f"run/user/{uid}/docker.sock"))
    runtimes = Runtimes(Host(rootfs=str(tmp_path)), (), lambda event: None)
    for _ in range(2):
        runtimes.look()
        assert len(runtimes.statuses()) == MAX_SOCKETS
    here, away = tmp_path / "run/user/1000", tmp_path / "away"
    for before, after in ((here, away), (away, here)):
        before.rename(after)
        runtimes.look()
        assert len(runtimes.statuses()) == MAX_SOCKETS
    runtimes.close()
    told = [record.getMessage() for record in caplog.records if "beyond the first 16" in record.getMessage()]
    assert [line.partition(" ")[0] for line in told] == ["2", "2"]


@pytest.mark.parametrize("is_reload", [True, False])
def test_an_end_while_a_users_engine_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_reload: bool
) -> None:
    """Who is ended while it waits for a user's engine that hangs begins to follow no other after that."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    folder = tmp_path / "run/user/1000"
    folder.mkdir(parents=True)
    waits = threading.Event()
    close = EngineFollower.close

    def closing(follower: EngineFollower) -> None:
        waits.set()
        close(follower)

    monkeypatch.setattr(EngineFollower, "close", closing)
    kept = KeptContainers(None)
    agent, after = Agent(tmp_path, kept), Agent(tmp_path, kept)
    steps: tuple[Callable[[], None], ...] = (after.runtimes.look, agent.runtimes.close)
    with FakeEngine(tmp_path / "run/docker.sock") as engine, FakeEngine(folder / "docker.sock") as own:
        one = engine.create(1, name="web")
        engine.start(one)
        own.faults["version"] = "hang"
        agent.runtimes.look()
        wait_for(lambda: len(agent.runtimes.containers()) == 1 and bool(own.requests))
        shutil.rmtree(folder)
        look = threading.Thread(target=agent.runtimes.look)
        look.start()
        wait_for(waits.is_set)
        for step in steps if is_reload else reversed(steps):
            step()
        look.join()
        assert agent.runtimes.statuses() == ()
        after.ready()
        engine.die(one, 5)
        assert after.told(1) == ["web exited"]
        assert agent.events == []
        after.runtimes.close()


def test_a_user_whose_engine_does_not_answer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known of a user's engine outlives a session in which it never answered, so that its end is told."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    folder = tmp_path / "run/user/1000"
    agent = Agent(tmp_path, KeptContainers(None))
    for session in ("runs", "does not answer", "has ended"):
        folder.mkdir(parents=True)
        with FakeEngine(folder / "docker.sock") as own:
            own.start(one := own.create(1, name="train"))
            if session == "does not answer":
                own.faults["version"] = "500"
                agent.runtimes.look()
                wait_for(lambda: agent.runtimes.statuses()[0].state == "failed")
            else:
                if session == "has ended":
                    own.die(one, 5)
                agent.ready()
        shutil.rmtree(folder)
        agent.runtimes.look()
        assert agent.runtimes.statuses() == ()
    assert agent.told(1)[-1] == "train ~exited"
    agent.runtimes.close()


def test_an_engine_that_hangs_while_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an engine that hangs when its user logs out neither a thread nor a descriptor is left in the end."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("nodescope.containers.engine.follower.CLOSE_SECONDS", 0.05)
    folder = tmp_path / "run/user/1000"
    agent = Agent(tmp_path, KeptContainers(None))
    folder.mkdir(parents=True)
    before = _events_of_this_process()
    with FakeEngine(folder / "docker.sock") as own:
        for number in range(1, 9):
            own.create(number)
        own.faults |= {"containers/json": "", "containers/": "slow"}
        agent.runtimes.look()
        wait_for(lambda: bool(own.requests) and own.requests[-1].endswith("/json"))
        shutil.rmtree(folder)
        agent.runtimes.look()
        asked = len(own.requests)
        wait_for(lambda: all(thread.name != "engine docker.sock" for thread in threading.enumerate()))
        assert len(own.requests) == asked
    assert _events_of_this_process() == before
    agent.runtimes.close()


def _events_of_this_process() -> int:
    """How many descriptors are those of events, by which followers are woken."""
    with os.scandir("/proc/self/fd") as found:
        return sum("eventfd" in os.readlink(entry.path) for entry in found if os.path.islink(entry.path))
