"""The main thread: hands work to the threads of the GPUs, and tells the parent what they have found, each interval."""

from __future__ import annotations

import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Final

from nodescope.devices.nvidia.child import inventory
from nodescope.devices.nvidia.child.events import Events
from nodescope.devices.nvidia.child.frames import FrameWriter, hello, sample
from nodescope.devices.nvidia.child.library import Library
from nodescope.devices.nvidia.child.options import Options
from nodescope.devices.nvidia.child.pids import existence
from nodescope.devices.nvidia.child.worker import Worker

CYCLE_SHARE: Final = 0.8
"""Of the interval: how long a cycle waits for the GPUs."""

SLOT_SECONDS: Final = 0.01
"""How long a GPU is read alone before the next one is begun: threads that all run at once cost the more time."""

OPEN_SECONDS: Final = 5.0
"""How long the first inventory waits for the GPUs; those that take longer make another one."""

LOOK_SECONDS: Final = 5.0
MAX_GPUS: Final = 128
EVENTS_REST_SECONDS: Final = 10.0
"""Between two tries to have events, where the driver fails."""

WITHOUT_EVENTS: Final = "asking for its events has not returned: its XIDs come from the kernel log alone"
REFUSED_EVENTS: Final = "asking for its events failed: its XIDs come from the kernel log alone"


class Loop:
    """Runs until the process ends. Raises `CallFailed` where it cannot go on, `OSError` where the parent has gone."""

    def __init__(self, library: Library, writer: FrameWriter, options: Options) -> None:
        self._library = library
        self._writer = writer
        self._options = options
        self._exists = existence()
        self._done: SimpleQueue[Worker] = SimpleQueue()
        self._workers: list[Worker] = []
        self._events: Events | None = None
        self._left: dict[str, Events] = {}
        self._registered: frozenset[str] = frozenset()
        self._registered_at = 0.0
        self._refused: set[str] = set()
        self._signature: object = None
        self._nodes = inventory.device_nodes()
        self._looked_at = time.monotonic()
        self._generation = 0
        self._number = 0
        self._tried_anew: set[str] = set()

    def run(self) -> None:
        """Tells what is there, then a sample each interval."""
        library = self._library
        self._writer.write(hello(library.driver_version, library.library_version, library.cuda_version))
        self._open()
        self._tell_inventory()
        next_at = time.monotonic()
        while True:
            self._cycle()
            now = time.monotonic()
            next_at = max(next_at + self._options.interval_seconds, now)
            time.sleep(next_at - now)

    def _cycle(self) -> None:
        deadline = time.monotonic() + CYCLE_SHARE * self._options.interval_seconds
        self._look_around()
        pending: set[Worker] = set()
        idle = [each for each in self._workers if not each.busy]
        gpus = inventory.answering(idle)
        for worker in idle:
            worker.read(gpus)
            pending.add(worker)
            self._wait(pending, min(deadline, time.monotonic() + SLOT_SECONDS))
        self._wait(pending, deadline)
        self._tell_inventory()
        self._watch_events()
        listed = inventory.listed(self._workers)
        reports = [
            inventory.report_of(worker, worker.gpu.uuid, self._without_events(worker.gpu.uuid))
            for worker in listed
            if worker.gpu is not None
        ]
        self._number += 1
        self._writer.write(sample(self._number, self._generation, reports, time.process_time()))

    def _wait(self, pending: set[Worker], deadline: float) -> None:
        """Until all are done, who then are no longer `pending`, or the deadline.

        Raises `CallFailed` where one of them had to give up.
        """
        while pending:
            try:
                worker = self._done.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            pending.discard(worker)
        for worker in self._workers:
            if worker.failed is not None:
                raise worker.failed

    def _tell_inventory(self) -> None:
        """Sends it where it has changed."""
        listed = inventory.listed(self._workers)
        unopened = inventory.unopened(self._workers)
        signature = (inventory.signature(listed), unopened)
        if signature == self._signature:
            return
        self._signature = signature
        self._generation += 1
        self._register(listed)
        self._writer.write(inventory.frame(self._generation, listed, unopened))

    def _without_events(self, uuid: str) -> str:
        """Why a GPU has no events, "" where it has them or the driver gives none."""
        if uuid in self._left:
            return WITHOUT_EVENTS
        return REFUSED_EVENTS if uuid in self._refused else ""

    def _watch_events(self) -> None:
        """Goes on without the events of a GPU that does not say which it has, until it does; those of the others are
        asked for again where the driver has failed to give any."""
        back = [uuid for uuid, events in self._left.items() if events.ended]
        for uuid in back:
            del self._left[uuid]
        events = self._events
        if events is not None and events.hung:
            events.leave()
            self._left[events.hung] = events
            self._events = None
        elif events is not None and events.given_up:
            if events.unknown:
                self._refused.add(events.unknown)
            if time.monotonic() - self._registered_at >= EVENTS_REST_SECONDS:
                self._events = None
        if back or self._events is None:
            self._register(inventory.listed(self._workers))

    def _register(self, listed: Iterable[Worker]) -> None:
        """Asks for the events of all GPUs that are there."""
        handles = [
            (worker.gpu.handle, worker.gpu.uuid)
            for worker in listed
            if worker.gpu is not None
            and worker.is_open
            and not worker.gpu.left_alone
            and worker.gpu.uuid not in self._left
            and worker.gpu.uuid not in self._refused
        ]
        uuids = frozenset(uuid for _, uuid in handles)
        if self._events is not None and uuids == self._registered:
            return
        self._stop_events()
        self._registered, self._registered_at = uuids, time.monotonic()
        self._events = Events(self._library, self._writer, handles, self._divided)

    def _stop_events(self) -> None:
        if self._events is not None:
            self._events.stop()
            self._events = None

    def _divided(self, uuid: str) -> None:
        """Called by the events' thread."""
        for worker in self._workers:
            if worker.gpu is not None and worker.gpu.uuid == uuid:
                worker.look = True

    def _look_around(self) -> None:
        """Starts anew where GPUs came or went, or where one of them fails for the first time."""
        states = {worker.report["uuid"]: worker.report["state"] for worker in self._workers if worker.report}
        failed = {uuid for uuid, state in states.items() if state == "failed"}
        anew = failed - self._tried_anew
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            nodes = inventory.device_nodes()
            came_or_went = nodes != self._nodes or min(self._library.count(), MAX_GPUS) != len(self._workers)
        else:
            came_or_went, nodes = False, self._nodes
        self._tried_anew &= failed
        if (anew or came_or_went) and not any(worker.busy for worker in self._workers):
            self._tried_anew |= anew
            self._nodes = nodes
            self._start_anew()

    def _start_anew(self) -> None:
        """Initialises the library again: before that it knows no new GPU."""
        self._stop_events()
        for worker in self._workers:
            worker.close()
        self._wait(set(self._workers), time.monotonic() + OPEN_SECONDS)
        if self._left or any(worker.busy for worker in self._workers):
            self._register(inventory.listed(self._workers))
            return
        self._library.shutdown()
        self._library.init()
        self._open()

    def _open(self) -> None:
        """Opens all GPUs there are, each in its thread."""
        self._refused.clear()
        count = min(self._library.count(), MAX_GPUS)
        for worker in self._workers[count:]:
            worker.end()
        del self._workers[count:]
        for index in range(len(self._workers), count):
            self._workers.append(Worker(index, self._library, self._options, self._exists, self._done))
        for worker in self._workers:
            worker.open()
        self._wait(set(self._workers), time.monotonic() + OPEN_SECONDS)
