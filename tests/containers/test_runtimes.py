"""All runtimes of a host together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.containers.runtimes import Runtimes
from nodescope.host import Host
from nodescope.records.container import ContainerEvent
from tests.containers.engine.fake_engine import FakeEngine

LONG_S = 20.0


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def test_a_host_without_runtimes(root: Path) -> None:
    """Where nothing listens there are no containers and no statuses, and nothing is started."""
    runtimes = Runtimes(Host(rootfs=str(root)), (), lambda event: None)
    runtimes.look()
    assert (runtimes.containers(), runtimes.statuses()) == ((), ())
    runtimes.close()


def test_an_engine_is_followed(root: Path) -> None:
    """Its containers are known, what happens to them is passed on, and it is told how it fares."""
    heard: list[ContainerEvent] = []
    with FakeEngine(root / "run/docker.sock") as engine:
        container = engine.create(1, name="web")
        runtimes = Runtimes(Host(rootfs=str(root)), (), heard.append)
        runtimes.look()
        wait_for(lambda: len(runtimes.containers()) == 1)
        assert runtimes.containers()[0].name == "web"
        (status,) = runtimes.statuses()
        assert (status.runtime, status.state) == ("docker", "ok")
        engine.start(container)

        def told() -> bool:
            runtimes.look()
            return [event.kind for event in heard] == ["running"]

        wait_for(told)
        runtimes.close()
