"""Events of containers, heard and inferred: each thing once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers import lifecycle
from nodescope.containers.lifecycle import Heard, Lifecycle
from nodescope.records.container import Container, ContainerEvent


def one(id_: str = "a", state: str = "running", **more: Any) -> Container:
    return Container(runtime="containerd", id=id_, name=f"name-{id_}", state=state, **more)


def kinds(events: Sequence[ContainerEvent]) -> list[str]:
    return [event.kind for event in events]


def test_a_life_is_told_once() -> None:
    """Created, running, paused, running, OOM-killed, exited, restarted, deleted: each heard twice, told once."""
    life = Lifecycle("containerd")
    told: list[str] = []
    steps = [("created", None), ("running", 1), ("paused", None), ("resumed", None)]
    steps += [("exited", 1), ("running", 2), ("exited", 2), ("deleted", None)]
    for kind, pid in steps:
        for _ in range(2):
            told += kinds(life.hear(Heard("a", kind, 5.0, pid=pid)))
    assert told == ["created", "running", "paused", "running", "exited", "restarted", "exited", "deleted"]
    assert life.known == {}


def test_the_first_list_makes_no_events() -> None:
    """What was there before the agent, and is not known from before, is taken as it is."""
    life = Lifecycle("containerd")
    assert life.reconcile([one()], 10.0) == ()
    assert life.reconcile([one()], 11.0) == ()


def test_what_happened_while_nobody_listened() -> None:
    """By a list compared with what was known: new, ended, killed for memory, restarted, deleted; all inferred."""
    life = Lifecycle("containerd")
    life.seed([one("ended", pid=1), one("oom", pid=2), one("again", pid=3), one("gone", pid=4), one("same", pid=5)])
    events = life.reconcile(
        [
            one("ended", "exited", exit_code=3, finished_seconds=7.0),
            one("oom", "exited", exit_code=137, oom_killed=True),
            one("again", pid=33),
            one("same", pid=5),
            one("new", pid=6, created_seconds=8.0, started_seconds=9.0),
        ],
        20.0,
    )
    told = [(event.id, event.kind, event.exit_code, event.time_seconds) for event in events]
    assert told == [
        ("ended", "exited", 3, 7.0),
        ("oom", "oom_killed", None, 20.0),
        ("oom", "exited", 137, 20.0),
        ("again", "exited", None, 20.0),
        ("again", "restarted", None, 20.0),
        ("new", "created", None, 8.0),
        ("new", "running", None, 9.0),
        ("gone", "exited", None, 20.0),
        ("gone", "deleted", None, 20.0),
    ]
    assert all(event.inferred for event in events)


def test_events_that_the_list_told_of() -> None:
    """An event that comes after a list which told of it already makes no second one."""
    life = Lifecycle("containerd")
    life.seed([])
    life.reconcile([one(pid=7)], 1.0)
    assert life.hear(Heard("a", "created", 0.5)) == ()
    assert life.hear(Heard("a", "running", 0.6, pid=7)) == ()
    assert life.hear(Heard("a", "exited", 0.4, pid=6, exit_code=1)) == ()
    assert kinds(life.hear(Heard("a", "exited", 2.0, pid=7, exit_code=1))) == ["exited"]


def test_a_task_that_is_gone() -> None:
    """A container whose process vanished unheard has exited, though the list shows it as if it never ran."""
    life = Lifecycle("containerd")
    life.reconcile([one(pid=7)], 1.0)
    assert kinds(life.reconcile([one(state="created")], 2.0)) == ["exited"]
    assert life.reconcile([one(state="created")], 3.0) == ()
    assert kinds(life.hear(Heard("a", "running", 4.0, pid=8))) == ["restarted"]


def test_the_same_id_in_two_namespaces() -> None:
    """Containers of two namespaces that share an id are two."""
    life = Lifecycle("containerd")
    life.reconcile([one(namespace="x", pid=1), one(namespace="y", pid=2)], 1.0)
    assert kinds(life.hear(Heard("a", "exited", 2.0, namespace="x", pid=1))) == ["exited"]
    assert kinds(life.reconcile([one(namespace="y", pid=2)], 3.0)) == ["deleted"]


def test_an_oom_kill_after_the_exit_is_the_same() -> None:
    """A kill told by the list, then by an event that was late, is told once."""
    life = Lifecycle("containerd")
    life.reconcile([one(pid=7)], 1.0)
    life.reconcile([one(state="exited", oom_killed=True)], 2.0)
    assert life.hear(Heard("a", "oom_killed", 1.5)) == ()


HEARD = st.builds(
    Heard,
    st.sampled_from("ab"),
    st.sampled_from(["created", "running", "resumed", "paused", "exited", "oom_killed", "deleted"]),
    st.just(1.0),
    namespace=st.none(),
    pid=st.sampled_from([None, 1, 2]),
)
LISTS = st.lists(
    st.builds(one, st.sampled_from("ab"), st.sampled_from(["created", "running", "paused", "exited"])), max_size=2
)


@given(st.lists(st.one_of(HEARD, LISTS), max_size=30))
def test_no_event_twice_in_a_row(steps: list[Heard | list[Container]]) -> None:
    """In any order of events and lists no container is told to have ended, been created or deleted twice in a row."""
    life = Lifecycle("containerd")
    last: dict[str, str] = {}
    for step in steps:
        events = life.hear(step) if isinstance(step, Heard) else life.reconcile(step, 2.0)
        for event in events:
            assert event.kind in ("oom_killed", "running") or last.get(event.id) != event.kind
            last[event.id] = event.kind
    assert life.heard_count + life.inferred_count >= len(last)


def test_the_bound_is_counted() -> None:
    """Containers beyond the bound are counted as dropped, and the known ones go on."""
    life = Lifecycle("containerd")
    for number in range(lifecycle.MAX_KNOWN + 5):
        life.hear(Heard(str(number), "created", 1.0))
    assert (len(life.known), life.dropped_count) == (lifecycle.MAX_KNOWN, 5)
    assert kinds(life.hear(Heard("3", "running", 2.0, pid=4))) == ["running"]
