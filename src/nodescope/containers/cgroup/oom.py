"""OOM kills of containers, kept across the end of their cgroups.

Source: memory.events of v2, memory.oom_control of v1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).
A cgroup whose only process was killed is removed at once, before its last count is read. Under v2 the cgroup above has
counted it too: what that counted more than those below it is the kills of the one that went.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Final, NamedTuple

from nodescope.containers.cgroup.reader import Incarnation, Sample
from nodescope.containers.cgroup.tree import Found

MAX_KEPT: Final = 4096
"""Containers whose kills are remembered after their end; the oldest go first."""


class OomDeath(NamedTuple):
    """A cgroup that went, or was made anew under its path.

    `oom_kills`: in it while it was, None where its host does not count them. `inferred`: the cgroup above counted some
    that it was not seen to have itself; a neighbour there that is no container may have had them.
    """

    id: str
    cgroup: str
    oom_kills: int | None
    inferred: bool = False


class _Living(NamedTuple):
    incarnation: Incarnation
    found: Found
    kills: int | None


class OomKills:
    """Counts the kills of each container over all its cgroups. `count`: reads a v2 folder's memory.events."""

    def __init__(self, count: Callable[[str], int | None]) -> None:
        self._count = count
        self._living: dict[str, _Living] = {}
        self._ended: dict[str, int] = {}
        self._above: dict[str, int] = {}
        self._inferred: dict[str, int] = {}

    @property
    def kills(self) -> dict[str, int]:
        """Id -> kills, of the living and of the dead; those whose host does not count them are not in it."""
        found = dict(self._ended)
        for container_id, living in self._living.items():
            if living.kills is not None:
                found[container_id] = found.get(container_id, 0) + living.kills
        return found

    def forget(self, container_id: str) -> None:
        self._ended.pop(container_id, None)

    def refute(self, container_id: str) -> None:
        """What was inferred of it at the newest look was a neighbour's."""
        left = self._ended.pop(container_id, 0) - self._inferred.pop(container_id, 0)
        if left > 0:
            self._ended[container_id] = left

    def see(
        self, found: Mapping[str, Found], samples: Mapping[str, Sample], unread: Set[str] = frozenset()
    ) -> tuple[OomDeath, ...]:
        """Takes what was read now; what went since the look before. `unread`: those that may still be there."""
        before = self._living
        self._living = {container_id: before.pop(container_id) for container_id in unread & before.keys()}
        self._inferred = {}
        ended: list[tuple[str, _Living]] = []
        fresh: dict[str, int] = {}
        for container_id, sample in samples.items():
            raw = sample.figures.get("oom_kills")
            now = _Living(sample.incarnation, found[container_id], None if raw is None else int(raw))
            self._living[container_id] = now
            was = before.pop(container_id, None)
            if was is not None and _restarted(was, now):
                ended.append((container_id, was))
                was = None
            above = _above(now.found)
            fresh[above] = fresh.get(above, 0) + (now.kills or 0) - ((was.kills or 0) if was else 0)
        ended += before.items()
        unseen = self._unseen(fresh, {_above(was.found) for _, was in ended})
        return tuple(self._end(container_id, was, unseen, ended) for container_id, was in ended)

    def _unseen(self, fresh: Mapping[str, int], needed: set[str]) -> dict[str, int]:
        """v2 folder above containers -> kills that it counted and that none of the living below it told."""
        before, self._above = self._above, {}
        unseen: dict[str, int] = {}
        for folder in fresh.keys() | needed:
            kills = self._count(folder) if folder else None
            if kills is None:
                continue
            self._above[folder] = kills
            if folder in before:
                unseen[folder] = kills - before[folder] - fresh.get(folder, 0)
        return unseen

    def _end(
        self, container_id: str, was: _Living, unseen: Mapping[str, int], ended: list[tuple[str, _Living]]
    ) -> OomDeath:
        above = _above(was.found)
        more = unseen.get(above, 0)
        # With two gone at once nobody can say whose kills those were.
        inferred = more > 0 and sum(_above(other.found) == above for _, other in ended) == 1
        kills = was.kills
        if inferred:
            kills = (kills or 0) + more
            self._inferred[container_id] = more
        if kills:
            self._ended[container_id] = self._ended.pop(container_id, 0) + kills
            while len(self._ended) > MAX_KEPT:
                del self._ended[next(iter(self._ended))]
        return OomDeath(container_id, was.found.cgroup, kills, inferred)


def _restarted(was: _Living, now: _Living) -> bool:
    """Whether the cgroup is another one, or counts from the start again."""
    return was.incarnation.isdisjoint(now.incarnation) or (now.kills or 0) < (was.kills or 0)


def _above(found: Found) -> str:
    """The v2 folder that a container's cgroup is in; "" where it has none."""
    return found.unified.rpartition("/")[0] if found.unified is not None else ""
