"""An engine that is followed, and what was told of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from nodescope.containers.engine.follower import EngineFollower, Pace
from nodescope.records.container import ContainerEvent

PACE: Final = Pace(request_s=0.5, list_s=0.6, first_retry_s=0.02, longest_retry_s=0.1, settling_s=0.2)
UNHURRIED: Final = PACE._replace(request_s=5.0, list_s=30.0)
DEADLINE_S: Final = 20.0
QUIET_S: Final = 0.2


class Followed(EngineFollower):
    """Keeps events for who takes them. `state`: how it is to fare when it has begun."""

    def __init__(self, path: str, pace: Pace = PACE, state: str = "ok", **options: Any) -> None:
        super().__init__(path, self._put, pace=pace, **options)
        self._wanted = state
        self._heard: list[ContainerEvent] = []
        self._more = threading.Condition()

    def begun(self) -> Followed:
        self.start()
        until(lambda: self.status().state == self._wanted)
        return self

    def take(self, timeout_s: float) -> list[ContainerEvent]:
        """What was told since; waits so long for the first."""
        with self._more:
            self._more.wait_for(lambda: self._heard, timeout_s)
            taken, self._heard = self._heard, []
        return taken

    def _put(self, event: ContainerEvent) -> None:
        with self._more:
            self._heard.append(event)
            self._more.notify_all()


Follow = Callable[..., Followed]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def heard(follower: Followed, count: int, deadline_s: float = DEADLINE_S) -> list[ContainerEvent]:
    """So many events, and none more in a short while."""
    events: list[ContainerEvent] = []
    deadline = time.monotonic() + deadline_s
    while len(events) < count and time.monotonic() < deadline:
        events += follower.take(QUIET_S)
    return events + follower.take(QUIET_S)


def kinds(events: Sequence[ContainerEvent], container_id: str = "") -> list[str]:
    return [f"{'~' * event.inferred}{event.kind}" for event in events if container_id in ("", event.id)]
