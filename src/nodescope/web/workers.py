"""The worker pool: as many threads as there are requests at a time, and one at the front.

While one scraper asks, one worker answers, so its stack and arena stay warm and no other costs memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from nodescope import threads
from nodescope.web._cheroot import HTTPServer, ThreadPool, worker

AGAIN_S: Final = 0.5
"""After which a thread that was not to be had is asked for again."""

MAX_HELD_UP: Final = 128
"""Workers that others stand in for: a read that hangs holds one, and after each reload of the settings one more."""


class Workers(ThreadPool):
    """cheroot's pool with the front for a queue, and daemon threads that start when they are needed.

    `get`: what a worker calls for its next connection. `most`: requests that are answered at a time.
    """

    def __init__(self, server: HTTPServer, get: Callable[[], Any], most: int) -> None:
        super().__init__(server, min=1, max=most)
        self.get = get
        self._threads: list[threading.Thread] = []
        self._started = self._held_up = 0
        self._growing = threading.Lock()

    @property
    def size(self) -> int:
        return len(self._threads)

    @property
    def alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Raises `RuntimeError` where no thread is to be had."""
        if not self.grow_by_one():
            raise RuntimeError("no thread to answer requests could be started: raise the limit on processes (TasksMax)")

    def grow_by_one(self) -> bool:
        """Starts one more worker. False where there are enough, or no thread is to be had."""
        with self._growing:
            return self._grow()

    def _grow(self) -> bool:
        if len(self._threads) > self._most:
            return False
        thread = worker(self.server)
        thread.daemon = True
        thread.name = f"web-worker-{self._started}"
        # It counts before it runs: else it would take itself for the only one, and leave what is ready to others.
        self._threads.append(thread)
        if not threads.started(thread, "for further requests"):
            self._threads.remove(thread)
            return False
        self._started += 1
        return True

    @property
    def _most(self) -> int:
        """Besides the one at the front."""
        most: int = self.max + min(self._held_up, MAX_HELD_UP)
        return most

    def hold_up(self) -> None:
        """The request that a worker has was answered by another thread: a further worker may stand in for it."""
        with self._growing:
            self._held_up += 1

    def come_back(self, thread: threading.Thread) -> bool:
        """A worker that was held up is free again. False where it has been replaced, and is to end."""
        with self._growing:
            self._held_up -= 1
            if len(self._threads) <= self._most + 1:
                return True
            self._leave_out(thread)
            return False

    def replace(self, thread: threading.Thread) -> None:
        """Starts another worker in the place of one that ends, which waits until there is a thread to be had."""
        with self._growing:
            if thread not in self._threads:
                return  # it was to end: another has its place
            self._leave_out(thread)
        while not self.grow_by_one() and self.size <= self._most and self.server.ready:
            time.sleep(AGAIN_S)

    def _leave_out(self, thread: threading.Thread) -> None:
        self._threads.remove(thread)
        # cheroot keeps each worker that ever was here.
        self.server.stats["Worker Threads"].pop(thread.name, None)

    def stop(self, timeout: float = 0) -> None:
        """Waits for the workers to end; leaves behind those that a handler still holds after `timeout` seconds."""
        deadline = monotonic() + timeout
        with self._growing:
            running = list(self._threads)
        for thread in running:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))
