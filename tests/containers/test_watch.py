"""Watch: what a runtime that is spoken to by gRPC tells, and lists, as events."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.kept import KeptRuntime
from nodescope.containers.lifecycle import Heard
from nodescope.containers.watch import Watch
from nodescope.records.container import Container, ContainerEvent

LONG_S = 20.0
QUIET_S = 0.3


class Runtime:
    """A runtime's client, of a runtime that does as it is told. What is heard is passed by its number."""

    runtime = "containerd"
    socket = "/run/containerd/containerd.sock"

    def __init__(self) -> None:
        self.there: dict[str, Container] = {}
        self.lists = 0
        self.down = False
        self.ended = False
        self.broken: Exception | None = None
        self._heard: list[Heard] = []
        self._stream: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def tell(self, id_: str, kind: str, pid: int | None = None, code: int | None = None) -> None:
        """Does it, then says so."""
        now = time.time()
        if kind == "deleted":
            del self.there[id_]
        else:
            state = {"created": "created", "running": "running", "exited": "exited"}[kind]
            self.there[id_] = container(id_, state, pid, code)
        self._heard.append(Heard(id_, kind, now, "k8s.io", pid=pid, exit_code=code))
        self._stream.put(str(len(self._heard) - 1).encode())

    def lives(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            id_ = f"c{number}"
            for kind, code in (("created", None), ("running", None), ("exited", 3), ("deleted", None)):
                self.tell(id_, kind, number + 1 if kind in ("running", "exited") else None, code)

    def version(self) -> tuple[str | None, str | None]:
        if self.down:
            raise Unreachable("it is down")
        return "2.0", None

    def containers(self) -> tuple[Container, ...]:
        self.lists += 1
        if self.broken is not None:
            raise self.broken
        return tuple(self.there.values())

    def subscribe(self) -> Runtime:
        self.ended = False
        self._stream = queue.SimpleQueue()
        return self

    def receive(self, timeout_s: float) -> bytes | None:
        if self.ended:
            return None
        try:
            return self._stream.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def hear(self, data: bytes) -> Iterator[Heard]:
        yield self._heard[int(data)]

    def close(self) -> None:
        return


def container(id_: str, state: str, pid: int | None = None, code: int | None = None) -> Container:
    return Container(
        runtime="cri-containerd", id=id_, name=f"name-{id_}", namespace="k8s.io", state=state, exit_code=code,
        pid=pid if state == "running" else None,
    )  # fmt: skip


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


@contextmanager
def watching(runtime: Runtime, kept: KeptRuntime | None = None) -> Iterator[tuple[Watch, list[ContainerEvent]]]:
    events: list[ContainerEvent] = []
    watch = Watch(runtime, events.append, kept)
    watch.start()
    try:
        until(lambda: watch.status().state == "ok")
        yield watch, events
    finally:
        watch.close()


def told(events: list[ContainerEvent], count: int) -> list[str]:
    until(lambda: len(events) >= count)
    time.sleep(QUIET_S)
    return [f"{event.id} {'~' * event.inferred}{event.kind}" for event in events]


def test_a_life_is_heard() -> None:
    """Each event is told once, with its namespace; what the list tells besides is known a second later."""
    runtime = Runtime()
    runtime.there["old"] = container("old", "running", 7)
    with watching(runtime) as (watch, events):
        runtime.lives(1, 1)
        runtime.tell("web", "created")
        runtime.tell("web", "running", 9)
        assert told(events, 6) == [
            "c1 created", "c1 running", "c1 exited", "c1 deleted", "web created", "web running",
        ]  # fmt: skip
        assert {(event.runtime, event.namespace) for event in events} == {("containerd", "k8s.io")}
        assert events[2].exit_code == 3
        until(lambda: [one.name for one in watch.containers()] == ["name-old", "name-web"])
        assert runtime.lists <= 4


def test_a_flood() -> None:
    """Ten thousand events are all told, in order; lists are few, and the last one leaves nothing to infer."""
    runtime = Runtime()
    with watching(runtime) as (watch, events):
        runtime.lives(1, 2500)
        until(lambda: len(events) >= 10_000)
        time.sleep(QUIET_S)
        assert [event.kind for event in events] == ["created", "running", "exited", "deleted"] * 2500
        status = watch.status()
        assert (status.events, status.events_inferred, status.events_dropped, status.containers) == (10_000, 0, 0, 0)
        assert runtime.lists < 10


def test_a_restart_of_the_agent() -> None:
    """With what was kept exactly what was missed is told, be it that there is another process, or none."""
    runtime = Runtime()
    for number, id_ in enumerate(("stays", "ends", "again", "goes")):
        runtime.there[id_] = container(id_, "running", 10 + number)
    with watching(runtime) as (watch, events):
        assert told(events, 0) == []
    lives = watch.kept()
    assert lives is not None
    runtime.there["ends"] = container("ends", "created")
    runtime.there["again"] = container("again", "running", 99)
    del runtime.there["goes"]
    with watching(runtime, KeptRuntime("containerd", 0.0, lives)) as (_, events):
        assert sorted(told(events, 5)) == [
            "again ~exited", "again ~restarted", "ends ~exited", "goes ~deleted", "goes ~exited",
        ]  # fmt: skip


def test_a_stream_that_ends() -> None:
    """A runtime that ends its stream, and is away for a while, is followed again, and what it did is inferred."""
    runtime = Runtime()
    runtime.tell("a", "running", 5)
    with watching(runtime) as (watch, events):
        runtime.down = runtime.ended = True
        until(lambda: watch.status().state == "failed")
        runtime.there["a"] = container("a", "exited", code=4)
        assert [one.id for one in watch.containers()] == ["a"]
        runtime.down = False
        assert told(events, 1) == ["a ~exited"]
        assert events[0].exit_code == 4
        assert watch.status().reconnects == 1


@pytest.mark.parametrize("error", [MemoryError(), KeyError("tasks")])
def test_a_failure_of_our_own(error: Exception) -> None:
    """Whatever fails in what follows a runtime, it says so and follows again, and what happened meanwhile is told."""
    runtime = Runtime()
    runtime.tell("a", "running", 5)
    with watching(runtime) as (watch, events):
        runtime.broken = error
        runtime.ended = True
        until(lambda: watch.status().state == "failed" and type(error).__name__ in watch.status().reason)
        runtime.there["a"] = container("a", "exited", code=4)
        runtime.broken = None
        assert told(events, 1) == ["a ~exited"]


def test_an_event_that_cannot_be_told() -> None:
    """It is counted as dropped, and costs the others nothing."""
    runtime = Runtime()
    events: list[str] = []

    def emit(event: ContainerEvent) -> None:
        if event.kind == "running":
            raise MemoryError
        events.append(event.kind)

    watch = Watch(runtime, emit)
    watch.start()
    try:
        until(lambda: watch.status().state == "ok")
        runtime.lives(1, 2)
        until(lambda: len(events) == 6)
        assert events == ["created", "exited", "deleted"] * 2
        assert (watch.status().state, watch.status().events_dropped) == ("ok", 2)
    finally:
        watch.close()
