"""What is kept of containers across restarts."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.kept import MAX_KEPT_SECONDS, MAX_RUNTIMES, KeptContainers, KeptLife, KeptRuntime, KeptState
from nodescope.containers.lifecycle import Life
from nodescope.kernel.state_file import StateFile
from nodescope.records.container import Container

LONG_S = 20.0


class Following:
    """Knows one runtime; counts how often it was ended."""

    def __init__(self, socket: str, *lives: KeptLife, turn: int = 1) -> None:
        self.turn = turn
        self.socket = socket
        self.lives = list(lives)
        self.ended = 0

    def known(self) -> list[tuple[str, KeptRuntime]]:
        return [(self.socket, KeptRuntime("docker", time.time(), self.lives))]

    def end(self) -> list[tuple[str, KeptRuntime]]:
        self.ended += 1
        return self.known()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_life_is_kept() -> None:
    """What comparing needs of a life comes back as it was; what is longer than is kept is cut, and read again."""
    record = Container(
        runtime="docker", id="a", name="x" * 1000, image="vllm:1", state="running", health="healthy", pid=7,
        started_seconds=5.0, labels={"secret": "hunter2"},
    )  # fmt: skip
    life = Life(record, 9.0)
    life.oom_killed = True
    kept = KeptLife.of(life)
    again = kept.life("docker")
    for name in ("state", "health", "oom_killed", "pid", "ran", "latest"):
        assert getattr(again, name) == getattr(life, name)
    assert (again.record.id, again.record.name, again.record.image) == ("a", "x" * 512, "vllm:1")
    assert "hunter2" not in repr(kept)


def test_it_outlives_the_agent(tmp_path: Path) -> None:
    """What was known at the end is known at the next start, from a folder that is made for it."""
    path = tmp_path / "state/containers.json"
    kept = KeptContainers(str(path))
    assert kept.of("/run/docker.sock") is None
    leader = Following("/run/docker.sock", KeptLife("a", "train", "running"))
    kept.lead(leader)
    kept.changed()
    until(path.exists)
    leader.lives.append(KeptLife("b", "web", "exited", exit_code=3))
    kept.close()
    assert leader.ended == 1
    found = KeptContainers(str(path)).of("/run/docker.sock")
    assert found is not None
    assert (found.runtime, found.lives) == ("docker", leader.lives)


def test_one_leads_at_a_time() -> None:
    """A later one finds what the one before knew at its end; that leads again only once the later one has ended."""
    kept = KeptContainers(None)
    first, second = Following("s", KeptLife("a", "a", "running"), turn=kept.turn()), Following("s", turn=kept.turn())
    assert kept.lead(first)
    assert kept.lead(first)
    kept.end(second)
    assert first.ended == 0
    assert kept.lead(second)
    assert not kept.lead(first)
    assert (first.ended, second.ended) == (1, 0)
    found = kept.of("s")
    assert found is not None
    assert found.lives == first.lives
    kept.end(second)
    assert kept.lead(first)
    kept.close()
    assert (first.ended, second.ended) == (2, 1)


def test_what_is_old_is_dropped(tmp_path: Path) -> None:
    """A runtime that was not followed for a week is forgotten, and so are the oldest of too many."""
    path = str(tmp_path / "c.json")
    now = time.time()
    seen = {f"s{number}": KeptRuntime("docker", now - number) for number in range(MAX_RUNTIMES + 3)}
    seen["old"] = KeptRuntime("docker", now - MAX_KEPT_SECONDS - 5)
    StateFile(path, KeptState, 1, "x").save(KeptState(runtimes=seen))
    kept = KeptContainers(path)
    found = [socket for socket in seen if kept.of(socket) is not None]
    assert found == [f"s{number}" for number in range(MAX_RUNTIMES)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"version":2}',
        b'{"runtimes":{"s":{"runtime":"docker","seen_seconds":-1}}}',
        b'{"runtimes":{"s":{"runtime":"docker","seen_seconds":1,"lives":[["a","b","flying"]]}}}',
        b'{"runtimes":{"s":{"runtime":"docker","seen_seconds":1,"lives":[["%b","b","running"]]}}}' % (b"x" * 600),
        b"[" * 100_000,
    ],
)
def test_a_file_that_cannot_be_used(data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not what was saved is told of once and kept aside; containers are known anew from then on."""
    path = tmp_path / "containers.json"
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING, "nodescope"):
        kept = KeptContainers(str(path))
        kept.lead(Following("s", KeptLife("a", "a", "running")))
        kept.close()
    assert [record.getMessage().partition(": ")[2][:42] for record in caplog.records] == [
        "saved what is known of containers cannot b"
    ]
    assert (tmp_path / "containers.json.bad").read_bytes() == data
    assert json.loads(path.read_bytes())["runtimes"]["s"]["lives"][0][:3] == ["a", "a", "running"]


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever is in the file, it is read or put aside."""
    path = tmp_path_factory.mktemp("kept") / "c.json"
    path.write_bytes(data)
    assert KeptContainers(str(path)).of("s") is None
