"""EngineFollower against an engine on a real socket that hangs, breaks, floods and is restarted."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from nodescope.containers.engine.follower import EngineFollower
from nodescope.containers.kept import KeptRuntime
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.engine.followed import UNHURRIED, Follow, heard, kinds, until


def test_a_life_is_told_event_by_event(engine: FakeEngine, follow: Follow) -> None:
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


def test_records_are_inspected_after_a_start(engine: FakeEngine, follow: Follow) -> None:
    """When an event is told its container has been inspected: allowed labels and devices are there."""
    follower = follow(labels={"keep"})
    one = engine.create(2, Labels={"keep": "a", "drop": "b"}, Env=["NVIDIA_VISIBLE_DEVICES=GPU-1", "KEY=v"])
    engine.start(one)
    assert kinds(heard(follower, 2)) == ["created", "running"]
    record = follower.container(one)
    assert record is not None
    assert (record.labels, record.pid, record.state) == ({"keep": "a"}, 4242, "running")
    assert [device.evidence for device in record.devices] == ["environment"]


def test_what_was_missed_is_inferred(engine: FakeEngine, follow: Follow) -> None:
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


def test_what_happened_before_the_agent_began(engine: FakeEngine, follow: Follow) -> None:
    """With the containers of the last time it tells what happened since; without them the first list is no event."""
    one = engine.create(1)
    engine.start(one)
    first = follow()
    assert first.take(0.1) == []
    first.close()
    lives = first.kept()
    assert lives is not None
    engine.die(one, 2)
    assert kinds(heard(follow(kept=KeptRuntime("docker", 0.0, lives)), 1)) == ["~exited"]


def test_events_that_nobody_sent_are_found(engine: FakeEngine, follow: Follow) -> None:
    """What an engine keeps silent about is found by the next list, and told once."""
    follower = follow()
    engine.silent = True
    one = engine.create(1)
    engine.start(one)
    assert kinds(heard(follower, 2)) == ["~created", "~running"]
    engine.die(one, 5)
    assert kinds(heard(follower, 1)) == ["~exited"]


def test_events_under_connection_after_connection(engine: FakeEngine, follow: Follow) -> None:
    """While the stream is cut again and again, no event of any life is told twice, lost or out of order."""
    follower = follow(pace=UNHURRIED)
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


def test_bad_events_are_counted(engine: FakeEngine, follow: Follow) -> None:
    """A line that is no event, or an event without id, is counted and the next one is heard."""
    follower = follow(pace=UNHURRIED)
    until(lambda: engine.watched)
    engine.tell(b"nonsense {")
    engine.tell(b'{"Type":"container","Action":"start","Actor":{"ID":"../x"},"timeNano":5}')
    engine.create(1)
    assert kinds(heard(follower, 1)) == ["created"]
    assert follower.status().events_dropped == 2


def test_absence_and_old_engines_are_states(
    engine: FakeEngine, follow: Follow, caplog: pytest.LogCaptureFixture
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


def test_a_closed_follower_leaves_nothing(engine: FakeEngine, follow: Follow) -> None:
    """close() ends the thread and the connections, and may be called twice and before start()."""
    follower = follow()
    follower.close()
    follower.close()
    assert not any(thread.name.startswith("engine ") for thread in threading.enumerate())
    EngineFollower(engine.path, lambda event: None).close()
