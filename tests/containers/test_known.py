"""What is known of a runtime's containers, by what is heard and by lists: each thing once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers import known
from nodescope.containers.kept import KeptRuntime
from nodescope.containers.known import KnownContainers
from nodescope.containers.lifecycle import Heard
from nodescope.records.container import Container, ContainerEvent


def one(id_: str = "a", state: str = "running", **more: Any) -> Container:
    return Container(runtime="containerd", id=id_, name=f"name-{id_}", state=state, **more)


def kinds(events: Sequence[ContainerEvent]) -> list[str]:
    return [f"{'~' * event.inferred}{event.kind}" for event in events]


def listed(*containers: Container, at: float = 1.0) -> KnownContainers:
    """What is known after a first list, with no event of before it under way."""
    found = KnownContainers("containerd")
    assert found.reconcile(containers, at, at) == []
    found.settled()
    return found


def test_a_life_is_told_once() -> None:
    """Created, running, paused, running, exited, restarted, exited, deleted: each heard twice, told once."""
    life = listed()
    told: list[str] = []
    steps = [("created", None), ("running", 1), ("paused", None), ("resumed", None)]
    steps += [("exited", 1), ("running", 2), ("exited", 2), ("deleted", None)]
    for at, (kind, pid) in enumerate(steps, 5):
        for _ in range(2):
            told += kinds(life.hear(Heard("a", kind, float(at), pid=pid)))
    assert told == ["created", "running", "paused", "running", "exited", "restarted", "exited", "deleted"]
    assert (life.all(), life.heard_count, life.inferred_count) == ((), 8, 0)
    assert life.get((None, "a")) is not None


def test_the_first_list_makes_no_events() -> None:
    """What was there before the agent, and is not known from before, is taken as it is; before it there is nothing."""
    life = KnownContainers("containerd")
    assert (life.all(), len(life), life.kept()) == ((), 0, None)
    assert life.reconcile([one()], 10.0, 10.0) == []
    assert life.reconcile([one()], 11.0, 11.0) == []
    assert [container.id for container in life.all()] == ["a"]


def test_what_happened_while_nobody_listened() -> None:
    """By a list compared with what was known: new, ended, killed for memory, restarted, deleted; all inferred."""
    before = listed(one("ended", pid=1), one("oom", pid=2), one("again", pid=3), one("gone", pid=4), one("same", pid=5))
    lives = before.kept()
    assert lives is not None
    life = KnownContainers("containerd", KeptRuntime("containerd", 0.0, lives))
    assert life.all() == ()
    events = life.reconcile(
        [
            one("ended", "exited", exit_code=3, finished_seconds=7.0),
            one("oom", "exited", exit_code=137, oom_killed=True),
            one("again", pid=33),
            one("same", pid=5),
            one("new", pid=6, created_seconds=8.0, started_seconds=9.0),
        ],
        20.0,
        20.0,
    )
    told = [(event.id, event.kind, event.exit_code, event.time_seconds) for event in events]
    assert told == [
        ("ended", "exited", 3, 7.0),
        ("new", "created", None, 8.0),
        ("new", "running", None, 9.0),
        ("gone", "exited", None, 20.0),
        ("gone", "deleted", None, 20.0),
        ("oom", "oom_killed", None, 20.0),
        ("oom", "exited", 137, 20.0),
        ("again", "exited", None, 20.0),
        ("again", "restarted", None, 20.0),
    ]
    assert all(event.inferred for event in events)
    assert {event.name for event in events if event.id == "gone"} == {"name-gone"}


def test_events_that_the_list_told_of() -> None:
    """An event of before a list, that comes after it, makes no second one; one of after it does."""
    life = KnownContainers("containerd", KeptRuntime("containerd", 0.0))
    assert kinds(life.reconcile([one(pid=7)], 1.0, 1.0)) == ["~created", "~running"]
    assert life.hear(Heard("a", "created", 0.5)) == ()
    assert life.hear(Heard("a", "running", 0.6, pid=7)) == ()
    assert life.hear(Heard("a", "exited", 0.4, pid=6, exit_code=1)) == ()
    assert life.hear(Heard("gone", "exited", 0.9, pid=5, exit_code=1)) == ()
    assert life.stale == {}
    assert kinds(life.hear(Heard("a", "exited", 2.0, pid=7, exit_code=1))) == ["exited"]


def test_the_same_id_in_two_namespaces() -> None:
    """Containers of two namespaces that share an id are two, and their events say which."""
    life = listed(one(namespace="x", pid=1), one(namespace="y", pid=2))
    (exited,) = life.hear(Heard("a", "exited", 2.0, namespace="x", pid=1))
    assert (exited.kind, exited.namespace) == ("exited", "x")
    (deleted,) = life.reconcile([one(namespace="y", pid=2)], 3.0, 3.0)
    assert (deleted.kind, deleted.namespace) == ("deleted", "x")


def test_an_id_that_is_given_again() -> None:
    """A name of containerd's may come again after a removal; a late word of the old one is none of the new."""
    life = listed(one("web", pid=1))
    assert kinds(life.hear(Heard("web", "exited", 2.0, pid=1))) == ["exited"]
    assert kinds(life.hear(Heard("web", "deleted", 3.0))) == ["deleted"]
    assert life.hear(Heard("web", "created", 0.5)) == ()
    assert kinds(life.hear(Heard("web", "created", 4.0))) == ["created"]


def test_events_of_one_that_nobody_created() -> None:
    """An unknown container's start is no event yet: it is to be looked at, and what is seen is inferred."""
    life = listed()
    assert life.hear(Heard("a", "running", 5.0, pid=1)) == ()
    assert list(life.stale) == [(None, "a")]
    assert kinds(life.refresh(one(pid=1), 6.0, 6.0)) == ["~created", "~running"]
    assert life.hear(Heard("a", "running", 5.0, pid=1)) == ()


def test_a_doubted_one_is_compared() -> None:
    """Of one whose events came out of order a newer look tells what is missing, once."""
    life = listed(one(started_seconds=1.0))
    assert life.hear(Heard("a", "running", 6.0)) == ()
    assert kinds(life.hear(Heard("a", "exited", 5.0, exit_code=2))) == ["exited"]
    again = one(started_seconds=6.0)
    assert kinds(life.refresh(again, 7.0, 7.0)) == ["~restarted"]
    assert life.refresh(again, 8.0, 8.0) == []


def test_another_runtime_on_the_socket() -> None:
    """Where another runtime answers, nothing is told of the containers of the one before, nor of those that it has."""
    life = listed(one("a"), one("b"))
    life.is_of("podman")
    assert (life.all(), life.kept()) == ((), None)
    assert life.reconcile([one("c")], 5.0, 5.0) == []
    assert kinds(life.reconcile([], 6.0, 6.0)) == ["~exited", "~deleted"]


HEARD = st.builds(
    Heard,
    st.sampled_from("ab"),
    st.sampled_from(["created", "running", "resumed", "paused", "exited", "oom_killed", "deleted", "changed"]),
    st.integers(1, 9).map(float),
    namespace=st.none(),
    pid=st.sampled_from([None, 1, 2]),
)
LISTS = st.lists(
    st.builds(one, st.sampled_from("ab"), st.sampled_from(["created", "running", "paused", "exited"])), max_size=2
)


@given(st.lists(st.one_of(HEARD, LISTS), max_size=30))
def test_no_event_twice_in_a_row(steps: list[Heard | list[Container]]) -> None:
    """In any order of events and lists no container is told to have ended, been created or deleted twice in a row."""
    life = KnownContainers("containerd")
    last: dict[str, str] = {}
    told = 0
    for at, step in enumerate(steps):
        events = life.hear(step) if isinstance(step, Heard) else life.reconcile(step, float(at), float(at))
        told += len(events)
        for event in events:
            assert event.kind == "oom_killed" or last.get(event.id) != event.kind
            if event.kind != "oom_killed":
                last[event.id] = event.kind
    assert life.heard_count + life.inferred_count == told


def test_the_bound_is_counted() -> None:
    """Containers beyond the bound are counted as dropped, and the known ones go on."""
    life = listed()
    for number in range(known.MAX_CONTAINERS + 5):
        life.hear(Heard(str(number), "created", 2.0))
    assert (len(life), life.dropped_count) == (known.MAX_CONTAINERS, 5)
    assert kinds(life.hear(Heard("3", "running", 3.0, pid=4))) == ["running"]
    life.hear(Heard(str(known.MAX_CONTAINERS), "running", 3.0))
    assert life.dropped_count == 6
