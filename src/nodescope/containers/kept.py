"""What is kept of containers across restarts of the agent, so that what happened meanwhile can be told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Protocol, cast

import msgspec

import nodescope._msgspec  # noqa: F401
from nodescope.containers.lifecycle import Life
from nodescope.kernel.state_file import Saver, StateFile
from nodescope.records.container import Container

VERSION: Final = 1
WHAT: Final = "what is known of containers"
MAX_RUNTIMES: Final = 64
MAX_KEPT_SECONDS: Final = 7 * 24 * 3600.0
"""What is older is dropped: of a runtime that has not been seen for so long the first list is what there is."""

MAX_CHARACTERS: Final = 512
MAX_SECONDS: Final = 1e12
MAX_PID: Final = 2**31

_State = Literal["created", "running", "paused", "restarting", "exited", "dead"]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_CHARACTERS)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)]
_Pid = Annotated[int, msgspec.Meta(ge=1, le=MAX_PID)]


class KeptLife(msgspec.Struct, frozen=True, array_like=True):
    """Of `Life`, what comparing needs."""

    id: _Text
    name: _Text
    state: _State
    namespace: _Text | None = None
    image: _Text | None = None
    health: _Text | None = None
    pid: _Pid | None = None
    latest: _Seconds | None = None
    exit_code: int | None = None
    ran: bool = False
    oom_killed: bool = False

    @staticmethod
    def of(life: Life) -> KeptLife:
        """Cut to the bounds that are kept to when it is read again."""
        record = life.record
        latest = life.latest if life.latest is not None and 0 <= life.latest <= MAX_SECONDS else None
        return KeptLife(
            record.id[:MAX_CHARACTERS],
            record.name[:MAX_CHARACTERS],
            cast(_State, life.state),
            record.namespace and record.namespace[:MAX_CHARACTERS],
            record.image and record.image[:MAX_CHARACTERS],
            life.health,
            life.pid if life.pid is not None and 1 <= life.pid <= MAX_PID else None,
            latest,
            record.exit_code,
            life.ran,
            life.oom_killed,
        )

    def life(self, runtime: str) -> Life:
        """As it was, with a record that holds no more than this."""
        record = Container(
            runtime=runtime,
            id=self.id,
            name=self.name,
            namespace=self.namespace,
            image=self.image,
            state=self.state,
            health=self.health,
            pid=self.pid,
            exit_code=self.exit_code,
        )
        life = Life(record, 0.0)
        life.latest, life.ran, life.oom_killed = self.latest, self.ran, self.oom_killed
        return life


class KeptRuntime(msgspec.Struct, frozen=True):
    """The containers of one runtime. `seen_seconds`: Unix time of when it was last followed."""

    runtime: _Text
    seen_seconds: _Seconds
    lives: list[KeptLife] = []


class KeptState(msgspec.Struct, frozen=True):
    """The whole file. `runtimes`: by the path of the socket."""

    version: int = VERSION
    runtimes: dict[_Text, KeptRuntime] = {}


class Leader(Protocol):
    """Who follows the runtimes now. `turn`: from `KeptContainers.turn`."""

    turn: int

    def known(self) -> Iterable[tuple[str, KeptRuntime]]:
        """What is known, by the path of the socket. From any thread."""

    def end(self) -> Iterable[tuple[str, KeptRuntime]]:
        """Follows no longer, after some seconds at most; what was known then."""


class KeptContainers:
    """What is known of containers: in the file at `path`, or for the life of the agent alone where that is None.

    One leader at a time follows the runtimes and tells of events: a reload of the settings makes another, which goes on
    where the one before ended. Saved after a change, at most each 5 s, and at the end: after a kill of the agent, what
    was told in the last 5 s is told again. From any thread.
    """

    def __init__(self, path: str | None) -> None:
        self._lock = threading.RLock()
        self._leader: Leader | None = None
        self._turns = 0
        self._before: dict[str, KeptRuntime] = {}
        self._file: StateFile[KeptState] | None = None
        self._saver: Saver | None = None
        if path is not None:
            self._file = StateFile(path, KeptState, VERSION, WHAT)
            self._saver = Saver(self._save, WHAT)
            saved = self._file.load()
            self._before = _young(saved.runtimes) if saved is not None else {}

    def turn(self) -> int:
        """For one that may lead: later than all before."""
        with self._lock:
            self._turns += 1
            return self._turns

    def lead(self, leader: Leader) -> bool:
        """Whether this one follows from now on; then the one before has ended. A later one is not taken over from."""
        with self._lock:
            if self._leader is not None and self._leader.turn > leader.turn:
                return False
            if self._leader is not leader:
                self._end()
                self._leader = leader
            return True

    def leads(self, leader: Leader) -> bool:
        """Whether it is this one that follows now. Waits for nothing."""
        return self._leader is leader

    def end(self, leader: Leader) -> None:
        """This one follows no longer."""
        with self._lock:
            if self._leader is leader:
                self._end()

    def of(self, socket: str) -> KeptRuntime | None:
        """What was known of a runtime when following it ended; None where it was never followed."""
        return self._before.get(socket)

    def changed(self) -> None:
        """Something is to be saved."""
        if self._saver is not None:
            self._saver.changed()

    def close(self) -> None:
        """Ends following, and saves, within seconds."""
        with self._lock:
            self._end()
        if self._saver is not None:
            self._saver.close()
        if self._file is not None:
            self._file.close()

    def _end(self) -> None:
        leader, self._leader = self._leader, None
        if leader is not None:
            self._before = _young({**self._before, **dict(leader.end())})
            self.changed()

    def _save(self) -> bool:
        assert self._file is not None
        # No lock: who holds it may wait for a runtime that hangs, and the end of the agent for this.
        leader, before = self._leader, self._before
        newest = dict(leader.known()) if leader is not None else {}
        return self._file.save(KeptState(runtimes=_young({**before, **newest})))


def _young(runtimes: dict[str, KeptRuntime]) -> dict[str, KeptRuntime]:
    """Those seen not long ago, the newest where there are too many."""
    since = time.time() - MAX_KEPT_SECONDS
    young = sorted(
        (item for item in runtimes.items() if item[1].seen_seconds >= since), key=lambda item: -item[1].seen_seconds
    )
    return dict(young[:MAX_RUNTIMES])
