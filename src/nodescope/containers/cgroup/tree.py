"""Finds the cgroups of containers by walking the hierarchies. Nothing is kept open.

A cgroup's folder has two links and one for each cgroup in it (kernfs), so one without cgroups in it is never listed.
One with as many links as before, and with all that was in it before, has no other in it: it is listed again only each
`RELIST_SECONDS`.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from nodescope.containers.cgroup.hierarchy import Hierarchies
from nodescope.containers.cgroup.path import ContainerPath, container_of, leaf_container
from nodescope.host import text

MAX_DEPTH: Final = 32
MAX_CGROUPS: Final = 16_384
MAX_CONTAINERS: Final = 2048
RELIST_SECONDS: Final = 60.0
"""One may come or go between the count of links and the list."""
LEAF_LINKS: Final = 2
USERS: Final = "/user.slice"
"""Where systemd lets users make cgroups of any name."""


class Found(NamedTuple):
    """A container's cgroup. `unified`: its folder under v2. `legacy`: its path below each hierarchy of v1."""

    container: ContainerPath
    unified: str | None
    legacy: str | None

    @property
    def cgroup(self) -> str:
        return self.container.cgroup or ""


class Tree:
    """The cgroups of containers below one hierarchy's folder. `left_out`: cgroups that bounds or errors leave out."""

    def __init__(self, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._listed: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._relist_at = float("-inf")
        self._containers: dict[str, ContainerPath] = {}
        self.left_out = 0

    def walk(self) -> dict[str, ContainerPath]:
        """Path below the root -> the container. None at all where the hierarchy is gone."""
        now = self._clock()
        if now >= self._relist_at:
            self._listed, self._relist_at = {}, now + RELIST_SECONDS
        if not self._walked():
            # What was replaced is not in the lists any more.
            self._walked()
        return self._containers

    def _walked(self) -> bool:
        """Whether each list that was kept still told what is there: one cgroup may have taken another's place."""
        before = self._listed
        known, self._containers = self._containers, {}
        self._listed, self.left_out = {}, 0
        current = True
        walked = 0
        # Level by level: what users make deep in cgroups of their own must not use up the room of containers.
        waiting = deque([("", 0)])
        # Last of all: nor must they come before a container that lies deeper.
        users: deque[tuple[str, int]] = deque()
        while waiting or users:
            path, depth = (waiting or users).popleft()
            walked += 1
            names = self._below(path, before)
            if names is None:
                above = path.rpartition("/")[0]
                if path and above in before and self._listed.get(above) is before[above]:
                    del self._listed[above]
                    current = False
                continue
            if depth >= MAX_DEPTH or walked + len(waiting) + len(users) + len(names) > MAX_CGROUPS:
                self.left_out += len(names)
                continue
            for name in names:
                below = f"{path}/{name}"
                (users if below == USERS else waiting).append((below, depth + 1))
                if leaf_container(name) is not None:
                    self._keep(below, known)
        return current

    def _keep(self, path: str, known: Mapping[str, ContainerPath]) -> None:
        container = known.get(path) or container_of(path)
        if container is None or container.cgroup != path:
            return
        if len(self._containers) >= MAX_CONTAINERS:
            self.left_out += 1
        else:
            self._containers[path] = container

    def _below(self, path: str, before: Mapping[str, tuple[int, tuple[str, ...]]]) -> tuple[str, ...] | None:
        """Names of the cgroups in a cgroup; None where it is gone."""
        folder = self._root + path
        try:
            links = os.stat(folder).st_nlink
            if links == LEAF_LINKS:
                return ()
            listed = before.get(path)
            # Some filesystems that fixtures may be on count no links of folders: always 1.
            if listed is None or listed[0] != links or links < LEAF_LINKS:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
                listed = links, tuple(name for name in names if text(os.fsencode(name)) == name)
                self.left_out += len(names) - len(listed[1])
        except FileNotFoundError:
            return None
        except OSError:
            self.left_out += 1
            return ()
        self._listed[path] = listed
        return listed[1]


class ContainerTree:
    """The containers of all hierarchies, each once: by the cgroup nearest to the root that no user can have made."""

    def __init__(self, hierarchies: Hierarchies, clock: Callable[[], float] = time.monotonic) -> None:
        self._hierarchies = hierarchies
        self._unified = Tree(hierarchies.unified, clock) if hierarchies.unified else None
        self._legacy = Tree(hierarchies.walked, clock) if hierarchies.walked else None

    @property
    def left_out(self) -> int:
        return sum(tree.left_out for tree in (self._unified, self._legacy) if tree is not None)

    def find(self, told: Mapping[str, str] | None = None) -> dict[str, Found]:
        """Id -> its cgroup. `told`: id -> path that a runtime tells, for those that no path names (`ctr run`)."""
        unified = _by_id(self._unified.walk()) if self._unified else {}
        legacy = _by_id(self._legacy.walk()) if self._legacy else {}
        found = {}
        for container_id in dict.fromkeys((*unified, *legacy)):
            under_v2, under_v1 = unified.get(container_id), legacy.get(container_id)
            if under_v2 and under_v1 and _doubt(under_v2) != _doubt(under_v1):
                # One of them is not the container's.
                under_v2, under_v1 = (under_v2, None) if _doubt(under_v2) < _doubt(under_v1) else (None, under_v1)
            container = under_v2 or under_v1
            assert container is not None
            folder = f"{self._hierarchies.unified}{under_v2.cgroup}" if under_v2 else None
            found[container_id] = Found(container, folder, under_v1.cgroup if under_v1 else None)
        found.update(self._told(told or {}, found))
        return found

    def _told(self, told: Mapping[str, str], found: Mapping[str, Found]) -> Iterator[tuple[str, Found]]:
        room = MAX_CONTAINERS - len(found)
        for container_id, path in told.items():
            if container_id in found or room <= 0 or not path.startswith("/") or ".." in path.split("/"):
                continue
            path = path.rstrip("/")
            unified = f"{self._hierarchies.unified}{path}" if self._hierarchies.unified else None
            walked = self._hierarchies.walked
            under_v2 = bool(path) and unified is not None and os.path.isdir(unified)
            under_v1 = bool(path) and walked is not None and os.path.isdir(walked + path)
            if under_v2 or under_v1:
                room -= 1
                named = container_of(path)
                container = ContainerPath(
                    named.runtime if named else None, container_id, named.pod_uid if named else None, cgroup=path
                )
                yield container_id, Found(container, unified if under_v2 else None, path if under_v1 else None)


def _doubt(container: ContainerPath) -> tuple[bool, bool]:
    """Who is in a container, or has a user's slice, may make cgroups there that are called by any other's id."""
    return container.nested, (container.cgroup or "").startswith(f"{USERS}/")


def _by_id(containers: Mapping[str, ContainerPath]) -> dict[str, ContainerPath]:
    """Each id once. `containers`: in the order of the walk."""
    found: dict[str, ContainerPath] = {}
    for container in sorted(containers.values(), key=_doubt):
        found.setdefault(container.id, container)
    return found
