"""The event bus, alone and under many threads."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nodescope.events.bus import Batch, Bus
from nodescope.events.event import MAX_SUBJECT_CHARACTERS, Event

DEADLINE_S = 30.0


def subjects(batch: Batch) -> list[str]:
    return [event.subject for event in batch.events]


def test_an_event_says_what_happened() -> None:
    """A published event has the next sequence, the bus's epoch, the time, and what it was given."""
    bus = Bus(4)
    before = time.time()
    event = bus.publish("collector.failed", "diskstats", {"reason": "no file"})
    assert (event.sequence, event.epoch) == (1, bus.epoch)
    assert before <= event.time_seconds <= time.time()
    assert (event.kind, event.subject, event.attributes) == ("collector.failed", "diskstats", {"reason": "no file"})
    assert bus.publish("collector.recovered", "diskstats").sequence == 2


def test_each_life_has_its_own_epoch() -> None:
    """Two buses never have the same epoch."""
    assert Bus(1).epoch != Bus(1).epoch


def test_attributes_are_a_copy() -> None:
    """What a publisher does with its dictionary afterwards does not change the event."""
    attributes = {"state": "failed"}
    event = Bus(1).publish("collector.failed", "cpu", attributes)
    attributes["state"] = "ok"
    assert event.attributes == {"state": "failed"}


def test_subject_is_bounded() -> None:
    """A subject that is too long is cut."""
    assert len(Bus(1).publish("collector.failed", "x" * 10_000).subject) == MAX_SUBJECT_CHARACTERS


def test_a_bad_kind_takes_no_number() -> None:
    """An event that is refused leaves no gap in the sequence."""
    bus = Bus(2)
    with pytest.raises(ValueError, match="kind of an event"):
        bus.publish("Not a kind", "agent")
    assert bus.newest == 0
    assert bus.publish("agent.started", "agent").sequence == 1


def test_since() -> None:
    """A reader gets what is newer than its sequence, oldest first, up to its limit."""
    bus = Bus(8)
    for number in range(1, 6):
        bus.publish("a.b", str(number))
    assert subjects(bus.since(0, 100)) == ["1", "2", "3", "4", "5"]
    assert subjects(bus.since(2, 2)) == ["3", "4"]
    assert bus.since(5, 100) == Batch((), 0)
    assert bus.since(99, 100) == Batch((), 0)


def test_lost_events_are_counted() -> None:
    """A reader that is behind the ring is told how many events it will never see."""
    bus = Bus(3)
    for number in range(1, 11):
        bus.publish("a.b", str(number))
    batch = bus.since(2, 2)
    assert (subjects(batch), batch.lost) == (["8", "9"], 5)
    assert (bus.published_total, bus.dropped_total) == (10, 7)


@pytest.mark.parametrize(("sequence", "limit"), [(-1, 1), (0, 0), (0, -5)])
def test_since_out_of_range(sequence: int, limit: int) -> None:
    """A negative sequence and a limit below one are refused, saying what was expected."""
    with pytest.raises(ValueError, match="expected a sequence of at least 0 and a limit of at least 1"):
        Bus(1).since(sequence, limit)


def test_capacity_out_of_range() -> None:
    """A ring without room is refused."""
    with pytest.raises(ValueError, match="expected at least 1 event, got 0"):
        Bus(0)


def test_wait_for_what_is_there() -> None:
    """Waiting for something that is already there returns at once."""
    bus = Bus(1)
    bus.publish("a.b", "c")
    assert bus.wait(0, 0.0)
    assert bus.wait(0, DEADLINE_S)


def test_wait_in_vain() -> None:
    """Waiting ends with False where nothing comes, for a cursor of another epoch too."""
    bus = Bus(1)
    bus.publish("a.b", "c")
    assert not bus.wait(1, 0.01)
    assert not bus.wait(77, 0.0)
    assert not bus.wait(1, -1.0)


def test_wait_is_woken() -> None:
    """A waiter is woken by the next event, long before its timeout."""
    bus = Bus(1)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(bus.wait(0, 60.0)), daemon=True)
    waiter.start()
    bus.publish("a.b", "c")
    waiter.join(DEADLINE_S)
    assert answers == [True]


class Overtaking(int):
    """A number that lets `count` events be published while the bus compares it for the second time.

    The first time is the check of its range, before the bus has looked how far its events go.
    """

    bus: Bus
    count: int
    comparisons: int

    def __new__(cls, number: int, bus: Bus, count: int) -> Overtaking:
        self = super().__new__(cls, number)
        self.bus, self.count, self.comparisons = bus, count, 0
        return self

    def _compared(self) -> None:
        self.comparisons += 1
        if self.comparisons == 2:
            for _ in range(self.count):
                self.bus.publish("a.b", str(self.bus.newest + 1))

    def __lt__(self, other: int) -> bool:
        self._compared()
        return int(self) < other

    def __eq__(self, other: object) -> bool:
        self._compared()
        return int(self) == other

    def __hash__(self) -> int:
        return hash(int(self))


def full_bus(capacity: int) -> Bus:
    bus = Bus(capacity)
    for number in range(1, capacity + 1):
        bus.publish("a.b", str(number))
    return bus


def test_overtaken_within_a_batch() -> None:
    """Events that are overwritten while a reader copies end its batch, and count as lost in the next one."""
    bus = full_bus(4)
    batch = bus.since(0, Overtaking(100, bus, 3))
    assert (subjects(batch), batch.lost) == (["1"], 0)
    batch = bus.since(1, 100)
    assert (subjects(batch), batch.lost) == (["4", "5", "6", "7"], 2)


@pytest.mark.parametrize(
    ("overtakers", "expected", "lost"), [(1, ["2", "3", "4"], 1), (3, ["4"], 3), (4, [], 4), (9, [], 4)]
)
def test_overtaken_before_a_batch(overtakers: int, expected: list[str], lost: int) -> None:
    """Events that are overwritten before a reader comes to them are counted as lost, and it goes on after them."""
    bus = full_bus(4)
    batch = bus.since(Overtaking(0, bus, overtakers), 100)
    assert (subjects(batch), batch.lost) == (expected, lost)
    rest = bus.since(lost + len(expected), 100)
    assert lost + len(expected) + rest.lost + len(rest.events) == bus.newest


class BusAgainstModel(RuleBasedStateMachine):
    """Any calls in any order, on a bus and on an unbounded list of all that was published."""

    @initialize(capacity=st.integers(1, 7))
    def start(self, capacity: int) -> None:
        self.bus = Bus(capacity)
        self.published: list[Event] = []
        self.ring: deque[Event] = deque(maxlen=capacity)

    @rule(subject=st.text(max_size=3))
    def publish(self, subject: str) -> None:
        event = self.bus.publish("a.b", subject)
        assert event.sequence == len(self.published) + 1
        self.published.append(event)
        self.ring.append(event)

    @rule(sequence=st.integers(0, 60), limit=st.integers(1, 12))
    def since(self, sequence: int, limit: int) -> None:
        batch = self.bus.since(sequence, limit)
        assert list(batch.events) == [event for event in self.ring if event.sequence > sequence][:limit]
        assert batch.lost == sum(sequence < event.sequence for event in self.published[: -len(self.ring) or None])
        assert list(batch.events) == self.published[sequence + batch.lost :][:limit]

    @rule(sequence=st.integers(0, 60))
    def wait(self, sequence: int) -> None:
        assert self.bus.wait(sequence, 0.0) == (len(self.published) > sequence)

    @invariant()
    def totals(self) -> None:
        if hasattr(self, "bus"):
            assert self.bus.newest == self.bus.published_total == len(self.published)
            assert self.bus.dropped_total == len(self.published) - len(self.ring)


TestBusAgainstModel = BusAgainstModel.TestCase


class Follower(threading.Thread):
    """Reads all that a bus has until `end`, keeping what it saw and what it was told it lost."""

    def __init__(self, bus: Bus, end: int, limit: int) -> None:
        super().__init__(daemon=True)
        self.bus = bus
        self.end = end
        self.limit = limit
        self.cursor = 0
        self.lost = 0
        self.seen: list[Event] = []

    def run(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while self.cursor < self.end and time.monotonic() < deadline:
            if not self.bus.wait(self.cursor, 0.5):
                continue
            events, lost = self.bus.since(self.cursor, self.limit)
            assert [event.sequence for event in events] == [self.cursor + lost + 1 + i for i in range(len(events))]
            self.seen.extend(events)
            self.lost += lost
            self.cursor += lost + len(events)


def publish_numbered(bus: Bus, publisher: int, count: int, taken: list[int]) -> None:
    taken.extend(bus.publish("a.b", str(publisher), {"number": str(number)}).sequence for number in range(count))


def run_threads(bus: Bus, publishers: int, count: int, followers: list[Follower]) -> list[list[int]]:
    """The sequences that each publisher was given."""
    taken: list[list[int]] = [[] for _ in range(publishers)]
    threads = [
        threading.Thread(target=publish_numbered, args=(bus, publisher, count, numbers), daemon=True)
        for publisher, numbers in enumerate(taken)
    ]
    for thread in [*followers, *threads]:
        thread.start()
    for thread in [*followers, *threads]:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    return taken


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads take turns after a few instructions, so that reads and writes interleave in many ways."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("capacity", [1, 3, 64, 4096])
def test_many_threads(capacity: int) -> None:
    """Eight publishers and six readers: one number for each event, each publisher's in its order, every event
    either seen once or counted as lost, whatever the ring holds."""
    publishers, count = 8, 250
    total = publishers * count
    bus = Bus(capacity)
    followers = [Follower(bus, total, limit) for limit in (1, 2, 7, 50, 1000, 10_000)]
    taken = run_threads(bus, publishers, count, followers)
    assert sorted(number for numbers in taken for number in numbers) == list(range(1, total + 1))
    assert all(a < b for numbers in taken for a, b in pairwise(numbers))
    for follower in followers:
        assert follower.cursor == total
        assert len(follower.seen) + follower.lost == total
        for publisher in range(publishers):
            mine = [event for event in follower.seen if event.subject == str(publisher)]
            assert all(taken[publisher][int(event.attributes["number"])] == event.sequence for event in mine)
            assert all(a.sequence < b.sequence for a, b in pairwise(mine))
    assert (bus.published_total, bus.dropped_total) == (total, max(0, total - capacity))


def test_nothing_is_lost_where_there_is_room() -> None:
    """Readers of a ring that is large enough lose nothing, however many threads publish."""
    bus = Bus(1000)
    followers = [Follower(bus, 1000, 64) for _ in range(4)]
    run_threads(bus, 10, 100, followers)
    assert all(follower.lost == 0 and len(follower.seen) == 1000 for follower in followers)


def test_a_reader_that_stops_holds_up_nobody() -> None:
    """A reader that never comes back for more does not hold up publishers."""
    bus = Bus(2)
    bus.publish("a.b", "c")
    idle = bus.since(0, 1)
    assert run_threads(bus, 2, 100, []) != []
    assert bus.newest == 201
    assert subjects(idle) == ["c"]
