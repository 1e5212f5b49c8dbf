"""Lets pass the events of containers that are shown, and counts the others."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from nodescope.collectors.container.choice import Choice
from nodescope.records.container import Container, ContainerEvent

MAX_DECIDED: Final = 16_384
MAX_HELD: Final = 16_384
CONFIRM_SECONDS: Final = 2.0
"""What follows a runtime looks at a container that an event told of within this time: then all is known of it."""
HOLD_SECONDS: Final = 12.0

Find = Callable[[str], Container | None]
"""The container of a key, as it is known now."""


class _Waiting:
    """A container with `events` that wait, and what is known of it."""

    __slots__ = ("container", "events")

    def __init__(self) -> None:
        self.events = 0
        self.container: Container | None = None


class EventGate:
    """Passes events of containers that are shown to `emit`, in order for each container. From any thread.

    Where the filter leaves nothing out all pass at once. Else an event waits until its container is decided on, for
    `hold_seconds` at most; one of which no list ever told is then judged by what was known of it, and shown where that
    was nothing: no event is lost for want of knowledge. `left_out`: events of containers that are not shown.

    Where no list comes any more, for what a list reads hangs, the next event lets go those that waited too long.
    """

    def __init__(
        self,
        emit: Callable[[ContainerEvent], None],
        choice: Choice,
        find: Find,
        hold_seconds: float = HOLD_SECONDS,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self._emit = emit
        self._choice = choice
        self._find = find
        self._hold_seconds = hold_seconds
        self._confirm_seconds = confirm_seconds
        self._shown: dict[str, bool] = {}
        self._seen_at: dict[str, float] = {}
        self._held: deque[tuple[float, ContainerEvent]] = deque()
        self._waiting: dict[str, _Waiting] = {}
        self._lock = threading.Lock()
        self.left_out = 0

    def take(self, event: ContainerEvent) -> None:
        """An event that a runtime told of, or that was inferred."""
        if not self._choice.active:
            self._emit(event)
            return
        with self._lock:
            decided = None if event.key in self._waiting else self._shown.get(event.key)
            if decided is not None:
                self._pass(event, decided)
                return
        container = self._find(event.key)
        now = time.monotonic()
        with self._lock:
            self._hold(now + self._hold_seconds, event, container)
            while self._held and (len(self._held) > MAX_HELD or self._held[0][0] < now):
                self._let_go_oldest()

    def close(self) -> None:
        """Passes what still waits, judged by what is known of it: no list will come."""
        with self._lock:
            while self._held:
                self._let_go_oldest()

    def decided(self, shown: Iterable[tuple[str, bool]]) -> None:
        """What the newest list says: key, and whether the container is shown. Lets go what waited for it."""
        if not self._choice.active:
            return
        now = time.monotonic()
        with self._lock:
            self._take_down(shown, now)
            held, self._held = self._held, deque()
            waiting, self._waiting = self._waiting, {}
            for until, event in held:
                decided = self._shown.get(event.key)
                container = waiting[event.key].container
                if decided is None and now < until:
                    self._hold(until, event, container)
                else:
                    self._pass(event, self._judged(container) if decided is None else decided)
            self._forget_oldest()

    def _take_down(self, shown: Iterable[tuple[str, bool]], now: float) -> None:
        """One that is shown is so at once; that it is not holds when there was time to learn all of it."""
        seen_before, self._seen_at = self._seen_at, {}
        for key, is_shown in shown:
            since = self._seen_at[key] = seen_before.get(key, now)
            before = self._shown.pop(key, None)
            if is_shown or now - since >= self._confirm_seconds:
                # The newest last, so that those that are gone longest are forgotten first.
                self._shown[key] = is_shown
            elif before is not None:
                self._shown[key] = before

    def _judged(self, container: Container | None) -> bool:
        return container is None or container.image is None or self._choice.shows(container)

    def _hold(self, until: float, event: ContainerEvent, container: Container | None) -> None:
        self._held.append((until, event))
        waiting = self._waiting.setdefault(event.key, _Waiting())
        waiting.events += 1
        # The newest, of which most is known; of one that is gone what was known last.
        waiting.container = container or waiting.container

    def _let_go_oldest(self) -> None:
        _, event = self._held.popleft()
        waiting = self._waiting[event.key]
        waiting.events -= 1
        if not waiting.events:
            del self._waiting[event.key]
        decided = self._shown.get(event.key)
        if decided is None:
            decided = self._judged(waiting.container)
            if not decided:
                # Soon nobody may know any more what it was.
                self._shown[event.key] = False
                self._forget_oldest()
        self._pass(event, decided)

    def _forget_oldest(self) -> None:
        while len(self._shown) > MAX_DECIDED:
            del self._shown[next(iter(self._shown))]

    def _pass(self, event: ContainerEvent, shown: bool) -> None:
        if shown:
            self._emit(event)
        else:
            self.left_out += 1
