"""What all containers of the host use: finds their cgroups, reads them, makes records of what they say.

A container whose cgroup is gone has no record any more. Its OOM kills are kept, so that a container that was killed,
and started again under its id, does not hide it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Mapping
from typing import Any, Final, NamedTuple

from nodescope.containers.cgroup.figures import Figures, Io
from nodescope.containers.cgroup.hierarchy import find_hierarchies
from nodescope.containers.cgroup.oom import OomDeath, OomKills
from nodescope.containers.cgroup.path import ContainerPath, leaf_container
from nodescope.containers.cgroup.reader import Incarnation, Reader, Sample
from nodescope.containers.cgroup.tree import ContainerTree, Found
from nodescope.host import Host
from nodescope.kernel.file_name import shown
from nodescope.records.container import ContainerIo, ContainerUse

WALK_SECONDS: Final = 2.0
"""The longest that a new container stays unseen, where no runtime tells of it."""
LIMITS_SECONDS: Final = 60.0
NAMES_SECONDS: Final = 60.0
MAX_NAMES: Final = 4096
CONMON: Final = "conmon"
"""In the names of cgroups that podman and CRI-O have beside those of their containers."""


class Snapshot(NamedTuple):
    """One look at all cgroups of containers.

    `containers`: id -> what its path tells. `deaths`: cgroups that went, or were made anew, since the look before.
    `oom_kills`: id -> kills, of those that are gone too. `left_out`: files and cgroups that could not be read
    or understood, or are too many. `problem`: the first file of them.
    """

    containers: dict[str, ContainerPath]
    uses: tuple[ContainerUse, ...]
    io: tuple[ContainerIo, ...]
    deaths: tuple[OomDeath, ...]
    oom_kills: dict[str, int]
    left_out: int
    problem: str = ""


class _Known:
    """What is remembered of a container from one look to the next."""

    __slots__ = ("cpu_seconds", "incarnation", "limits", "limits_due", "read_at")

    def __init__(self) -> None:
        self.incarnation: Incarnation = frozenset()
        self.limits: Figures = {}
        self.limits_due = float("-inf")
        self.cpu_seconds: float | None = None
        self.read_at = 0.0


class ContainerUsage:
    """Reads the cgroups of all containers. Raises `Absent` where the host has no cgroups mounted.

    *Cost*: ten files or so for each container, opened and closed; limits once a minute; a walk each two seconds.
    """

    def __init__(self, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        hierarchies = find_hierarchies(host)
        self._unified = hierarchies.unified
        self._tree = ContainerTree(hierarchies, clock)
        self._reader = Reader(hierarchies)
        self._names = DiskNames(host, clock)
        self._clock = clock
        self._oom = OomKills(self._reader.oom_kills)
        self._found: dict[str, Found] = {}
        self._told: dict[str, str] = {}
        self._walk_at = float("-inf")
        self._known: dict[str, _Known] = {}

    def look(self, told: Mapping[str, str] | None = None) -> Snapshot:
        """All containers now. `told`: key -> cgroup path, as runtimes tell, of those whose path does not name them."""
        self._walk(dict(told or {}))
        uses, io = [], []
        samples: dict[str, Sample] = {}
        read_at: dict[str, float] = {}
        unread: set[str] = set()
        for container_id, found in self._found.items():
            read_at[container_id] = self._clock()
            try:
                sample = self._reader.read(found)
            except OSError as error:
                unread.add(container_id)
                self._reader.miss(error)
                continue
            if sample is not None:
                samples[container_id] = sample
        deaths = self._oom.see(self._found, samples, unread)
        kills = self._oom.kills
        for container_id, sample in samples.items():
            if container_id in kills:
                # Of all its cgroups, also those before it was restarted.
                sample.figures["oom_kills"] = kills[container_id]
            uses.append(self._use(container_id, self._found[container_id], sample, read_at[container_id]))
            io += self._io(container_id, sample.io)
        gone = self._found.keys() - samples.keys() - unread
        for container_id in gone & self._known.keys():
            del self._known[container_id]
        if gone:
            self._walk_at = float("-inf")
        # With those that `is_frozen` could not read since the look before.
        missed = self._reader.missed()
        return Snapshot(
            {container_id: self._found[container_id].container for container_id in samples},
            tuple(uses),
            tuple(io),
            deaths,
            kills,
            missed.left_out + self._tree.left_out,
            missed.first,
        )

    def is_frozen(self, container_id: str) -> bool:
        """Whether a container that was found is frozen now, for those whose runtime does not tell their state."""
        found = self._found.get(container_id)
        return found is not None and self._reader.is_frozen(found)

    def settled(self, snapshot: Snapshot, in_peace: Container[str]) -> Snapshot:
        """Without kills that may be a neighbour's. `in_peace`: of which their runtime says that they ended well.

        To be called before the next look. A service or a Slurm job in the cgroup above may have had what it counted.
        """
        for death in snapshot.deaths:
            if death.inferred and death.id in in_peace and self._has_neighbours(death.cgroup):
                self._oom.refute(death.id)
        return snapshot._replace(oom_kills=self._oom.kills)

    def _has_neighbours(self, cgroup: str) -> bool:
        """Whether there is a cgroup beside a container's that is no container's."""
        try:
            with os.scandir(f"{self._unified}{cgroup.rpartition('/')[0]}") as entries:
                return any(
                    entry.is_dir(follow_symlinks=False)
                    and leaf_container(entry.name) is None
                    and CONMON not in entry.name
                    for entry in entries
                )
        except OSError:
            return False

    def forget(self, container_id: str) -> None:
        """Forgets the OOM kills of a container that its runtime has deleted."""
        self._oom.forget(container_id)

    def _walk(self, told: dict[str, str]) -> None:
        now = self._clock()
        if now >= self._walk_at or told != self._told:
            self._walk_at, self._told = now + WALK_SECONDS, told
            self._found = {**self._living_before(), **self._tree.find(told)}

    def _living_before(self) -> dict[str, Found]:
        """Those of the look before stay in for one more: what went is told as a death."""
        return {container_id: self._found[container_id] for container_id in self._known if container_id in self._found}

    def _use(self, container_id: str, found: Found, sample: Sample, now: float) -> ContainerUse:
        known = self._known.get(container_id)
        if known is None or known.incarnation.isdisjoint(sample.incarnation):
            known = self._known[container_id] = _Known()
        known.incarnation = sample.incarnation
        if now >= known.limits_due:
            known.limits = self._reader.read_limits(found)
            # Spread over a quarter of the time, so that not all are read in one look.
            known.limits_due = now + LIMITS_SECONDS * (1 - hash(container_id) % 64 / 256)
        figures: dict[str, Any] = {**known.limits, **sample.figures}
        used = sample.figures.get("cpu_seconds")
        figures["cpu_percent"] = _percent(known, used, now)
        known.cpu_seconds, known.read_at = used, now
        return ContainerUse(id=container_id, cgroup=found.cgroup, **figures)

    def _io(self, container_id: str, io: Mapping[str, Io]) -> list[ContainerIo]:
        return [
            ContainerIo(id=container_id, device=device, name=self._names.of(device), **figures._asdict())
            for device, figures in io.items()
        ]


def _percent(known: _Known, used: float | None, now: float) -> float | None:
    """Of one CPU, since the look before; None at the first, and where the counter went back."""
    before, elapsed = known.cpu_seconds, now - known.read_at
    if used is None or before is None or elapsed <= 0 or used < before:
        return None
    return (used - before) / elapsed * 100


class DiskNames:
    """Names of block devices by number, from /sys/dev/block."""

    def __init__(self, host: Host, clock: Callable[[], float]) -> None:
        self._host = host
        self._clock = clock
        self._known: dict[str, str | None] = {}
        self._until = float("-inf")

    def of(self, device: str) -> str | None:
        """ "sda" for "8:0"; None where the host does not know it."""
        now = self._clock()
        if now >= self._until or len(self._known) >= MAX_NAMES:
            self._known, self._until = {}, now + NAMES_SECONDS
        if device not in self._known:
            try:
                # "!" stands for "/" in such names (Documentation/ABI/stable/sysfs-block has them as in /dev).
                target = os.readlink(self._host.sys(f"dev/block/{device}"))
                self._known[device] = shown(target.rpartition("/")[2]).replace("!", "/")
            except OSError:
                self._known[device] = None
        return self._known[device]
