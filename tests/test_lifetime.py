"""Starting and stopping an agent leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nodescope import configuration
from nodescope.agent import Agent

STARTS: Final = 50
SETTLE_DEADLINE_S: Final = 10.0


def open_descriptors() -> list[str]:
    """What the descriptors of this process are open on, sorted; the numbers of sockets and pipes left out."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one with which the folder was read
            found.append(re.sub(r"\d+", "N", os.readlink(f"/proc/self/fd/{number}")))
    return sorted(found)


def test_nothing_is_left_after_stop(http_get: Callable[..., Any], tmp_path: Path) -> None:
    """After 50 starts, scrapes and stops of the agent there are no more threads and descriptors than after two."""

    def once() -> None:
        given = {"web.listen-address": ["127.0.0.1:0"], "state.directory": str(tmp_path)}
        agent = Agent(configuration.load(given, {}))
        agent.start()
        try:
            (address,) = agent.addresses
            assert http_get(int(address.rpartition(":")[2]), "/metrics").status == 200
        finally:
            agent.stop()

    once()
    once()
    before = threads_and_descriptors()
    for _ in range(STARTS):
        once()
    assert left_over(before) == Counter()


def threads_and_descriptors() -> Counter[str]:
    return Counter([f"thread {thread.name}" for thread in threading.enumerate()] + open_descriptors())


def left_over(before: Counter[str]) -> Counter[str]:
    """What there is more than before, once there is nothing, or at the deadline.

    `stop` waits for nothing that could hang, so threads end a moment later.
    """
    deadline = time.monotonic() + SETTLE_DEADLINE_S
    while (more := threads_and_descriptors() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    return more
