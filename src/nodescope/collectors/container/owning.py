"""Users and Slurm jobs of containers, by the cgroups that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from nodescope.containers.cgroup.path import NOBODY, ContainerPath, holder_of
from nodescope.records.container import Container

MAX_KEPT: Final = 4096
"""Paths whose meaning is remembered: those of all containers of a node."""

_holder_of: Final = lru_cache(MAX_KEPT)(holder_of)


def with_owners(
    containers: Iterable[Container], found: Mapping[str, ContainerPath], user_name: Callable[[int], str | None]
) -> Iterator[Container]:
    """The containers with the user and the job in whose slice they are. `found`: where cgroups were seen, by key.

    The slice, then whose engine it is, go before a label, which anyone may write. What a user's own engine tells of a
    container in the slice of another is left out.
    """
    for container in containers:
        path = container.cgroup or (found[container.key].cgroup if container.key in found else None)
        place = _holder_of(path) if path else NOBODY
        if None not in (place.uid, container.engine_uid) and place.uid != container.engine_uid:
            continue
        uid = container.engine_uid if place.uid is None else place.uid
        if uid is None and place.slurm_job is None:
            yield container
            continue
        user = None if uid is None else user_name(uid)
        yield replace(container, user=user or container.user, slurm_job=place.slurm_job or container.slurm_job)
