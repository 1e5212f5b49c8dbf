"""Lives of containers: what can follow what, and what nobody heard."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.lifecycle import Heard, Life, brought_up_to_date, missed
from nodescope.records.container import Container

ID = "ab" * 32


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
        (shown("created"), shown("exited", exit_code=1), ["running", "exited"]),
        (shown("created"), shown("exited", exit_code=128), ["exited"]),
        (None, shown("exited"), ["created", "running", "exited"]),
        (None, shown("exited", exit_code=128), ["created", "exited"]),
        (shown("running", pid=7), shown("running", pid=8), ["exited", "restarted"]),
        (shown("running", pid=7), shown("running", pid=7), []),
        (shown("running", pid=7), shown("created"), ["exited"]),
        (shown("running", 2), shown("running", 2, oom_killed=True), ["oom_killed"]),
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


def heard(kind: str, at: float = 5.0, **more: Any) -> Heard:
    return Heard(ID, kind, at, **more)


def test_a_heard_start_is_not_inferred_again() -> None:
    """A start that was heard, whose inspection never came, is the start that a later list shows."""
    life = Life(shown("created"), 0.0)
    assert life.hear(heard("running", 2.01)) == ("running",)
    assert missed(life, shown("running", 2.0), at=9.0) == []


def test_a_process_that_follows_another() -> None:
    """A start of another process while one is known to run: the end of that one is inferred, and not told again."""
    life = Life(shown("running", pid=7), 0.0)
    assert life.hear(heard("running", pid=7)) == ()
    assert not life.doubted
    assert life.hear(heard("running", pid=8)) == ("exited", "restarted")
    assert life.hear(heard("exited", pid=7)) == ()
    assert not life.doubted
    assert life.hear(heard("exited", 6.0, pid=8)) == ("exited",)


def test_events_out_of_order_are_doubted() -> None:
    """A start that comes before the end which it follows makes no event, and has the container looked at again."""
    life = Life(shown("running", 2), 0.0)
    assert life.hear(heard("running", 6.0)) == ()
    doubted = life.doubted
    assert doubted
    assert life.hear(heard("exited", 5.0)) == ("exited",)
    assert [event.kind for event in missed(life, shown("running", 6.0), at=9.0)] == ["restarted"]
    life.show(shown("running", 6.0), 9.0)
    assert (life.doubted, life.state) == (False, "running")


def test_an_end_before_its_start() -> None:
    """An end of one that nobody heard start: that it ran is inferred, and a start that comes late is not told again."""
    life = Life(shown("created"), 0.0)
    assert Life(shown("created"), 0.0).hear(heard("exited", exit_code=128)) == ("exited",)
    assert life.hear(heard("exited", 5.0)) == ("running", "exited")
    assert life.hear(heard("running", 4.0)) == ()
    assert life.doubted
    assert missed(life, shown("exited", 4.0, 5.0), at=9.0) == []


def test_a_clock_that_was_set_back() -> None:
    """A start that seems far older than the end before it is one, and so is what follows it."""
    life = Life(shown("running", 5000.0), 0.0)
    assert life.hear(heard("exited", 6000.0)) == ("exited",)
    after = (("running", 2401.0), ("exited", 2401.1), ("running", 2402.0))
    assert [life.hear(heard(*one)) for one in after] == [("restarted",), ("exited",), ("restarted",)]
    assert not life.doubted


def test_a_removal_while_it_runs() -> None:
    """One that is deleted while it is known to run has ended before."""
    assert Life(shown("running", 2), 0.0).hear(heard("deleted")) == ("exited", "deleted")
    assert Life(shown("exited", 2, 3), 0.0).hear(heard("deleted")) == ("deleted",)


def test_kills_for_memory() -> None:
    """Each kill is news while the container runs; after its end it is the one that is known, until it starts again."""
    life = Life(shown("running", 2), 0.0)
    assert [life.hear(heard("oom_killed")) for _ in range(2)] == [("oom_killed",)] * 2
    assert life.hear(heard("exited")) == ("exited",)
    assert life.hear(heard("oom_killed")) == ()
    assert life.hear(heard("running", 7.0)) == ("restarted",)
    assert life.hear(heard("oom_killed")) == ("oom_killed",)


def test_a_task_that_is_gone() -> None:
    """Of one that ran, and of which the runtime knows no more than that it is there, the last code is kept."""
    life = Life(shown("running", pid=7), 0.0)
    life.hear(heard("exited", 6.0, pid=7, exit_code=3))
    life.record = brought_up_to_date(life.record, heard("exited", 6.0, exit_code=3))
    life.show(shown("created"), 9.0)
    assert (life.record.state, life.record.exit_code, life.record.finished_seconds) == ("exited", 3, 6.0)
    assert life.hear(heard("running", 10.0, pid=8)) == ("restarted",)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["running", "resumed", "paused", "exited", "oom_killed", "health"]),
            st.integers(1, 5),
            st.sampled_from([None, 1, 2]),
        ),
        max_size=12,
    )
)
def test_a_life_never_repeats_itself(steps: list[tuple[str, int, int | None]]) -> None:
    """Whatever is heard, what is told alternates: nothing runs twice without an end or a pause between."""
    life = Life(shown("created"), 0.0)
    told = []
    for kind, at, pid in steps:
        told += [now for now in life.hear(heard(kind, float(at), pid=pid)) if now not in ("oom_killed", "health")]
    plain = ["running" if kind == "restarted" else kind for kind in told]
    assert all(a != b for a, b in pairwise(plain))
