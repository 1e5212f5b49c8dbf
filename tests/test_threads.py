"""Threads that begin, and those that cannot."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import pytest

from nodescope import threads
from tests.conftest import NoThreads

LONG_S: Final = 10.0
SHORT_S: Final = 0.05


class Unborn(threading.Thread):
    """Ends before it has told that it began, as where there is no memory for more, until it `may_begin`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(daemon=True, **options)
        self.may_begin = threading.Event()
        self.ended = threading.Event()

    def _bootstrap(self) -> None:
        if self.may_begin.wait(LONG_S):
            super()._bootstrap()  # type: ignore[misc]
            self.ended.set()


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "START_LIMIT_S", SHORT_S)


def test_a_thread_runs() -> None:
    """A thread that can begin does its work, and can be waited for."""
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(1,))
    threads.start(thread)
    thread.join(LONG_S)
    assert done == [1]
    assert not thread.is_alive()


def test_no_thread(no_threads: NoThreads) -> None:
    """Where the kernel gives none that is an error at once."""
    with no_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
        threads.start(threading.Thread(target=print))


@pytest.mark.usefixtures("short_limit")
def test_a_thread_that_never_begins() -> None:
    """One that ends before it began is an error after a moment, not waited for without end; late it does nothing."""
    done: list[int] = []
    thread = Unborn(target=done.append, args=(1,))
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="for want of memory"):
        threads.start(thread)
    assert time.monotonic() - began < LONG_S / 2
    thread.may_begin.set()
    assert thread.ended.wait(LONG_S)
    assert done == []


@pytest.mark.usefixtures("short_limit")
def test_a_thread_that_begins_at_the_limit() -> None:
    """One that begins just as its starter gives up is started, not both at work and an error."""
    begun = threads._Begun(threading.Thread())
    said: list[bool] = []
    starter = threading.Thread(target=lambda: said.append(begun.wait()))
    with begun._either:
        starter.start()
        time.sleep(2 * SHORT_S)
        # The starter has waited for long enough, and comes to say so only now.
        threading.Event.set(begun)
    starter.join(LONG_S)
    assert said == [True]
