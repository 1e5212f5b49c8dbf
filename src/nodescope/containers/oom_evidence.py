"""OOM kills that a runtime keeps silent about, by the kernel's count in the container's cgroup.

Docker tells of most, podman under cgroup v1 of none, the CRI of those that end the container. Each is told once: by
the runtime's word where it comes, else by the cgroup.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

from nodescope.containers.known import Emit
from nodescope.records.container import Container, ContainerEvent

SAME_SECONDS: Final = 10.0
"""A runtime's word that comes this soon after the cgroup's is of the same kill."""
MAX_REMEMBERED: Final = 16_384
BEGINNINGS: Final = frozenset({"created", "running", "restarted"})


class OomEvidence:
    """All events go through `heard`, from any thread; what the cgroups count comes to `counted` now and then."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._begun: set[str] = set()
        self._worded: set[str] = set()
        self._told: dict[str, float] = {}

    def heard(self, event: ContainerEvent) -> None:
        """Passes an event on, unless it is the word for a kill that was told."""
        with self._lock:
            if event.kind in BEGINNINGS and len(self._begun) < MAX_REMEMBERED:
                self._begun.add(event.key)
            elif event.kind == "deleted":
                self._begun.discard(event.key)
                self._worded.discard(event.key)
            if event.kind == "oom_killed":
                told = self._told.pop(event.key, float("-inf"))
                if time.monotonic() - told <= SAME_SECONDS:
                    return
                if len(self._worded) < MAX_REMEMBERED:
                    self._worded.add(event.key)
        self._emit(event)

    def counted(self, kills: Mapping[str, int], containers: Mapping[str, Container]) -> None:
        """Takes the kernel's counts of all containers, by key; tells of those that have grown without a word."""
        now = time.monotonic()
        with self._lock:
            started = {key for key, container in containers.items() if container.state != "created"}
            silent = [key for key, count in kills.items() if self._has_grown(key, count) and key in started]
            silent = [key for key in silent if key not in self._worded]
            # A cgroup is seen before the runtime has told that its container runs: its kills are told after that.
            self._counts = {key: count for key, count in kills.items() if key in started}
            self._begun -= self._counts.keys()
            self._worded -= self._counts.keys()
            self._told = {key: told for key, told in self._told.items() if now - told <= SAME_SECONDS}
            self._told.update(dict.fromkeys(silent, now))
        for key in silent:
            container = containers[key]
            self._emit(
                ContainerEvent(
                    runtime=container.runtime,
                    id=container.id,
                    kind="oom_killed",
                    time_seconds=time.time(),
                    namespace=container.namespace,
                    name=container.name,
                    evidence="cgroup",
                )
            )

    def _has_grown(self, key: str, count: int) -> bool:
        """A first count says nothing of when it grew, but of one whose beginning was heard, however long before."""
        before = self._counts.get(key)
        if before is None:
            return count > 0 and key in self._begun
        return count > before
