from __future__ import annotations

from nodescope.devices.nvidia.xid.events import EVENTS_PER_SECOND, MAX_BURSTS, Message, XidEvents


def total(messages: list[Message]) -> int:
    return sum(int(message.attributes["count"]) for message in messages)


def test_one_by_one() -> None:
    """An XID now and then is an event of its own each time, at once, and nothing is due later."""
    events = XidEvents()
    for number in range(3):
        assert events.of("GPU-a", 31, {"xid": "31"}, number * 0.2) == [("GPU-a", {"xid": "31", "count": "1"})]
    assert events.due(10) == []


def test_storm() -> None:
    """Of a thousand in a second ten are events of their own, and one with the newest detail stands for the others."""
    events = XidEvents()
    messages = [m for n in range(1000) for m in events.of("GPU-a", 31, {"detail": str(n)}, n / 1001)]
    assert len(messages) == EVENTS_PER_SECOND
    assert events.due(0.999) == []
    assert events.due(1.0) == [("GPU-a", {"detail": "999", "count": "990"})]
    assert events.due(2.0) == []


def test_storm_that_goes_on() -> None:
    """The next XID after a second brings what stands for those of the second before, and the sum is exact."""
    events = XidEvents()
    messages = [m for n in range(5000) for m in events.of("GPU-a", 31, {}, n / 1000)]
    assert len(messages) == 5 * EVENTS_PER_SECOND + 4
    messages += events.due(5.0, force=True)
    assert total(messages) == 5000


def test_each_gpu_and_xid_for_itself() -> None:
    """A storm of one XID of one GPU holds back nothing of another."""
    events = XidEvents()
    for number in range(100):
        events.of("GPU-a", 31, {}, number / 1000)
    assert len(events.of("GPU-a", 79, {}, 0.5)) == 1
    assert len(events.of("GPU-b", 31, {}, 0.5)) == 1


def test_clock_that_was_set_back() -> None:
    """A clock that was set back holds back nothing."""
    events = XidEvents()
    before = [m for _ in range(50) for m in events.of("GPU-a", 31, {}, 1000.0)]
    assert total(before + events.of("GPU-a", 31, {}, 10.0)) == 51


def test_bound() -> None:
    """With too many kinds at once what was withheld is told early, and the sum is exact."""
    events = XidEvents()
    messages = []
    for xid in range(2 * MAX_BURSTS):
        for _ in range(EVENTS_PER_SECOND + 1):
            messages += events.of("GPU-a", xid, {}, 0.0)
    messages += events.due(0.0, force=True)
    assert total(messages) == 2 * MAX_BURSTS * (EVENTS_PER_SECOND + 1)
