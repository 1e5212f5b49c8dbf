"""EngineFollower beside an engine that tells more than it may, as a user's own can: it is anything that listens."""

from __future__ import annotations

from typing import Final

import pytest

from nodescope.containers.engine.room import LINE_BYTES, Room
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.engine.followed import UNHURRIED, Follow, until

SMALL: Final = Room(containers=2, list_bytes=4096, inspect_bytes=4096, lines=100)


def test_more_containers_than_there_is_room_for(engine: FakeEngine, follow: Follow) -> None:
    """As many are known as there is room for, the others are counted and not inspected, and none is told to be gone."""
    ids = [engine.create(number) for number in range(1, 5)]
    follower = follow(room=SMALL)
    assert [container.id for container in follower.containers()] == ids[:2]
    until(lambda: sum("containers/json" in target for target in engine.requests) > 1)
    assert follower.status().events_dropped >= 2
    assert not any(one in target for one in ids[2:] for target in engine.requests)
    assert follower.take(0) == []
    engine.remove(ids[0])
    until(lambda: [container.id for container in follower.containers()] == ids[1:3])


def test_a_list_that_is_too_long(engine: FakeEngine, follow: Follow) -> None:
    """A list of more bytes than there is room for is not read, and the engine is said to have failed."""
    for number in range(1, 50):
        engine.create(number)
    follower = follow(state="failed", room=SMALL)
    assert follower.status().reason.endswith("the answer is longer than 4096 bytes")
    assert follower.containers() == ()


def test_an_inspection_that_is_too_long(engine: FakeEngine, follow: Follow) -> None:
    """A container of which more is told than there is room for is known as listed."""
    engine.create(1, Env=["A" * 5000])
    follower = follow(room=SMALL)
    assert [container.created_seconds for container in follower.containers()] == [1.0]


@pytest.mark.parametrize("line", [b"", b"{}", b"\n" * 50, b"[" + b" " * LINE_BYTES * 30 + b"]"])
def test_more_events_than_there_is_room_for(engine: FakeEngine, follow: Follow, line: bytes) -> None:
    """Lines without end, be they empty, make no work without end: it is failed, and asked again only after a while."""
    follower = follow(pace=UNHURRIED._replace(longest_retry_s=60.0, first_retry_s=60.0), room=SMALL)
    until(lambda: engine.watched)
    for _ in range(101):
        engine.tell(line + b"\n")
    until(lambda: follower.status().state == "failed")
    assert follower.status().reason.endswith("more than 100 lines of events since the last list")


def test_an_engine_that_fails_again_and_again(engine: FakeEngine, follow: Follow) -> None:
    """One that answers and then fails is asked less and less often, as one that does not answer."""
    engine.faults["events"] = "500"
    follower = follow(pace=UNHURRIED._replace(first_retry_s=0.01, longest_retry_s=60.0), state="failed")
    before = len(engine.requests)
    until(lambda: follower.status().reconnects >= 3)
    assert len(engine.requests) < before + 60
