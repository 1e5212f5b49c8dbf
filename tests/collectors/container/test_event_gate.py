"""Events of containers that are shown pass, in order; the others are counted."""

from __future__ import annotations

import sys
from typing import Final

from nodescope import configuration
from nodescope.collectors.container.choice import Choice, choice
from nodescope.collectors.container.event_gate import MAX_DECIDED, MAX_HELD, EventGate
from nodescope.records.container import Container, ContainerEvent

LONG_S: Final = 60.0


class Watched:
    """A gate, what `passed` it, and the containers that are `known` to whoever asks."""

    def __init__(self, choice: Choice, hold_seconds: float = LONG_S, confirm_seconds: float = 0.0) -> None:
        self.passed: list[tuple[str, str]] = []
        self.known: dict[str, Container] = {}
        self.gate = EventGate(
            lambda told: self.passed.append((told.id, told.kind)), choice, self.known.get, hold_seconds, confirm_seconds
        )

    def take(self, *told: tuple[str, str]) -> None:
        for id_, kind in told:
            self.gate.take(ContainerEvent(runtime="docker", id=id_, kind=kind, time_seconds=1.0))


def made(**given: str) -> Choice:
    return choice(
        configuration.load({f"collector.container.{name.replace('_', '-')}": given[name] for name in given}, {})
    )


def container(id_: str, image: str | None) -> Container:
    return Container(runtime="docker", id=id_, name=id_, image=image)


CUDA: Final = made(image_include="cuda")


def test_without_a_filter() -> None:
    """Where nothing is left out no event waits for its container to be known."""
    watched = Watched(made())
    watched.take(("1", "running"))
    watched.gate.decided([("1", False)])
    assert (watched.passed, watched.gate.left_out) == ([("1", "running")], 0)


def test_events_wait_for_their_container() -> None:
    """They stay in its order, and those of one that is not shown are counted, also after its end."""
    watched = Watched(CUDA)
    watched.take(("1", "created"), ("2", "created"), ("1", "running"), ("3", "created"))
    assert watched.passed == []
    watched.gate.decided([("1", True), ("2", False)])
    assert watched.passed == [("1", "created"), ("1", "running")]
    watched.take(("1", "exited"), ("2", "exited"), ("3", "running"))
    assert watched.passed[2:] == [("1", "exited")]
    watched.gate.decided([("3", True)])
    assert watched.passed[3:] == [("3", "created"), ("3", "running")]
    watched.take(("2", "deleted"))
    assert watched.gate.left_out == 3


def test_a_container_of_which_little_is_known_yet() -> None:
    """That it is not shown holds only when there was time to learn what it is; that it is holds at once."""
    watched = Watched(CUDA, confirm_seconds=LONG_S)
    watched.take(("1", "created"))
    watched.gate.decided([("1", False)])
    assert (watched.passed, watched.gate.left_out) == ([], 0)
    watched.gate.decided([("1", True)])
    watched.gate.decided([("1", False)])
    watched.take(("1", "running"))
    assert watched.passed == [("1", "created"), ("1", "running")]


def test_a_container_that_no_list_showed() -> None:
    """One that came and went between two looks is judged by what was known of it, and shown where nothing was."""
    watched = Watched(CUDA, hold_seconds=0.0)
    watched.known["1"], watched.known["2"], watched.known["3"] = (
        container("1", "cuda:12"),
        container("2", "nginx"),
        container("3", None),
    )
    for id_ in "1234":
        watched.take((id_, "running"))
    watched.known.clear()
    for id_ in "1234":
        watched.take((id_, "exited"))
    watched.gate.decided([])
    assert sorted(watched.passed, key=lambda told: told[0]) == [
        (id_, kind) for id_ in "134" for kind in ("running", "exited")
    ]
    assert watched.gate.left_out == 2


def test_a_flood_of_unknown_containers() -> None:
    """What waits is bounded: beyond that the oldest passes, and none is lost, though as many are remembered at most."""
    watched = Watched(CUDA)
    watched.take(*((str(number), "running") for number in range(MAX_HELD + 5)))
    assert [id_ for id_, _ in watched.passed] == ["0", "1", "2", "3", "4"]
    watched.gate.decided([(str(number), True) for number in range(MAX_DECIDED + 100)])
    assert len(watched.passed) == MAX_HELD + 5
    watched.take(("0", "exited"))
    assert len(watched.passed) == MAX_HELD + 5


def test_a_flood_while_no_list_comes() -> None:
    """While no list comes nothing is kept of a container whose events have passed."""
    watched = Watched(CUDA)
    first = watched.known["first"] = container("first", "nginx")
    watched.take(("first", "running"))
    kept = sys.getrefcount(first)
    watched.take(*((str(number), "running") for number in range(MAX_HELD)))
    assert (sys.getrefcount(first), watched.gate.left_out) == (kept - 1, 1)


def test_the_end() -> None:
    """What waits when the settings are read again, or the agent ends, is told then, judged by what is known of it."""
    watched = Watched(CUDA)
    watched.known["1"], watched.known["2"] = container("1", "cuda:12"), container("2", "nginx")
    watched.take(("1", "created"), ("2", "created"), ("3", "created"), ("1", "running"))
    assert watched.passed == []
    watched.gate.close()
    assert watched.passed == [("1", "created"), ("3", "created"), ("1", "running")]
    assert watched.gate.left_out == 1


def test_no_list_comes() -> None:
    """While what a list reads hangs, an event waits no longer than it is to, once there is another."""
    watched = Watched(CUDA, hold_seconds=0.0)
    watched.known["1"], watched.known["2"] = container("1", "cuda:12"), container("2", "nginx")
    watched.take(("1", "created"), ("2", "created"))
    watched.known.clear()
    watched.take(("2", "exited"), ("1", "exited"), ("4", "created"))
    watched.gate.close()
    assert watched.passed == [("1", "created"), ("1", "exited"), ("4", "created")]
    assert watched.gate.left_out == 2
