"""Events from lines of /events, and what can follow what."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.engine.events import Heard, parse_event
from nodescope.containers.engine.lifecycle import Life, missed
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container, ContainerEvent

ID = "ab" * 32


def line(action: str, **attributes: str) -> bytes:
    actor = {"ID": ID, "Attributes": {"name": "train", "image": "vllm:1", **attributes}}
    return json.dumps({"Type": "container", "Action": action, "Actor": actor, "timeNano": 1_500_000_000}).encode()


@pytest.mark.parametrize(
    ("data", "kind", "more"),
    [
        (line("create"), "created", {}),
        (line("start"), "running", {}),
        (line("pause"), "paused", {}),
        (line("unpause"), "running", {}),
        (line("die", exitCode="137"), "exited", {"exit_code": 137}),
        (line("died", containerExitCode="3"), "exited", {"exit_code": 3}),
        (line("die", exitCode="many"), "exited", {}),
        (line("oom"), "oom_killed", {}),
        (line("destroy"), "deleted", {}),
        (line("remove"), "deleted", {}),
        (line("health_status: unhealthy"), "health", {"health": "unhealthy"}),
        (line("health_status", health_status="healthy"), "health", {"health": "healthy"}),
    ],
)
def test_words_of_both_engines(data: bytes, kind: str, more: dict[str, Any]) -> None:
    """Each action that changes a container is an event with the engine's time and what it says."""
    event = ContainerEvent(runtime="docker", id=ID, kind=kind, time_seconds=1.5, name="train", **more)
    assert parse_event(data, "docker", "s") == Heard(ID, event, "vllm:1")


@pytest.mark.parametrize(
    "data",
    [
        line("exec_create: sh -c true"),
        line("exec_die", exitCode="1"),
        line("restart"),
        line("stop"),
        line("kill"),
        line("health_status: strange"),
        b'{"Type":"image","Action":"remove","Actor":{"ID":"busybox"},"timeNano":1}',
        b"{}",
    ],
)
def test_what_is_of_no_concern(data: bytes) -> None:
    """Execs, what other events tell already, and other things than containers are no events."""
    assert parse_event(data, "docker", "s") is None


def test_what_needs_another_look() -> None:
    """A new name or limit, and podman's check without a result, mean an inspection."""
    assert parse_event(line("rename"), "docker", "s") == Heard(ID, None, "vllm:1")
    assert parse_event(line("health_status"), "podman", "s") == Heard(ID, None, "vllm:1", later=True)


@given(st.one_of(st.binary(max_size=60), st.integers(0, 200).map(lambda at: line("die", exitCode="1")[:at])))
def test_any_line(data: bytes) -> None:
    """Any bytes are an event, nothing, or Malformed."""
    try:
        parse_event(data, "docker", "s")
    except Malformed:
        return


def test_an_endless_time_is_malformed() -> None:
    """A time with 400 digits is refused."""
    with pytest.raises(Malformed):
        parse_event(line("die").replace(b"1500000000", b"9" * 400), "docker", "s")


def shown(state: str, started: float | None = None, finished: float | None = None, **more: Any) -> Container:
    return Container(
        runtime="docker",
        id=ID,
        name="train",
        state=state,
        created_seconds=1.0,
        started_seconds=started,
        finished_seconds=finished,
        **more,
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, None, []),
        (None, shown("created"), ["created"]),
        (None, shown("running", 2, health="healthy"), ["created", "running", "health"]),
        (None, shown("exited", 2, 3, exit_code=1), ["created", "running", "exited"]),
        (None, shown("paused", 2), ["created", "running", "paused"]),
        (shown("created"), shown("running", 2), ["running"]),
        (shown("created"), shown("exited", 2, 3, oom_killed=True), ["running", "oom_killed", "exited"]),
        (shown("running", 2), shown("running", 2), []),
        (shown("running", 2), shown("running", 5, 4), ["exited", "restarted"]),
        (shown("running", 2), shown("restarting", 5, 6), ["exited", "restarted", "exited"]),
        (shown("running", 2), shown("exited", 2, 3), ["exited"]),
        (shown("running", 2), shown("paused", 2), ["paused"]),
        (shown("paused", 2), shown("running", 2), ["running"]),
        (shown("paused", 2), shown("exited", 2, 3), ["exited"]),
        (shown("exited", 2, 3), shown("running", 5, 3), ["restarted"]),
        (shown("exited", 2, 3), shown("exited", 5, 6), ["restarted", "exited"]),
        (shown("exited", 2, 3), shown("running"), ["restarted"]),
        (shown("exited"), shown("exited", 5, 6), []),
        (shown("exited", 2, 3), None, ["deleted"]),
        (shown("running", 2), None, ["exited", "deleted"]),
        (shown("running", 2, health="healthy"), shown("running", 2, health="unhealthy"), ["health"]),
        (shown("running", 2, health="healthy"), shown("running", 2, health="starting"), []),
    ],
)
def test_what_must_have_happened(before: Container | None, now: Container | None, expected: list[str]) -> None:
    """Between two looks at a container lies the shortest life that explains both, in order and marked inferred."""
    events = missed(Life(before, 0.0) if before else None, now, at=9.0)
    assert [event.kind for event in events] == expected
    assert all(event.inferred for event in events)
    times = [event.time_seconds for event in events]
    assert times == sorted(times)


def test_a_heard_start_is_not_inferred_again() -> None:
    """A start that was heard, whose inspection never came, is the start that a later list shows."""
    life = Life(shown("created"), 0.0)
    heard = ContainerEvent(runtime="docker", id=ID, kind="running", time_seconds=2.01)
    assert life.hear(heard) == "running"
    assert missed(life, shown("running", 2.0), at=9.0) == []


@given(st.lists(st.sampled_from(["running", "paused", "exited", "oom_killed"]), max_size=12))
def test_a_life_never_repeats_itself(kinds: list[str]) -> None:
    """Whatever is heard, what is told alternates: nothing runs twice without an end or a pause between."""
    life = Life(shown("created"), 0.0)
    told = []
    for kind in kinds:
        event = ContainerEvent(runtime="docker", id=ID, kind=kind, time_seconds=5.0)
        now = life.hear(event)
        if now is not None and now != "oom_killed":
            told.append("running" if now == "restarted" else now)
    assert all(a != b for a, b in pairwise(told))
