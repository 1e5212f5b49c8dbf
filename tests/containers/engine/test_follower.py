"""EngineFollower against an engine on a real socket that hangs, breaks, floods and is restarted."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodescope.containers.engine.follower import EngineFollower, Pace
from nodescope.records.container import ContainerEvent
from tests.containers.engine.fake_engine import FakeEngine

PACE = Pace(request_s=0.5, list_s=0.6, first_retry_s=0.02, longest_retry_s=0.1, settling_s=0.2)
UNHURRIED = PACE._replace(request_s=5.0, list_s=30.0)
DEADLINE_S = 20.0


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with a short path, for a socket's has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="nse", dir="/tmp"))
    with FakeEngine(folder / "s") as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture
def follow(engine: FakeEngine) -> Iterator[Callable[..., EngineFollower]]:
    started: list[EngineFollower] = []

    def start(pace: Pace = PACE, state: str = "ok", **options: object) -> EngineFollower:
        follower = EngineFollower(engine.path, pace=pace, **options)  # type: ignore[arg-type]
        started.append(follower)
        follower.start()
        until(lambda: follower.status().state == state)
        return follower

    yield start
    for follower in started:
        follower.close()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def heard(follower: EngineFollower, count: int) -> list[ContainerEvent]:
    """So many events, and none more in a short while."""
    events: list[ContainerEvent] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(events) < count and time.monotonic() < deadline:
        events += follower.take(0.2)
    return events + follower.take(0.2)


def kinds(events: list[ContainerEvent], container_id: str = "") -> list[str]:
    return [f"{'~' * event.inferred}{event.kind}" for event in events if container_id in ("", event.id)]


def test_a_life_is_told_event_by_event(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """Each thing that happens is told once and in order, execs are not, and the record is right at each end."""
    there = engine.create(1)
    follower = follow()
    one = engine.create(2, "train", Labels={"keep": "a", "drop": "secret"}, Env=["NVIDIA_VISIBLE_DEVICES=0", "KEY=v"])
    engine.start(one)
    engine.tell(b'{"Type":"container","Action":"exec_create: sh","Actor":{"ID":"%s"},"timeNano":5}' % one.encode())
    engine.pause(one)
    engine.unpause(one)
    engine.health(one, "healthy")
    engine.die(one, 137, oom=True)
    engine.start(one)
    engine.die(one, 3)
    engine.remove(one)
    events = heard(follower, 10)
    lived = ["created", "running", "paused", "running", "health", "oom_killed", "exited", "restarted", "exited"]
    assert kinds(events) == [*lived, "deleted"]
    assert [event.exit_code for event in events if event.kind == "exited"] == [137, 3]
    assert {event.name for event in events} == {"train"}
    assert [container.id for container in follower.containers()] == [there]
    gone = follower.container(one)
    assert gone is not None
    assert (gone.state, gone.exit_code) == ("exited", 3)
    assert "secret" not in repr(gone)


def test_records_are_inspected_after_a_start(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """When an event is told its container has been inspected: allowed labels and devices are there."""
    follower = follow(labels={"keep"})
    one = engine.create(2, Labels={"keep": "a", "drop": "b"}, Env=["NVIDIA_VISIBLE_DEVICES=GPU-1", "KEY=v"])
    engine.start(one)
    assert kinds(heard(follower, 2)) == ["created", "running"]
    record = follower.container(one)
    assert record is not None
    assert (record.labels, record.pid, record.state) == ({"keep": "a"}, 4242, "running")
    assert [device.request for device in record.devices] == ["GPU-1"]


def test_what_was_missed_is_inferred(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """After a restart of the engine, what happened meanwhile is told once, in order and marked; what did not is not."""
    quiet, ended, gone, again = (engine.create(number) for number in range(1, 5))
    for container_id in (quiet, ended, gone, again):
        engine.start(container_id)
    follower = follow()
    engine.down()
    engine.die(ended, 9)
    engine.die(again, 1)
    engine.start(again)
    engine.remove(gone)
    new = engine.create(5)
    engine.start(new)
    engine.up()
    until(lambda: follower.status().reconnects >= 1)
    events = heard(follower, 7)
    assert kinds(events, quiet) == []
    assert kinds(events, ended) == ["~exited"]
    assert [event.exit_code for event in events if event.id == ended] == [9]
    assert kinds(events, again) == ["~exited", "~restarted"]
    assert kinds(events, gone) == ["~exited", "~deleted"]
    assert kinds(events, new) == ["~created", "~running"]
    engine.die(quiet, 0)
    assert kinds(heard(follower, 1)) == ["exited"]
    assert follower.status().events_inferred == 7


def test_what_happened_before_the_agent_began(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """With the containers of the last time it tells what happened since; without them the first list is no event."""
    one = engine.create(1)
    engine.start(one)
    first = follow()
    assert first.take(0.1) == []
    known = first.containers()
    first.close()
    engine.die(one, 2)
    assert kinds(heard(follow(known=known), 1)) == ["~exited"]


def test_events_that_nobody_sent_are_found(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """What an engine keeps silent about is found by the next list, and told once."""
    follower = follow()
    engine.silent = True
    one = engine.create(1)
    engine.start(one)
    assert kinds(heard(follower, 2)) == ["~created", "~running"]
    engine.die(one, 5)
    assert kinds(heard(follower, 1)) == ["~exited"]


def test_events_under_connection_after_connection(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """While the stream is cut again and again, no event of any life is told twice, lost or out of order."""
    follower = follow(UNHURRIED)
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.03):
            engine.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    ids = []
    for number in range(60):
        ids.append(engine.create(number))
        engine.start(ids[-1])
        time.sleep(0.005)
        if number % 2:
            engine.die(ids[-1], 1)
    stop.set()
    thread.join()
    events = heard(follower, 150)
    for number, container_id in enumerate(ids):
        told = [event.kind for event in events if event.id == container_id]
        assert told == ["created", "running", "exited"][: 3 if number % 2 else 2]


def test_a_flood_keeps_every_event(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """A burst of 300 whole lives is told completely, each in order, and leaves nothing behind."""
    follower = follow(UNHURRIED)
    for number in range(300):
        one = engine.create(number)
        engine.start(one)
        engine.die(one, number % 256)
        engine.remove(one)
    events = heard(follower, 1200)
    assert len(events) == 1200
    for number in range(300):
        assert kinds(events, f"{number:064x}") == ["created", "running", "exited", "deleted"]
    assert follower.containers() == ()
    assert follower.status().events_dropped == 0


def test_a_full_queue_counts_what_it_drops(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """Where nobody takes events the oldest go, and are counted."""
    follower = follow(max_events=10)
    for number in range(30):
        engine.create(number)
    until(lambda: follower.status().events == 30)
    assert len(follower.take(0)) == 10
    assert follower.status().events_dropped == 20


def test_a_thousand_containers(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """A thousand are inspected at connect, and then not again."""
    for number in range(1000):
        engine.start(engine.create(number))
    follower = follow(PACE._replace(request_s=5.0, list_s=0.3))
    assert len(follower.containers()) == 1000
    assert all(container.pid == 4242 for container in follower.containers())
    engine.requests.clear()
    until(lambda: len(engine.requests) >= 2)
    assert {target.partition("?")[0] for target in engine.requests} == {"/v1.47/containers/json"}
    assert follower.take(0) == []


@pytest.mark.parametrize("fault", ["hang", "500", "truncated", "not json", "drip"])
def test_a_container_that_cannot_be_inspected(
    engine: FakeEngine, follow: Callable[..., EngineFollower], fault: str
) -> None:
    """One that the engine cannot tell of costs itself alone: it is known as listed, the others whole."""
    good, bad = engine.create(1), engine.create(2)
    for container_id in (good, bad):
        engine.start(container_id)
    engine.faults[f"containers/{bad}"] = fault
    follower = follow()
    records = {container.id: container for container in follower.containers()}
    assert records[good].pid == 4242
    assert (records[bad].state, records[bad].pid, records[bad].name) == ("running", None, "c2")
    assert follower.take(0) == []
    engine.faults.clear()
    until(lambda: [c.pid for c in follower.containers()] == [4242, 4242])
    assert follower.take(0.1) == []
    assert follower.left_out >= 0


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("version", "500"),
        ("version", "not json"),
        ("containers/json", "hang"),
        ("containers/json", "truncated"),
        ("containers/json", "not json"),
        ("events", "500"),
        ("events", "garbage chunk"),
    ],
)
def test_an_engine_that_breaks_recovers(
    engine: FakeEngine, follow: Callable[..., EngineFollower], target: str, fault: str
) -> None:
    """An engine that fails in any of its answers is said to, with what was asked, and is followed when it is well."""
    one = engine.create(1)
    engine.faults[target] = fault
    follower = follow(state="failed")
    assert target.partition("/")[0] in follower.status().reason
    engine.faults.clear()
    until(lambda: follower.status().state == "ok")
    engine.start(one)
    assert kinds(heard(follower, 1)) in (["running"], ["~running"])


def test_bad_events_are_counted(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """A line that is no event, or an event without id, is counted and the next one is heard."""
    follower = follow(UNHURRIED)
    engine.tell(b"nonsense {")
    engine.tell(b'{"Type":"container","Action":"start","Actor":{"ID":"../x"},"timeNano":5}')
    engine.create(1)
    assert kinds(heard(follower, 1)) == ["created"]
    engine.cut()
    until(lambda: follower.left_out == 2)


def test_absence_and_old_engines_are_states(
    engine: FakeEngine, follow: Callable[..., EngineFollower], caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody listens it is absent, silently; an engine too old is failed, said once, with what to do."""
    engine.down()
    with caplog.at_level(logging.WARNING):
        follower = follow(state="absent")
        assert caplog.records == []
        engine.version["ApiVersion"] = "1.40"
        engine.up()
        until(lambda: len(engine.requests) > 3)
    assert follower.status().state == "failed"
    assert [record.getMessage() for record in caplog.records if "update it" in record.getMessage()] != []
    assert len(caplog.records) == 1


def test_a_closed_follower_leaves_nothing(engine: FakeEngine, follow: Callable[..., EngineFollower]) -> None:
    """close() ends the thread and the connections, and may be called twice and before start()."""
    follower = follow()
    follower.close()
    follower.close()
    assert not any(thread.name.startswith("engine ") for thread in threading.enumerate())
    EngineFollower(engine.path).close()
