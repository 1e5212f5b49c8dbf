"""Several samplers' loops shown as one."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from nodescope.collectors.joined import Joined, failed
from nodescope.host import Absent
from nodescope.sampler import Snapshot

DEADLINE_S = 20.0


class Given:
    """A loop that shows what it is given, or raises it."""

    def __init__(self, answer: tuple[Any, ...] | Exception, age_s: float = 0.0) -> None:
        self.answer = answer
        self.calls: list[str] = []
        self.snapshot = None if isinstance(answer, Exception) else Snapshot(answer, 100.0 - age_s, 100.0 - age_s)

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def first(self, deadline: float) -> bool:
        self.calls.append("first")
        return self.snapshot is not None

    def fresh(self) -> Snapshot:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.snapshot is not None
        return self.snapshot

    def age_seconds(self) -> float | None:
        return None if self.snapshot is None else 100.0 - self.snapshot.monotonic_seconds


def test_records_of_all() -> None:
    """What all have is one snapshot as old as the oldest, and the same one until one of them has a new one."""
    first, second = Given(("a", "b")), Given(("c",), age_s=2)
    joined = Joined([first, second])
    snapshot = joined.fresh()
    assert snapshot == Snapshot(("a", "b", "c"), 98.0, 98.0)
    assert joined.fresh() is snapshot
    second.snapshot = Snapshot(("d",), 100.0, 100.0)
    assert joined.fresh().records == ("a", "b", "d")
    assert joined.snapshot == joined.fresh()


def test_one_alone_is_itself() -> None:
    """Where all others have nothing, the one's own snapshot is shown and nothing is copied."""
    one = Given(("a",))
    joined = Joined([Given(Absent("x")), one, Given(Absent("y"))])
    assert joined.fresh() is one.snapshot
    assert (failed(joined), failed(one)) == (0, 0)


def test_a_failure_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """What the others have is shown; the failure is counted, and told of once until all are back."""
    broken = Given(ValueError("torn"))
    joined = Joined([broken, Given(("a",)), Given(Absent("x"))])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert joined.fresh().records == ("a",)
            assert failed(joined) == 1
        broken.answer, broken.snapshot = ("b",), Snapshot(("b",), 100.0, 100.0)
        assert joined.fresh().records == ("b", "a")
    assert failed(joined) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "of 3 samplers 1 cannot be shown: ValueError: torn",
        "of 3 samplers 0 cannot be shown: all are back",
    ]


def test_nothing_at_all() -> None:
    """Where none has anything a failure goes before an absence, and the first of them before others."""
    with pytest.raises(Absent, match="x"):
        Joined([Given(Absent("x")), Given(Absent("y"))]).fresh()
    joined = Joined([Given(Absent("x")), Given(ValueError("torn")), Given(OSError("odd"))])
    with pytest.raises(ValueError, match="torn"):
        joined.fresh()
    assert (failed(joined), joined.snapshot, joined.age_seconds()) == (0, None, None)


def test_all_are_started_and_stopped() -> None:
    """Start and stop reach every loop; the first samples are there when each has one."""
    loops = [Given(("a",)), Given(Absent("x"))]
    joined = Joined(loops)
    joined.start()
    assert not joined.first(time.monotonic() + DEADLINE_S)
    joined.stop()
    assert [loop.calls[0] for loop in loops] == ["start", "start"]
    assert [loop.calls[-1] for loop in loops] == ["stop", "stop"]


def test_its_age_is_of_the_oldest() -> None:
    """Of those that found something; an empty snapshot of a vendor that is not there has no age."""
    joined = Joined([Given(("a",), age_s=1), Given(("b",), age_s=3), Given((), age_s=50)])
    assert joined.age_seconds() == 3


def test_no_error_keeps_frames() -> None:
    """A sampler keeps its error; after a look at all of them none of the errors holds the frames of who looked."""
    answers = [Absent("a"), Absent("b"), RuntimeError("c"), RuntimeError("d")]
    Joined([*map(Given, answers), Given(("e",))]).fresh()
    assert [answer.__traceback__ for answer in answers] == [None] * 4
    with pytest.raises(RuntimeError, match="c"):
        Joined([*map(Given, answers)]).fresh()
    assert [answer.__traceback__ for answer in answers if answer is not answers[2]] == [None] * 3
