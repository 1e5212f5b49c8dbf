"""Turns of several devices, of which some hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from nodescope.devices.rounds import Rounds
from tests.conftest import NoThreads

LONG_S = 10.0


def test_each_has_its_turn_once() -> None:
    """All that are named have one turn each, in order, and none is at a turn afterwards."""
    turns: list[str] = []
    rounds = Rounds("test", turns.append, LONG_S)
    rounds.run(["a", "b", "a", "c"], LONG_S)
    assert turns == ["a", "b", "c"]
    assert rounds.stuck() == {}


def test_one_that_hangs_costs_its_own_turn() -> None:
    """The others have theirs in this round and in the next, and it has none until it comes back."""
    turns: list[str] = []
    release = threading.Event()

    def turn(key: str) -> None:
        turns.append(key)
        if key == "b":
            release.wait(LONG_S)

    rounds = Rounds("test", turn, 0.05)
    rounds.run(["a", "b", "c"], LONG_S)
    rounds.run(["a", "b", "c"], LONG_S)
    assert turns == ["a", "b", "c", "a", "c"]
    assert rounds.stuck()["b"] >= 0.05
    release.set()
    deadline = time.monotonic() + LONG_S
    while rounds.stuck() and time.monotonic() < deadline:
        time.sleep(0.01)
    rounds.run(["b"], LONG_S)
    assert turns[-1] == "b"


def test_all_hang() -> None:
    """With every device hanging a round ends when its time is over, and those that it did not reach have no turn."""
    release = threading.Event()
    turns: list[str] = []

    def turn(key: str) -> None:
        turns.append(key)
        release.wait(LONG_S)

    rounds = Rounds("test", turn, 0.05)
    rounds.run("abcdefgh", 0.12)
    assert 2 <= len(turns) < 8
    release.set()
    deadline = time.monotonic() + LONG_S
    while rounds.stuck() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rounds.stuck() == {}


@pytest.fixture
def raised() -> Iterator[list[type[BaseException] | None]]:
    """What threads raised, instead of an error on standard error."""
    before, found = threading.excepthook, list[type[BaseException] | None]()
    threading.excepthook = lambda arguments: found.append(arguments.exc_type)
    yield found
    threading.excepthook = before


def test_a_turn_that_raises_costs_itself(raised: list[type[BaseException] | None]) -> None:
    """After an error that nobody foresaw the others have their turn, and it has one in the next round."""
    turns: list[str] = []

    def turn(key: str) -> None:
        turns.append(key)
        if key == "b":
            raise ValueError(key)

    rounds = Rounds("test", turn, LONG_S)
    rounds.run(["a", "b", "c"], LONG_S)
    rounds.run(["b", "d"], LONG_S)
    assert turns == ["a", "b", "c", "b", "d"]
    assert rounds.stuck() == {}
    deadline = time.monotonic() + LONG_S
    while len(raised) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert raised == [ValueError, ValueError]


def test_a_moment_without_threads(no_threads: NoThreads) -> None:
    """A device for whose turn there was no thread has its turn in the next round."""
    turns: list[str] = []
    rounds = Rounds("test", turns.append, LONG_S)
    with no_threads(), pytest.raises(RuntimeError, match="thread"):
        rounds.run(["a", "b"], LONG_S)
    assert rounds.stuck() == {}
    rounds.run(["a", "b"], LONG_S)
    assert turns == ["a", "b"]
