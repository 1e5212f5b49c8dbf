"""Engines of users, who log in and out."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from nodescope.containers.engine.sockets import MAX_SOCKETS
from nodescope.containers.kept import KeptContainers
from nodescope.containers.runtimes import Runtimes
from nodescope.host import Host
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.test_runtimes import Agent


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
    """Engines beyond the first sixteen are told of, once for as many."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    for uid in range(1000, 1018):
        (tmp_path / f"run/user/{uid}").mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / f"run/user/{uid}/docker.sock"))
    runtimes = Runtimes(Host(rootfs=str(tmp_path)), (), lambda event: None)
    for _ in range(2):
        runtimes.look()
        assert len(runtimes.statuses()) == MAX_SOCKETS
    runtimes.close()
    told = [record.getMessage() for record in caplog.records if "beyond the first 16" in record.getMessage()]
    assert [line.partition(" ")[0] for line in told] == ["2"]
