"""One device that hangs costs itself alone."""

from __future__ import annotations

import threading

import pytest

from nodescope.devices.one_by_one import OneByOne
from nodescope.devices.rounds import MAX_STUCK

PATIENCE_S = 0.05
LONG_S = 20.0


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "device":
            thread.join(LONG_S)


def test_all_answer() -> None:
    """Answers come by name in the order asked."""
    reads = OneByOne(str.upper)
    assert reads.each(["b", "a"]) == {"b": "B", "a": "A"}
    assert reads.each([]) == {}
    assert reads.stuck == ()


def test_one_hangs() -> None:
    """The others answer; what hangs is not asked again until it returns, and then it is."""
    go, asked = threading.Event(), []

    def read(name: str) -> str:
        asked.append(name)
        if name == "b":
            go.wait(LONG_S)
        return name

    reads = OneByOne(read, PATIENCE_S)
    assert list(reads.each("abc")) == ["a", "c"]
    assert reads.stuck == ("b",)
    assert list(reads.each("abc")) == ["a", "c"]
    assert asked == ["a", "b", "c", "a", "c"]
    go.set()
    wait_for_threads()
    assert list(reads.each("abc")) == ["a", "b", "c"]
    assert not reads.stuck


def test_all_hang() -> None:
    """So many may hang, and no more are asked."""
    go = threading.Event()
    reads = OneByOne(lambda name: go.wait(LONG_S), 0.001)
    assert reads.each(map(str, range(MAX_STUCK + 5))) == {}
    assert len(reads.stuck) == MAX_STUCK
    go.set()
    wait_for_threads()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_raises() -> None:
    """A device whose reader fails has no answer, and the next ones have."""
    reads = OneByOne(lambda name: 1 // int(name), LONG_S)
    assert reads.each("102") == {"1": 1, "2": 0}
    assert not reads.stuck
    wait_for_threads()
