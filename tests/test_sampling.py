"""Samplers: snapshots swapped in whole, demand, age."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, ClassVar

import pytest

from nodescope.host import Absent
from nodescope.profiles import Row, View
from nodescope.records.host import Mount
from nodescope.sampling import NoSnapshot, SamplerLoop, SnapshotCollector
from tests.conftest import NoThreads

LONG_S = 20.0


class Probe:
    """A sampler that gives what it is told."""

    name: ClassVar[str] = "probe"

    def __init__(self, interval_s: float = 60, demand_wait_s: float = LONG_S) -> None:
        self.interval_s = self.rest_s = interval_s
        self.demand_wait_s = demand_wait_s
        self.samples = 0
        self.error: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()

    def sample(self) -> tuple[Any, ...]:
        self.gate.wait(LONG_S)
        if self.error:
            raise self.error
        self.samples += 1
        return (self.samples,)


def test_a_demand_gets_a_sample_that_began_after_it() -> None:
    """Each demand sees a new sample, not one from before."""
    loop = SamplerLoop(Probe())
    first = loop.fresh().records[0]
    second = loop.fresh().records[0]
    assert second > first
    loop.stop()


def test_without_a_thread_that_is_said_once(no_threads: NoThreads, caplog: pytest.LogCaptureFixture) -> None:
    """That there is no thread is logged once however often a snapshot is asked for; so is that there is one again."""
    loop = SamplerLoop(Probe(demand_wait_s=0))
    with caplog.at_level(logging.INFO, "nodescope"):
        with no_threads():
            for _ in range(3):
                with pytest.raises(NoSnapshot):
                    loop.fresh()
        assert loop.first(time.monotonic() + LONG_S)
    refused, again = [record.getMessage() for record in caplog.records]
    assert refused.startswith("sampler probe has no thread to run in: can't start new thread")
    assert again == "sampler probe has a thread again"
    loop.stop()


def test_a_hung_sample_leaves_the_newest_snapshot() -> None:
    """While a sample hangs, a demand waits no longer than it may and gets the newest snapshot there is."""
    probe = Probe(demand_wait_s=0.1)
    loop = SamplerLoop(probe)
    while loop.snapshot is None:
        loop.start()
        time.sleep(0.01)
    newest = loop.fresh()
    probe.gate.clear()
    assert loop.fresh().records >= newest.records
    assert loop.fresh() is loop.fresh()
    probe.gate.set()
    loop.stop()


def test_a_thread_that_cannot_be_started_is_tried_again() -> None:
    """Where no thread is to be had there is no snapshot; the next demand starts one."""
    loop = SamplerLoop(Probe(demand_wait_s=0.01))
    before = threading.stack_size(2**45)
    try:
        with pytest.raises(NoSnapshot):
            loop.fresh()
    finally:
        threading.stack_size(before)
    loop.sampler.demand_wait_s = LONG_S
    # It may have sampled before it is asked: then the next one is the fresh one.
    assert loop.fresh().records in ((1,), (2,))
    loop.stop()


def test_a_thread_that_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the thread has ended between two samples, the next demand starts another."""
    monkeypatch.setattr(threading, "excepthook", lambda ended: None)
    probe = Probe(demand_wait_s=0.1)
    probe.error = SystemExit()  # no failure of the sample: what ends its thread
    loop = SamplerLoop(probe)
    with pytest.raises(NoSnapshot):
        loop.fresh()
    probe.error = None
    probe.demand_wait_s = LONG_S
    assert loop.fresh().records == (1,)
    loop.stop()


def test_an_old_snapshot_is_not_shown() -> None:
    """A snapshot older than three intervals is refused, and the reason says how long a sample has been running."""
    probe = Probe(interval_s=0.02, demand_wait_s=0.01)
    probe.gate.clear()
    loop = SamplerLoop(probe)
    with pytest.raises(NoSnapshot, match="has been running for"):
        loop.fresh()
    probe.gate.set()
    loop.stop()


def test_errors_and_absence_reach_the_collector() -> None:
    """What the sampler raises is raised to the one who asks, until a sample goes well again."""
    probe = Probe()
    loop = SamplerLoop(probe)
    for error in (Absent("/proc/x"), ValueError("odd")):
        probe.error = error
        with pytest.raises(type(error)):
            loop.fresh()
    probe.error = None
    assert loop.fresh().records
    loop.stop()


def test_it_samples_in_the_background_at_its_interval() -> None:
    """Without any demand the snapshot is renewed."""
    probe = Probe(interval_s=0.01, demand_wait_s=0)
    loop = SamplerLoop(probe)
    loop.start()
    deadline = time.monotonic() + LONG_S
    while probe.samples < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert loop.age_seconds() is not None
    loop.stop()


def test_stop_ends_the_thread() -> None:
    """A stopped loop has no thread, and a demand on it does not hang."""
    loop = SamplerLoop(Probe())
    loop.fresh()
    loop.stop()
    thread = loop._thread
    assert thread is not None
    thread.join(LONG_S)
    assert not thread.is_alive()
    loop.fresh()


def test_a_snapshot_collector_renders_records_through_rows() -> None:
    """Its families are the profile's rows over the snapshot's records."""

    class Mounts(Probe):
        def sample(self) -> tuple[Mount, ...]:
            return (Mount("sda", "/", "ext4", "8", "0", "", 0, 0, 1, 100.0),)

    view = View((Row("size_bytes", "gauge", "S.", (("mountpoint", "mountpoint"),), "size_bytes"),))
    loop = SamplerLoop(Mounts())
    families = SnapshotCollector(loop, view).collect()
    assert [(family.metric.name, list(family.rows)) for family in families] == [("size_bytes", [(("/",), 100.0)])]
    loop.stop()


def test_who_waits_for_the_first_sample_is_let_go_at_the_end() -> None:
    """When a loop is stopped before its first sample nobody goes on waiting for it."""
    go = threading.Event()

    class Slow:
        name: ClassVar[str] = "slow"
        interval_s: float = 3600.0
        rest_s: float = 3600.0
        demand_wait_s: float = 0.0

        def sample(self) -> tuple[Any, ...]:
            go.wait(20.0)
            return ()

    loop = SamplerLoop(Slow())
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(loop.first(time.monotonic() + 3600.0)))
    thread.start()
    loop.stop()
    thread.join(20.0)
    assert waited == [False]
    go.set()
