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
                self._begun.add(event.id)
            elif event.kind == "deleted":
                self._begun.discard(event.id)
                self._worded.discard(event.id)
            if event.kind == "oom_killed":
                told = self._told.pop(event.id, float("-inf"))
                if time.monotonic() - told <= SAME_SECONDS:
                    return
                if len(self._worded) < MAX_REMEMBERED:
                    self._worded.add(event.id)
        self._emit(event)

    def counted(self, kills: Mapping[str, int], containers: Mapping[str, Container]) -> None:
        """Takes the kernel's counts of all containers, by id; tells of those that have grown without a word."""
        now = time.monotonic()
        with self._lock:
            started = {id_ for id_, container in containers.items() if container.state != "created"}
            silent = [id_ for id_, count in kills.items() if self._has_grown(id_, count) and id_ in started]
            silent = [id_ for id_ in silent if id_ not in self._worded]
            # A cgroup is seen before the runtime has told that its container runs: its kills are told after that.
            self._counts = {id_: count for id_, count in kills.items() if id_ in started}
            self._begun -= self._counts.keys()
            self._worded -= self._counts.keys()
            self._told = {id_: told for id_, told in self._told.items() if now - told <= SAME_SECONDS}
            self._told.update(dict.fromkeys(silent, now))
        for id_ in silent:
            container = containers[id_]
            self._emit(
                ContainerEvent(
                    runtime=container.runtime,
                    id=id_,
                    kind="oom_killed",
                    time_seconds=time.time(),
                    namespace=container.namespace,
                    name=container.name,
                    evidence="cgroup",
                )
            )

    def _has_grown(self, id_: str, count: int) -> bool:
        """A first count says nothing of when it grew, but of one whose beginning was heard, however long before."""
        before = self._counts.get(id_)
        if before is None:
            return count > 0 and id_ in self._begun
        return count > before
