"""All container runtimes of the host: finds their sockets, follows each in a thread, gives up what is gone."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

import nodescope._msgspec  # noqa: F401
from nodescope.containers.containerd.client import SOCKETS as CONTAINERD_SOCKETS
from nodescope.containers.containerd.client import Client as Containerd
from nodescope.containers.cri.client import Client as Cri
from nodescope.containers.engine.follower import EngineFollower
from nodescope.containers.engine.room import HOSTS
from nodescope.containers.engine.room import USERS as USERS_ROOM
from nodescope.containers.engine.sockets import MAX_SOCKETS, MOUNTED, USERS, engine_sockets
from nodescope.containers.kept import MAX_RUNTIMES, KeptContainers, KeptLife, KeptRuntime
from nodescope.containers.known import Emit
from nodescope.containers.oom_evidence import OomEvidence
from nodescope.containers.watch import Watch
from nodescope.host import Host
from nodescope.records.container import NOT_ASKED, Container, ContainerEvent, RuntimeStatus

LOOK_SECONDS: Final = 10.0
ANSWER_LOOK_SECONDS: Final = 0.02
HOUR_SECONDS: Final = 3600.0
CRIO_SOCKET: Final = "/run/crio/crio.sock"
MOBY: Final = "moby"
"""containerd's namespace of Docker's own containers, of which Docker tells more."""
DOCKER: Final = "docker"
ROOT: Final = "0"
"""The user who may say anything of the host's containers."""
NOBODY: Final = -1
_UID: Final = re.compile(r"[0-9]{1,10}", re.ASCII)

log = logging.getLogger(__name__)


class Follower(Protocol):
    """One runtime that is followed in a thread of its own, by whatever it speaks."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def containers(self) -> tuple[Container, ...]: ...

    def kept(self) -> list[KeptLife] | None: ...

    def status(self) -> RuntimeStatus: ...


class Runtimes:
    """`labels`: names of those that containers keep. `emit` takes what happens, in order for each runtime, from any
    thread. `kept`: what was known before, and what goes on after this one. `sockets`: none but these, where there are.

    `look` starts to follow new sockets; what follows one that is gone says so, and is ready for its return.
    """

    def __init__(
        self,
        host: Host,
        labels: Collection[str],
        emit: Emit,
        kept: KeptContainers | None = None,
        sockets: Sequence[str] = (),
    ) -> None:
        self._host = host
        self._sockets = tuple(sockets[:MAX_SOCKETS])
        self._labels = frozenset(labels)
        self._kept = kept or KeptContainers(None)
        self.turn = self._kept.turn()
        self._ooms = OomEvidence(emit)
        self._followers: dict[str, Follower] = {}
        self._left: dict[str, KeptRuntime] = {}
        self._left_out = 0
        self._look_at = float("-inf")
        self._closed = threading.Event()
        self._mark: tuple[object, ...] = ()

    def look(self) -> None:
        """Finds sockets, at most each `LOOK_SECONDS`. One that was made before this, and followed until now, ends."""
        if self._closed.is_set() or not self._kept.lead(self) or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._leave()
        for place, path in self._places():
            if self.lead():
                self._follow(place, path)
        self._note_change()
        if self._closed.is_set():
            self._kept.end(self)
        if not self.lead():
            # Ended in the meantime: nobody else would end what was begun after that.
            self.end()

    def lead(self) -> bool:
        """Whether these follow the runtimes still, and neither another nor nobody."""
        return self._kept.leads(self)

    def first_answers(self, timeout_s: float) -> None:
        """Waits until each that is followed has answered, or failed to, at most so long; ends with `close`."""
        deadline = time.monotonic() + timeout_s
        while any(status.reason == NOT_ASKED for status in self.statuses()) and time.monotonic() < deadline:
            if self._closed.wait(ANSWER_LOOK_SECONDS):
                return

    def killed(self, kills: Mapping[str, int]) -> None:
        """Takes the cgroups' counts of OOM kills, by key of the container; what no runtime told of is told by them."""
        self._ooms.counted(kills, {container.key: container for container in self.containers()})

    def containers(self) -> tuple[Container, ...]:
        """All containers of all runtimes, as known now.

        What a user's own engine tells of a container that the host's runtimes know is left out, and so is whose, and of
        which pod, it says that one is: any user can have one that says anything.
        """
        own: list[Container] = []
        told: list[Container] = []
        for place, follower in self._followers.items():
            uid = self._uid(place)
            if uid is not None:
                own += (_of_user(container, uid) for container in follower.containers())
            else:
                told += follower.containers()
        if own:
            known = {container.id for container in told}
            told += [container for container in own if container.id not in known]
        return tuple(told)

    def statuses(self) -> tuple[RuntimeStatus, ...]:
        """How each runtime fares."""
        return tuple(follower.status() for follower in self._followers.values())

    def close(self) -> None:
        """Ends what follows them, within seconds."""
        self._closed.set()
        self._kept.end(self)

    def known(self) -> Iterator[tuple[str, KeptRuntime]]:
        """What is to be kept of those that were listed. From any thread."""
        yield from self._left.items()
        yield from _known(self._followers)

    def end(self) -> list[tuple[str, KeptRuntime]]:
        """Ends what follows them, within seconds; what was known then. The next look begins anew."""
        for follower in self._followers.values():
            follower.stop()
        for follower in self._followers.values():
            follower.close()
        known = list(self.known())
        self._followers, self._left = {}, {}
        self._look_at = float("-inf")
        return known

    def _places(self) -> Iterator[tuple[str, str]]:
        """Where there are sockets now, with how this process reaches each; those that were asked for in any case."""
        yield from ((path, path) for path in self._sockets or self._engines())
        for place in () if self._sockets else (*CONTAINERD_SOCKETS, CRIO_SOCKET):
            below = place.removeprefix("/run")
            for path in (self._host.root(place), *(folder + below for folder in MOUNTED)):
                if self._host.exists(path):
                    yield place, path

    def _engines(self) -> tuple[str, ...]:
        """Those that are found; one line where more than before are too many."""
        paths, left_out = engine_sockets(self._host, self._followers)
        if left_out > self._left_out:
            log.warning(
                "%d engines beyond the first %d are not followed: their containers have no names; "
                "collector.container.sockets chooses which are",
                left_out,
                MAX_SOCKETS,
            )
        self._left_out = left_out
        return paths

    def _leave(self) -> None:
        """Follows no longer the engines of users whose folder systemd has taken away, with the last of their sessions.

        What was known of them is there when they come back.
        """
        gone = {
            place: follower
            for place, follower in self._followers.items()
            if (uid := self._uid(place)) is not None
            and place not in self._sockets
            and not self._host.exists(self._host.root(f"{USERS}/{uid}"))
        }
        if not gone:
            return
        for follower in gone.values():
            follower.stop()
        for follower in gone.values():
            follower.close()
        known = dict(_known(gone))
        # Of one that came back and never answered, what was known before still is what is known.
        left = {**{place: kept for place, kept in self._left.items() if place not in known}, **known}
        self._left = dict(list(left.items())[-MAX_RUNTIMES:])
        self._followers = {place: follower for place, follower in self._followers.items() if place not in gone}

    def _follow(self, place: str, path: str) -> None:
        if place not in self._followers:
            follower = self._follower(place, path, self._left.get(place) or self._kept.of(place))
            followers, self._followers = self._followers, {**self._followers, place: follower}
            try:
                follower.start()
            except RuntimeError as error:
                # The next look tries again.
                self._followers = followers
                follower.close()
                log.warning("%s cannot be followed yet: %s", place, error)

    def _follower(self, place: str, path: str, kept: KeptRuntime | None) -> Follower:
        """containerd tells of its CRI's containers too; CRI-O is spoken to by the CRI."""
        allowed = self._labels.__contains__
        name = os.path.basename(place)
        if "crio" in name:
            return Watch(Cri(path, allowed), self._take, kept)
        if "containerd" in name:
            return Watch(Containerd(path, allowed, frozenset({MOBY} if self._asks_docker() else ())), self._take, kept)
        runtime = "podman" if "podman" in path else DOCKER
        uid = self._uid(place)
        room = HOSTS if uid in (None, ROOT) else USERS_ROOM
        owner = None if uid is None else _owner(self._host.root(f"{USERS}/{uid}"))
        return EngineFollower(path, self._take, runtime, self._labels, kept, room=room, owner=owner)

    def _uid(self, place: str) -> str | None:
        """The name of the user's folder that a socket is in, as systemd makes it; None of the host's own."""
        users = f"{self._host.root(USERS)}/"
        return place.removeprefix(users).partition("/")[0] if place.startswith(users) else None

    def _asks_docker(self) -> bool:
        """Whether the host's Docker Engine is followed, and its socket may be opened: a user's tells of others."""
        return any(
            isinstance(one, EngineFollower)
            and self._uid(place) in (None, ROOT)
            and one.status().runtime == DOCKER
            and os.access(place, os.R_OK | os.W_OK)
            for place, one in self._followers.items()
        )

    def _note_change(self) -> None:
        """Has what is known saved where it may be another than what was saved, and each hour, for it to be young."""
        statuses = self.statuses()
        mark = (
            int(time.time() // HOUR_SECONDS),
            *((one.state, one.containers, one.events_inferred) for one in statuses),
        )
        if mark != self._mark:
            self._mark = mark
            self._kept.changed()

    def _take(self, event: ContainerEvent) -> None:
        if event.namespace == MOBY and self._asks_docker():
            # Its socket came later than this of containerd: Docker tells of it too.
            return
        self._ooms.heard(event)
        self._kept.changed()


def _known(followers: Mapping[str, Follower]) -> Iterator[tuple[str, KeptRuntime]]:
    for place, follower in followers.items():
        lives = follower.kept()
        if lives is not None:
            yield place, KeptRuntime(follower.status().runtime, time.time(), lives)


def _owner(folder: str) -> int:
    """Whose a folder is; nobody's where it is gone."""
    try:
        return os.stat(folder).st_uid
    except OSError:
        return NOBODY


def _of_user(container: Container, uid: str) -> Container:
    """As a user's own engine may tell of it. `uid`: the name of that user's folder, as systemd makes it."""
    if uid == ROOT:
        return container
    return msgspec.structs.replace(
        container,
        engine_uid=int(uid) if _UID.fullmatch(uid) else None,
        user=None,
        pod_name=None,
        pod_namespace=None,
        pod_uid=None,
        pod_container=None,
    )
