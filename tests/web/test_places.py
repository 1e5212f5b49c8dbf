"""nodescope.web.places: which connection waits for what, and since when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nodescope.web.connection import Connection
from nodescope.web.limits import Limits
from nodescope.web.places import IDLE, READING, WRITING, Places

LIMITS = Limits()


def connection(fd: int) -> Connection:
    return cast("Connection", SimpleNamespace(fd=fd, owned=False, state=READING, deadline=0.0))


def entered(places: Places, *connections: Connection, state: int) -> None:
    with places.lock:
        for each in connections:
            places.add(each, LIMITS)
            places.enter(each, state, LIMITS)


def test_the_oldest() -> None:
    """Of those in a state the one that came to it first is taken, each once, and none that another worker has."""
    places = Places()
    first, second, third, idle = (connection(fd) for fd in (9, 4, 7, 5))
    entered(places, first, second, third, state=WRITING)
    entered(places, idle, state=IDLE)
    second.owned = True
    claimed: list[Any] = [places.claim_oldest(WRITING) for _ in range(3)]
    assert claimed == [first, third, None]
    assert places.claim_oldest(IDLE) is idle


def test_coming_back_to_a_state() -> None:
    """Who leaves a state and comes to it again waits from then on."""
    places = Places()
    first, second = connection(1), connection(2)
    entered(places, first, second, state=WRITING)
    with places.lock:
        places.enter(first, READING, LIMITS)
        places.enter(first, WRITING, LIMITS)
    assert places.claim_oldest(WRITING) is second


def test_one_owner() -> None:
    """A connection is given to one worker; one that is gone to none, and it goes once."""
    places = Places()
    one = connection(3)
    entered(places, one, state=IDLE)
    assert (places.claim(one.fd), places.claim(one.fd), places.claim(99)) == (one, None, None)
    assert (places.remove(one), places.remove(one), len(places)) == (True, False, 0)
