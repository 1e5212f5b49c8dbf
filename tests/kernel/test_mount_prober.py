from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from nodescope.kernel.mount_prober import MAX_HELD, MountProber, Question

DEADLINE_S = 30.0


class Mounts:
    """Answers 0 for each path; those that begin with "hung" only when they may."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.threads: list[int] = []

    def ask(self, path: str) -> int:
        self.threads.append(threading.get_ident())
        if path.startswith("hung"):
            self.back.wait(DEADLINE_S)
        return 0


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    mounts = Mounts()
    yield mounts
    mounts.back.set()


class Ending:
    """Ends the thread that asks, as want of memory does, as long as `ends`."""

    ends = True

    def ask(self, path: str) -> int:
        if self.ends:
            raise SystemExit
        return 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ends_is_waited_for_no_longer() -> None:
    """Where the thread that asks has ended, the mount is one without memory, and the next are asked by another."""
    ending = Ending()
    prober = MountProber(ending.ask)
    questions = [Question("a"), Question("b")]
    prober.ask(questions)
    assert [question.answer for question in questions] == [errno.ENOMEM, errno.ENOMEM]
    ending.ends = False
    questions = [Question("a"), Question("b")]
    prober.ask(questions)
    assert [question.answer for question in questions] == [0, 0]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


def questions(*paths: str) -> list[Question]:
    return [Question(path) for path in paths]


def test_one_thread_asks_while_nothing_hangs(mounts: Mounts) -> None:
    """Many paths, several times: one thread, and it is not the caller's."""
    prober = MountProber(mounts.ask)
    for _ in range(3):
        asked = questions("a", "b", "c")
        prober.ask(asked)
        assert [question.answer for question in asked] == [0, 0, 0]
        assert all(question.asked_at is not None and question.asked_at <= question.answered_at for question in asked)
    prober.ask([])
    assert len(set(mounts.threads)) == 1
    assert threading.get_ident() not in mounts.threads


def test_one_that_hangs_holds_up_no_other(mounts: Mounts) -> None:
    """What comes after a hung path is answered, the hung one is answered when it returns, and its thread ends."""
    prober = MountProber(mounts.ask)
    before = threading.active_count()
    asked = questions("a", "hung", "b", "hung too", "c")
    prober.ask(asked)
    assert [question.answer for question in asked] == [0, None, 0, None, 0]
    assert all(question.asked_at is not None for question in asked)
    mounts.back.set()
    until(lambda: all(question.answer == 0 for question in asked))
    prober.ask(questions("d"))
    until(lambda: threading.active_count() <= before + 1)


def test_no_more_than_so_many_threads_hang(mounts: Mounts) -> None:
    """When MAX_HELD paths hang, no more are asked until one of them returns."""
    prober = MountProber(mounts.ask)
    asked = questions(*(f"hung {number}" for number in range(MAX_HELD + 2)))
    prober.ask(asked)
    assert [question.asked_at is None for question in asked].count(False) == MAX_HELD
    late = questions("a")
    prober.ask(late)
    assert late[0].asked_at is None
    mounts.back.set()
    until(lambda: sum(question.answer == 0 for question in asked) == MAX_HELD)
    prober.ask(late)
    assert late[0].answer == 0
