"""The event bus: one bounded ring in memory, with a sequence number for all that happens on this node."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.events.event import MAX_SUBJECT_CHARACTERS, Event, bounded_attributes, bounded_text, checked_kind

MAX_WAIT_S: Final = 60.0
EPOCH_BYTES: Final = 16


class Batch(NamedTuple):
    """Events in order, without gaps, after `lost` that the ring no longer holds.

    The sequence to ask from next is always the one asked from, plus `lost`, plus the number of events.
    """

    events: tuple[Event, ...]
    lost: int


class Bus:
    """A ring of the newest `capacity` events. Any thread may publish, read and wait; not for signal handlers.

    Readers copy from the ring without a lock: a slot only ever changes to a newer event, whose own sequence shows
    it, so a slow reader loses events (and is told how many) but never holds up `publish`.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity of the event bus: expected at least 1 event, got {capacity}")
        self.capacity = capacity
        self.epoch = os.urandom(EPOCH_BYTES).hex()
        self._slots: list[Event | None] = [None] * capacity
        self._newest = 0
        self._grown = threading.Condition(threading.Lock())

    @property
    def newest(self) -> int:
        """Sequence of the newest event, 0 where there is none."""
        return self._newest

    @property
    def published_total(self) -> int:
        return self._newest

    @property
    def dropped_total(self) -> int:
        """Events pushed out of the ring by newer ones."""
        return max(0, self._newest - self.capacity)

    def publish(self, kind: str, subject: str, attributes: Mapping[str, str] | None = None) -> Event:
        """The event, once every reader can see it. What is too long is cut and marked.

        Raises `ValueError` where `kind` is not dotted lower-case words.
        """
        kind = checked_kind(kind)
        subject = bounded_text(subject, MAX_SUBJECT_CHARACTERS)
        kept = bounded_attributes(attributes or {})
        with self._grown:
            sequence = self._newest + 1
            event = Event(sequence, self.epoch, time.time(), kind, subject, kept)
            self._slots[sequence % self.capacity] = event
            # Only now may a reader look for it.
            self._newest = sequence
            self._grown.notify_all()
        return event

    def since(self, sequence: int, limit: int) -> Batch:
        """At most `limit` events newer than `sequence`, oldest first.

        Raises `ValueError` where `sequence` is negative or `limit` below 1.
        """
        if sequence < 0 or limit < 1:
            raise ValueError(
                f"events since {sequence}, at most {limit}: expected a sequence of at least 0 and a limit of at least 1"
            )
        newest = self._newest
        events: list[Event] = []
        for wanted in range(max(sequence, newest - self.capacity) + 1, newest + 1):
            event = self._slots[wanted % self.capacity]
            if event is not None and event.sequence == wanted:
                events.append(event)
                if len(events) == limit:
                    break
            elif events:
                # Overwritten while being read: the next call starts here and counts it.
                break
        first = events[0].sequence if events else newest + 1
        return Batch(tuple(events), max(0, first - sequence - 1))

    def wait(self, sequence: int, timeout_s: float) -> bool:
        """Whether there is anything newer than `sequence`, waiting for it `timeout_s` (at most `MAX_WAIT_S`)."""
        with self._grown:
            return self._grown.wait_for(lambda: self._newest > sequence, min(timeout_s, MAX_WAIT_S))
