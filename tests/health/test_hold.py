"""Verdicts do not flap, and what is new of them is told."""

from __future__ import annotations

from msgspec.structs import replace

from nodescope.health.gpu import changes
from nodescope.health.hold import HOLD_SECONDS
from tests.health.gpus import SOURCE, Judge, gpu, unread

HOT = gpu(temperature_celsius=87)
COLD = gpu()


def test_worse_at_once_better_after_a_minute() -> None:
    """A verdict gets worse at once, and better when for a minute nothing as bad was found."""
    judge = Judge()
    assert judge.of("thermal", COLD).state == "ok"
    hot = judge.after(5).of("thermal", HOT)
    assert hot.state == "warning"
    assert judge.after(5).of("thermal", gpu(temperature_celsius=92)).state == "critical"
    assert judge.after(5).of("thermal", HOT).state == "critical"
    assert judge.after(HOLD_SECONDS - 6).of("thermal", COLD).state == "critical"
    assert judge.after(1).of("thermal", HOT).state == "warning"
    assert judge.after(HOLD_SECONDS - 1).of("thermal", COLD).state == "warning"
    assert judge.after(1).of("thermal", COLD).state == "ok"


def test_on_and_off_is_one_verdict() -> None:
    """What comes and goes each five seconds is one verdict all the time, and so is the one on all."""
    judge = Judge()
    judge.of("thermal", HOT)
    for number in range(60):
        verdicts = judge.after(5).verdicts(HOT if number % 2 else COLD)
        assert verdicts["GPU-0", "thermal"].state == verdicts["GPU-0", "all"].state == "warning"


def test_unknown_is_held_where_something_was_known() -> None:
    """What could not be read from the start on is known as soon as it can; what was known and no longer is stays so for
    a minute, and a bad verdict stays before it is unknown."""
    judge = Judge()
    assert judge.of("thermal", gpu(temperature_celsius=None)).state == "unknown"
    assert judge.after(5).of("thermal", COLD).state == "ok"
    assert judge.after(5).of("thermal", gpu(temperature_celsius=None)).state == "unknown"
    assert judge.after(5).of("thermal", COLD).state == "unknown"
    assert judge.after(60).of("thermal", HOT).state == "warning"
    assert judge.after(5).of("thermal", gpu(temperature_celsius=None)).state == "warning"
    assert judge.after(60).of("thermal", gpu(temperature_celsius=None)).state == "unknown"


def test_a_pause_that_is_over_is_over() -> None:
    """A GPU that is read again after a pause is known at once: what was not read was not read on purpose."""
    judge = Judge()
    judge.verdicts(COLD, gpu(1, temperature_celsius=87))
    paused = replace(SOURCE, state="paused", reason="paused until `nodescope resume gpu`")
    found = judge.after(5).verdicts(unread(0, "paused"), unread(1, "paused"), source=paused)
    assert found["GPU-0", "driver"].state == found["GPU-0", "thermal"].state == "unknown"
    starting = replace(SOURCE, state="starting")
    found = judge.after(5).verdicts(unread(0, "starting"), unread(1, "starting"), source=starting)
    assert found["GPU-0", "thermal"].state == "unknown"
    found = judge.after(5).verdicts(COLD, unread(1, "starting"))
    assert {one.state for (uuid, _), one in found.items() if uuid == "GPU-0"} == {"ok"}
    assert found["GPU-1", "driver"].state == "unknown"
    found = judge.after(5).verdicts(COLD, gpu(1))
    # What was bad stays so for its minute.
    assert {of: one.state for (uuid, of), one in found.items() if uuid == "GPU-1" and one.state != "ok"} == {
        "thermal": "warning",
        "all": "warning",
    }


def test_the_same_verdict_is_the_same_object() -> None:
    """Nothing new, nothing made: what was said is said again, the same object."""
    judge = Judge()
    first = judge.of("thermal", COLD)
    assert judge.after(5).of("thermal", COLD) is first


def test_changes_are_told_once() -> None:
    """A change of a component's state is one event, with the state before; new evidence alone is none."""
    judge = Judge()
    calm = tuple(judge.verdicts(COLD).values())
    hot = tuple(judge.after(5).verdicts(HOT).values())
    ((kind, subject, attributes),) = changes(calm, hot)
    assert (kind, subject) == ("gpu.health", "GPU-0")
    assert attributes["component"] == "thermal"
    assert (attributes["before"], attributes["state"]) == ("ok", "warning")
    assert attributes["pci_address"] == "0000:10:00.0"
    assert set(attributes) >= {"reason", "evidence", "action", "vendor"}
    hotter = tuple(judge.after(5).verdicts(gpu(temperature_celsius=88)).values())
    assert changes(hot, hotter) == []
    ((_, _, back),) = changes(hotter, tuple(judge.after(61).verdicts(COLD).values()))
    assert (back["before"], back["state"], "reason" in back) == ("warning", "ok", False)


def test_first_verdicts_are_news_only_where_they_are_bad() -> None:
    """A GPU met for the first time that is well, or not read yet, is no news; one that is ill is."""
    judge = Judge()
    starting = tuple(judge.verdicts(unread(state="starting"), gpu(1)).values())
    assert changes((), starting) == []
    told = changes(starting, tuple(judge.verdicts(COLD, gpu(1)).values()))
    assert [(attributes["component"], attributes["before"]) for _, _, attributes in told] == [("device", "unknown")]
    ((_, subject, attributes),) = changes((), tuple(Judge().verdicts(gpu(2, temperature_celsius=87)).values()))
    assert (subject, attributes["state"], "before" in attributes) == ("GPU-2", "warning", False)
    assert changes(starting, ()) == []
