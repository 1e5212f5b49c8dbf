"""EngineFollower beside an engine that does what a real one does not do on request."""

from __future__ import annotations

import time
import tracemalloc
from collections import deque
from pathlib import Path
from typing import Final

import pytest

from nodescope.containers.engine.follower import Pace
from nodescope.records.container import ContainerEvent
from tests.containers.engine.fake_engine import PID, FakeEngine
from tests.containers.engine.followed import PACE, UNHURRIED, Follow, heard, kinds, until

TRACED_S: Final = 60.0
"""Tracing makes each allocation several times as slow, whatever else the machine is doing."""
LIFE = ["created", "running", "exited", "deleted"]


def by_id(events: list[ContainerEvent]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event.id, []).append(f"{'~' * event.inferred}{event.kind}")
    return found


def test_an_engine_that_is_slow(engine: FakeEngine, follow: Follow) -> None:
    """Where each answer is 0.2 s late all is known, and told once and in order, only later."""
    engine.faults[""] = "slow"
    one = engine.create(1)
    engine.start(one)
    follower = follow(pace=UNHURRIED)
    assert [container.pid for container in follower.containers()] == [PID]
    engine.die(one, 3)
    engine.remove(one)
    assert kinds(heard(follower, 2)) == ["exited", "deleted"]


@pytest.mark.parametrize("fault", ["hang", "half", "500", "404", "truncated", "not json", "not http", "drip"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_container_that_cannot_be_inspected(engine: FakeEngine, follow: Follow, fault: str, chunked: bool) -> None:
    """One that the engine cannot tell of costs itself alone: it is known as listed, or gone; the others whole."""
    engine.chunked = chunked
    good, bad, last = (engine.create(number) for number in (1, 2, 3))
    for container_id in (good, bad, last):
        engine.start(container_id)
    engine.faults[f"containers/{bad}"] = fault
    follower = follow()
    records = {container.id: container for container in follower.containers()}
    assert (records[good].pid, records[last].pid) == (PID, PID)
    if fault == "404":
        assert bad not in records
    else:
        assert (records[bad].state, records[bad].pid, records[bad].name) == ("running", None, "c2")
    assert follower.take(0) == []
    engine.faults.clear()
    until(lambda: [c.pid for c in follower.containers()] == [PID] * 3)
    assert kinds(follower.take(0.1)) == (["~created", "~running"] if fault == "404" else [])


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("version", "500"),
        ("version", "not json"),
        ("version", "not http"),
        ("version", "half"),
        ("version", "too deep"),
        ("containers/json", "hang"),
        ("containers/json", "half"),
        ("containers/json", "500"),
        ("containers/json", "truncated"),
        ("containers/json", "not json"),
        ("containers/json", "not http"),
        ("events", "500"),
        ("events", "not http"),
        ("events", "garbage chunk"),
    ],
)
def test_an_engine_that_breaks_recovers(engine: FakeEngine, follow: Follow, target: str, fault: str) -> None:
    """An engine that fails in any of its answers is said to, with what was asked, and is followed when it is well."""
    one = engine.create(1)
    engine.faults[target] = fault
    follower = follow(state="failed")
    assert target.partition("/")[0] in follower.status().reason
    engine.faults.clear()
    until(lambda: follower.status().state == "ok")
    engine.start(one)
    assert kinds(heard(follower, 1)) in (["running"], ["~running"])


@pytest.mark.parametrize("fault", ["hang", "half", "500", "truncated", "not http"])
def test_a_list_that_breaks_later(engine: FakeEngine, follow: Follow, fault: str) -> None:
    """Where a later list fails what is known stays, and what happened meanwhile is told once the engine is well."""
    one, other = engine.create(1), engine.create(2)
    engine.start(one)
    follower = follow()
    engine.faults["containers/json"] = fault
    until(lambda: follower.status().state == "failed")
    assert {container.id: container.pid for container in follower.containers()} == {one: PID, other: None}
    engine.start(other)
    engine.die(one, 7)
    engine.faults.clear()
    until(lambda: follower.status().state == "ok")
    events = heard(follower, 2)
    assert {id_: [kind.lstrip("~") for kind in told] for id_, told in by_id(events).items()} == {
        one: ["exited"],
        other: ["running"],
    }
    assert [event.exit_code for event in events if event.id == one] == [7]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_thousand_containers(engine: FakeEngine, follow: Follow, chunked: bool) -> None:
    """A thousand are inspected at connect, and then not again, be their list in chunks or in one piece."""
    engine.chunked = chunked
    for number in range(1000):
        engine.start(engine.create(number))
    follower = follow(pace=PACE._replace(request_s=5.0, list_s=0.3))
    assert len(follower.containers()) == 1000
    assert all(container.pid == PID for container in follower.containers())
    engine.requests.clear()
    until(lambda: len(engine.requests) >= 2)
    assert {target.partition("?")[0] for target in engine.requests} == {"/v1.47/containers/json"}
    assert follower.take(0) == []


def test_ten_thousand_events_at_once(engine: FakeEngine, follow: Follow) -> None:
    """A burst of 2,500 whole lives is told completely, each in order, and leaves nothing behind."""
    follower = follow(pace=UNHURRIED)
    # It remembers 256 events for who hears it a moment late, and more happen here.
    until(lambda: engine.watched)
    ids = engine.lives(1, 2500)
    told = by_id(heard(follower, 10_000))
    assert told.keys() == set(ids)
    assert all(life == LIFE for life in told.values())
    assert follower.containers() == ()
    status = follower.status()
    assert (status.events, status.events_inferred, status.events_dropped) == (10_000, 0, 0)


@pytest.mark.timeout(120)
def test_fifty_starts_a_second(engine: FakeEngine, follow: Follow) -> None:
    """Over ten seconds of 50 starts each, every event is told within moments, and memory does not grow with them."""
    follower = follow(pace=UNHURRIED)
    # It remembers 256 events for who hears it a moment late, and more happen here.
    until(lambda: engine.watched)
    engine.requests = deque(maxlen=10)
    told = 0
    # As many as deleted ones are remembered: from then on it is the same again and again.
    engine.lives(1, 600)
    told += len(heard(follower, 2400))
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        for second in range(10):
            engine.lives(1000 + 50 * second, 50, per_second=50)
            told += len(follower.take(0))
        told += len(heard(follower, 4 * 1100 - told, TRACED_S))
        grown = tracemalloc.get_traced_memory()[0] - begin
    finally:
        tracemalloc.stop()
    assert told == 4 * 1100
    assert follower.status().events_dropped == 0
    # Those that were remembered before the tracing began count for nothing; each that took its place counts.
    assert grown < 512 * 4096


def test_a_container_that_vanishes(engine: FakeEngine, follow: Follow) -> None:
    """One that goes between the list and its inspection is told to be gone, and costs the others nothing."""
    one, other = engine.create(1), engine.create(2)
    follower = follow()
    engine.silent = True
    engine.start(one)
    engine.start(other)
    engine.faults[f"containers/{one}"] = "404"
    assert by_id(heard(follower, 2)) == {one: ["~deleted"], other: ["~running"]}
    assert [container.id for container in follower.containers()] == [other]


def test_an_engine_that_is_updated(engine: FakeEngine, follow: Follow) -> None:
    """An engine that comes back with another version is spoken to in that; its containers are the same."""
    one = engine.create(1)
    engine.start(one)
    follower = follow()
    engine.down()
    engine.version = {**engine.version, "Version": "29.1.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    engine.up()
    until(lambda: follower.status().version == "29.1.0")
    assert follower.status().api_version == "1.52"
    assert follower.take(0.1) == []
    engine.die(one, 1)
    assert kinds(heard(follower, 1)) == ["exited"]
    assert any(target.startswith("/v1.52/") for target in engine.requests)


def test_another_engine_on_the_socket(engine: FakeEngine, follow: Follow) -> None:
    """Another Docker in its place: what it does not have is gone, what it has is new. Another runtime: neither."""
    old = engine.create(1)
    engine.start(old)
    follower = follow()
    engine.down()
    engine.forget()
    new = engine.create(2)
    engine.up()
    assert by_id(heard(follower, 3)) == {old: ["~exited", "~deleted"], new: ["~created"]}
    engine.down()
    Path(engine.path).unlink(missing_ok=True)
    with FakeEngine(Path(engine.path), component="Podman Engine") as podman:
        other = podman.create(3)
        until(lambda: follower.status().runtime == "podman" and follower.status().state == "ok")
        assert [container.id for container in follower.containers()] == [other]
        assert follower.take(0.2) == []
        podman.start(other)
        (event,) = heard(follower, 1)
        assert (event.kind, event.runtime) == ("running", "podman")


def test_events_that_are_told_twice(engine: FakeEngine, follow: Follow) -> None:
    """Of events that the engine repeats each is told once."""
    follower = follow(pace=UNHURRIED)
    # It remembers 256 events for who hears it a moment late, and more happen here.
    until(lambda: engine.watched)
    engine.repeated = 2
    ids = engine.lives(1, 50)
    assert by_id(heard(follower, 200)) == dict.fromkeys(ids, LIFE)


def test_events_that_are_lost(engine: FakeEngine, follow: Follow) -> None:
    """Where the engine swallows every third event, what is missing is inferred, each once."""
    follower = follow()
    engine.dropped = 3
    ids = []
    for number in range(1, 31):
        ids.append(engine.create(number))
        engine.start(ids[-1])
        if number % 2:
            engine.die(ids[-1], 3)
        time.sleep(0.01)
    # Two lists later at the latest nothing is missing any more.
    time.sleep(3 * PACE.list_s)
    told = by_id(follower.take(0))
    assert told.keys() == set(ids)
    plain = {id_: [kind.lstrip("~") for kind in life] for id_, life in told.items()}
    assert plain == {id_: LIFE[: 3 if number % 2 else 2] for number, id_ in enumerate(ids, 1)}


def test_events_out_of_order(engine: FakeEngine, follow: Follow) -> None:
    """A start that comes before the end it follows: the end is told with its code, then that it runs again, once."""
    one = engine.create(1)
    engine.start(one)
    follower = follow(pace=UNHURRIED)
    until(lambda: engine.watched)
    time.sleep(PACE.settling_s + 0.1)
    engine.silent = True
    engine.die(one, 9)
    ended = engine.line(one, "die")
    engine.start(one, pid=5000)
    engine.tell(engine.line(one, "start"))
    engine.tell(ended)
    events = heard(follower, 2)
    assert kinds(events) == ["exited", "~restarted"]
    assert events[0].exit_code == 9
    assert [container.pid for container in follower.containers()] == [5000]


class Short(Pace):
    """A pace at which there is no memory the first time that a list has been compared."""

    @property
    def list_s(self) -> float:
        if not failures:
            failures.append(1)
            raise MemoryError
        return PACE.list_s


failures: list[int] = []


def test_a_failure_of_our_own(engine: FakeEngine, follow: Follow) -> None:
    """Whatever fails in what follows an engine, it is followed again."""
    one = engine.create(1)
    failures.clear()
    follower = follow(pace=Short(*PACE))
    until(lambda: follower.status().reconnects == 1 and follower.status().state == "ok")
    engine.start(one)
    assert kinds(heard(follower, 1)) == ["running"]
    assert failures
