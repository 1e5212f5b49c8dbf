"""All container runtimes of the host: finds their sockets, follows each in a thread, gives up what is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from nodescope.containers.containerd.client import SOCKETS as CONTAINERD_SOCKETS
from nodescope.containers.containerd.client import Client as Containerd
from nodescope.containers.cri.client import Client as Cri
from nodescope.containers.engine.follower import EngineFollower
from nodescope.containers.engine.sockets import MOUNTED, engine_sockets
from nodescope.containers.watch import Watch
from nodescope.host import Host
from nodescope.records.container import Container, ContainerEvent, RuntimeStatus

LOOK_SECONDS: Final = 10.0
CRIO_SOCKET: Final = "/run/crio/crio.sock"
MOBY: Final = "moby"
"""containerd's namespace of Docker's own containers, which Docker tells of itself."""

Emit = Callable[[ContainerEvent], None]


class _Watched(NamedTuple):
    watch: Watch
    stop: threading.Event


class Runtimes:
    """`labels`: names of those that containers keep. `emit` takes what happens, in order for each runtime.

    `look` starts to follow new sockets; what follows one that is gone says so, and is ready for its return.
    """

    def __init__(self, host: Host, labels: Collection[str], emit: Emit) -> None:
        self._host = host
        self._labels = frozenset(labels)
        self._emit = emit
        self._engines: dict[str, EngineFollower] = {}
        self._watched: dict[str, _Watched] = {}
        self._look_at = float("-inf")

    def look(self) -> None:
        """Finds sockets, at most each `LOOK_SECONDS`, and passes events on."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            for path in engine_sockets(self._host):
                if path not in self._engines:
                    self._engines[path] = EngineFollower(path, _thought(path), self._labels)
                    self._engines[path].start()
            for place in (*CONTAINERD_SOCKETS, CRIO_SOCKET):
                for path in (self._host.root(place), MOUNTED + place.removeprefix("/run")):
                    if place not in self._watched and self._host.exists(path):
                        self._watched[place] = self._watch(path, place == CRIO_SOCKET)
        for engine in self._engines.values():
            for event in engine.take(0.0):
                self._emit(event)

    def containers(self) -> tuple[Container, ...]:
        """All containers of all runtimes, as known now."""
        found = [container for engine in self._engines.values() for container in engine.containers()]
        for watched in self._watched.values():
            found += watched.watch.containers()
        return tuple(found)

    def statuses(self) -> tuple[RuntimeStatus, ...]:
        """How each runtime fares."""
        engines = (engine.status() for engine in self._engines.values())
        return (*engines, *(watched.watch.status() for watched in self._watched.values()))

    def close(self) -> None:
        """Ends what follows them, within seconds."""
        for watched in self._watched.values():
            watched.stop.set()
        for engine in self._engines.values():
            engine.close()

    def _watch(self, path: str, is_crio: bool) -> _Watched:
        """containerd tells of its CRI's containers too; CRI-O is spoken to by the CRI."""
        allowed = self._labels.__contains__
        client = Cri(path, allowed) if is_crio else Containerd(path, allowed, frozenset({MOBY}))
        watch, stop = Watch(client, self._emit), threading.Event()
        threading.Thread(target=watch.run, args=(stop,), name="crio" if is_crio else "containerd", daemon=True).start()
        return _Watched(watch, stop)


def _thought(path: str) -> str:
    return "podman" if "podman" in path else "docker"
