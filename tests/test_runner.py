"""The runner: shared passes, hung collectors, outcomes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ClassVar

import pytest

from nodescope.host import Absent
from nodescope.metric import Family, Metric, single
from nodescope.runner import MAX_REASON_CHARACTERS, Outcome, Runner

LOAD = Metric("load1", "gauge", "Load.")
LONG_S = 20.0


class Probe:
    """A collector that does what it is told, and counts how often."""

    name: ClassVar[str] = "probe"
    metrics: ClassVar[tuple[Metric, ...]] = (LOAD,)
    left_out: int = 0

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act
        self.runs = 0

    def collect(self) -> list[Family]:
        self.runs += 1
        self.act()
        return [single(LOAD, self.runs)]


def fail() -> None:
    raise ValueError("no number")


def absent() -> None:
    raise Absent("/proc/none")


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.collector: outcome.state for outcome in outcomes}


def test_each_collector_has_an_outcome_in_order() -> None:
    """A scrape gives one outcome for each name, in the order asked for, with families where it went well."""
    runner = Runner({"a": Probe(), "b": Probe(fail), "c": Probe(absent)}, 5)
    outcomes = runner.scrape(("c", "a", "b"), LONG_S)
    assert [outcome.collector for outcome in outcomes] == ["c", "a", "b"]
    assert states(outcomes) == {"a": "ok", "b": "failed", "c": "absent"}
    assert outcomes[1].families == (single(LOAD, 1),)
    assert outcomes[2].reason == "ValueError: no number"
    assert outcomes[2].families == ()
    assert outcomes[0].reason == "/proc/none is not there"
    runner.stop()


def test_a_hung_collector_costs_only_itself() -> None:
    """The others' values arrive while one read hangs; it is marked, and is well again once its read returns."""
    release = threading.Event()
    hung = Probe(lambda: release.wait(LONG_S))
    runner = Runner({"a": Probe(), "hung": hung, "z": Probe()}, 0.4)
    assert states(runner.scrape(("a", "hung", "z"), LONG_S)) == {"a": "ok", "hung": "hung", "z": "ok"}
    assert states(runner.scrape(("a", "hung", "z"), LONG_S)) == {"a": "ok", "hung": "hung", "z": "ok"}
    assert hung.runs == 1
    release.set()
    deadline = time.monotonic() + LONG_S
    while states(runner.scrape(("a", "hung", "z"), LONG_S))["hung"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    runner.stop()


def test_many_hung_collectors_need_one_thread_each_and_no_more() -> None:
    """Twelve hung reads hold twelve threads, however often they are asked for, and cost one deadline, not twelve."""
    release = threading.Event()
    probes = {f"hung{index}": Probe(lambda: release.wait(60)) for index in range(6)} | {"good": Probe()}
    runner = Runner(probes, 0.5)
    before = threading.active_count()
    for _ in range(5):
        outcomes = runner.scrape(tuple(probes), LONG_S)
        assert states(outcomes).pop("good") == "ok"
    assert threading.active_count() - before <= len(probes)
    release.set()
    runner.stop()


def test_hung_collectors_do_not_add_up() -> None:
    """With nine hung collectors of ten, a scrape of three seconds still has the tenth, and in good time."""
    release = threading.Event()
    probes = {f"hung{index}": Probe(lambda: release.wait(60)) for index in range(9)} | {"good": Probe()}
    runner = Runner(probes, 1.0)
    assert states(runner.scrape(tuple(probes), 2.5)).pop("good") == "ok"
    release.set()
    runner.stop()


def test_a_slow_collector_within_its_deadline_still_counts() -> None:
    """A run that is slower than the hand-over but within its deadline gives its families."""
    runner = Runner({"slow": Probe(lambda: time.sleep(0.4)), "z": Probe()}, LONG_S)
    assert states(runner.scrape(("slow", "z"), LONG_S)) == {"slow": "ok", "z": "ok"}
    runner.stop()


def test_a_scrape_ends_at_its_own_limit() -> None:
    """A scrape whose limit is shorter than the collectors' gets what is there, and the next scrape starts afresh."""
    release = threading.Event()
    runner = Runner({"a": Probe(), "slow": Probe(lambda: release.wait(LONG_S))}, LONG_S)
    assert states(runner.scrape(("a", "slow"), 0.1)) == {"a": "ok", "slow": "hung"}
    release.set()
    deadline = time.monotonic() + LONG_S
    while True:
        outcomes = runner.scrape(("a", "slow"), LONG_S)
        if states(outcomes) == {"a": "ok", "slow": "ok"}:
            break
        assert time.monotonic() < deadline
    assert outcomes[0].families != (single(LOAD, 1),)
    runner.stop()


def test_requests_in_flight_share_one_pass() -> None:
    """Twenty scrapes that arrive while one is under way are answered by that pass, or by one more."""
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        release.wait(LONG_S)

    probe = Probe(hold)
    runner = Runner({"a": probe}, LONG_S)
    results: list[list[Outcome]] = []
    threads = [threading.Thread(target=lambda: results.append(runner.scrape(("a",), LONG_S))) for _ in range(20)]
    threads[0].start()
    assert entered.wait(LONG_S)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)
    release.set()
    for thread in threads:
        thread.join(LONG_S)
    assert len(results) == 20
    assert probe.runs == 1
    assert all(outcomes == results[0] for outcomes in results)
    runner.stop()


def test_scrapes_of_different_collectors_do_not_mix() -> None:
    """Two scrapes at once with different names each get theirs."""
    runner = Runner({"a": Probe(), "b": Probe()}, 5)
    results: dict[str, dict[str, str]] = {}
    threads = [
        threading.Thread(target=lambda name=name: results.update({name: states(runner.scrape((name,), LONG_S))}))
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert results == {"a": {"a": "ok"}, "b": {"b": "ok"}}
    runner.stop()


def test_a_change_of_state_is_told_once() -> None:
    """`on_change` hears the first outcome and each different one after it, with the state before."""
    told: list[tuple[str, str | None]] = []
    probe = Probe()
    runner = Runner({"a": probe}, 5, lambda outcome, before: told.append((outcome.state, before)))
    for act in (lambda: None, lambda: None, fail, fail, absent, lambda: None):
        probe.act = act
        runner.scrape(("a",), LONG_S)
    assert told == [("ok", None), ("failed", "ok"), ("absent", "failed"), ("ok", "absent")]
    runner.stop()


def test_stop_leaves_no_thread_but_hung_ones() -> None:
    """After `stop` the worker ends, and a scrape under way returns."""
    runner = Runner({"a": Probe()}, 5)
    before = threading.active_count()
    runner.scrape(("a",), LONG_S)
    runner.stop()
    deadline = time.monotonic() + LONG_S
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert states(runner.scrape(("a",), 0.1)) == {"a": "hung"}


class End(BaseException):
    """What no `except Exception` takes."""


def end() -> None:
    raise End


def test_a_collector_that_ends_its_worker_costs_later_scrapes_nothing() -> None:
    """After a BaseException in a run, on the asking thread, the next scrape is answered by a new worker."""
    probe = Probe(end)
    runner = Runner({"a": probe, "b": Probe()}, 5)
    with pytest.raises(End):
        runner.scrape(("a", "b"), LONG_S, here=True)
    probe.act = lambda: None
    assert states(runner.scrape(("a", "b"), LONG_S)) == {"a": "ok", "b": "ok"}
    runner.stop()


def test_a_listener_that_fails_costs_later_scrapes_nothing() -> None:
    """Where `on_change` raises, the next scrape is answered all the same."""

    def refuse(outcome: Outcome, before: str | None) -> None:
        if before is None:
            raise ValueError(outcome.collector)

    runner = Runner({"a": Probe()}, 5, refuse)
    with pytest.raises(ValueError, match="a"):
        runner.scrape(("a",), LONG_S, here=True)
    assert states(runner.scrape(("a",), LONG_S)) == {"a": "ok"}
    runner.stop()


def test_a_thread_that_cannot_be_started_costs_later_scrapes_nothing() -> None:
    """Where no thread is to be had a scrape fails, and the next one is answered when there is one again."""
    runner = Runner({"a": Probe()}, 5)
    before = threading.stack_size(2**45)
    try:
        with pytest.raises(RuntimeError):
            runner.scrape(("a",), LONG_S)
    finally:
        threading.stack_size(before)
    assert states(runner.scrape(("a",), LONG_S)) == {"a": "ok"}
    runner.stop()


def test_a_slow_run_serves_every_pass_that_wants_it() -> None:
    """A collector that is slow, but within its deadline, is not hung for another listener that asks meanwhile."""
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        release.wait(LONG_S)

    slow = Probe(hold)
    runner = Runner({"slow": slow, "b": Probe()}, LONG_S)
    results: list[dict[str, str]] = []
    first = threading.Thread(target=lambda: results.append(states(runner.scrape(("slow",), LONG_S))))
    first.start()
    assert entered.wait(LONG_S)
    second = threading.Thread(target=lambda: results.append(states(runner.scrape(("slow", "b"), LONG_S))))
    second.start()
    deadline = time.monotonic() + LONG_S
    while "b" not in runner.last:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    release.set()
    first.join(LONG_S)
    second.join(LONG_S)
    assert sorted(results, key=len) == [{"slow": "ok"}, {"slow": "ok", "b": "ok"}]
    assert slow.runs == 1
    runner.stop()


def test_a_reason_cannot_steer_a_terminal() -> None:
    """What an engine or a name says in a reason is shown without the signs that steer a terminal or end a line."""

    def refuse() -> None:
        raise OSError("engine said \x1b[31m\u202e\x9b no\nnode")

    runner = Runner({"a": Probe(refuse)}, 5)
    (outcome,) = runner.scrape(("a",), LONG_S)
    assert outcome.reason == "OSError: engine said ?[31m?? no?node"
    runner.stop()


def test_a_reason_can_be_written_anywhere() -> None:
    """A reason with a path that is not UTF-8, or without end, becomes text of bounded length."""

    def refuse() -> None:
        raise OSError("/mnt/\udcff" + "x" * 100_000)

    runner = Runner({"a": Probe(refuse)}, 5)
    (outcome,) = runner.scrape(("a",), LONG_S)
    assert outcome.reason.encode().startswith(b"OSError: /mnt/?xxx")
    assert len(outcome.reason) <= MAX_REASON_CHARACTERS
    runner.stop()


def test_what_had_nothing_is_asked_again_after_a_while() -> None:
    """A collector without hardware gives its last outcome until its time is over; one with rows is always run."""
    empty, full = Probe(absent), Probe()
    runner = Runner({"empty": empty, "full": full}, LONG_S, is_lasting=lambda name: True, nothing_s=0.2)
    began = time.monotonic()
    while empty.runs < 2:
        assert states(runner.scrape(("empty", "full"), LONG_S)) == {"empty": "absent", "full": "ok"}
        assert time.monotonic() < began + LONG_S
    assert time.monotonic() >= began + 0.2
    assert full.runs > 2
    runner.stop()


def test_what_had_nothing_is_asked_each_time_where_that_may_change() -> None:
    """On a stored tree a collector without hardware is run in each scrape."""
    empty = Probe(absent)
    runner = Runner({"empty": empty}, LONG_S)
    for _ in range(3):
        runner.scrape(("empty",), LONG_S)
    assert empty.runs == 3
    runner.stop()
