"""Containers that their cgroup alone tells of: no runtime that would know them can be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from nodescope.containers.cgroup.path import ContainerPath, holder_of
from nodescope.containers.cgroup.tree import USERS as SLICE
from nodescope.containers.engine.sockets import USERS
from nodescope.records.container import SHORT_ID_CHARACTERS, Container, RuntimeStatus

PATIENCE_SECONDS: Final = 10.0
"""From the start on, for runtimes to answer for the first time: what they name shall not have another name before."""
UNNAMED: Final = "unknown"
_CONTAINERD: Final = frozenset({"containerd", "cri-containerd"})
"""containerd tells of what its CRI runs too."""


class Untold:
    """A runtime that answers knows its own: what it does not tell is a pod's sandbox, or is within another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patient_until = clock() + PATIENCE_SECONDS

    def waits(self, statuses: Iterable[RuntimeStatus]) -> bool:
        """Whether a runtime may yet tell the names of what so far is known by its cgroup alone."""
        return self._clock() < self._patient_until and any(status.state == "absent" for status in statuses)

    def of(
        self,
        paths: Mapping[str, ContainerPath],
        told: Collection[str],
        statuses: Iterable[RuntimeStatus],
        is_frozen: Callable[[str], bool],
    ) -> Iterator[Container]:
        """Of the containers in `paths`, by id, those that are not `told` and whose runtime does not answer.

        What any runtime may have named so is left out as soon as one answers; of what is in a user's slice only that
        user's own engine knows. The name is the id, as short as runtimes show it. One that `is_frozen` is paused.
        """
        states = ("ok", "absent") if self._clock() < self._patient_until else ("ok",)
        sockets = [(status.socket, status.runtime) for status in statuses if status.state in states]
        everyone = _with_cri({runtime for _, runtime in sockets})
        for container_id, path in paths.items():
            if container_id in told or not path.certain or path.nested:
                continue
            answering, cgroup = everyone, path.cgroup or ""
            # What root runs in a session of its own the host's runtimes know.
            if cgroup.startswith(f"{SLICE}/") and (uid := holder_of(cgroup).uid) != 0:
                own = f"/{USERS}/{uid}/"
                answering = _with_cri({runtime for socket, runtime in sockets if own in socket})
            if path.runtime not in answering and (path.runtime is not None or not answering):
                yield Container(
                    runtime=path.runtime or UNNAMED,
                    id=container_id,
                    name=container_id[:SHORT_ID_CHARACTERS],
                    state="paused" if is_frozen(container_id) else "running",
                    pod_uid=path.pod_uid,
                    cgroup=path.cgroup,
                )


def _with_cri(answering: set[str]) -> set[str]:
    return answering | _CONTAINERD if answering & _CONTAINERD else answering
