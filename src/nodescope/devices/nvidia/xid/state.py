"""What is kept of XIDs across restarts, the file that it is kept in, and the thread that writes it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file import read_stored

VERSION: Final = 1
SAVE_S: Final = 5.0
RETRY_S: Final = 60.0
CLOSE_S: Final = 2.0
MAX_BOOT_ID_CHARACTERS: Final = 64

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Name = Annotated[str, msgspec.Meta(max_length=128)]

log = logging.getLogger(__name__)


class SavedXid(msgspec.Struct, frozen=True):
    """One XID of a GPU. `recent`: whole second of Unix time -> how many then, for those of the last minutes."""

    count: _Natural
    last_seen_seconds: _Seconds
    recent: dict[_Natural, _Natural] = {}


class SavedOpen(msgspec.Struct, frozen=True):
    """Errors that another source may still tell of."""

    gpu: _Name
    xid: _Natural
    bucket: _Natural
    told: Annotated[int, msgspec.Meta(ge=1, le=7)]
    errors: _Natural


class Saved(msgspec.Struct, frozen=True):
    """`sequence`: of the newest record of the kernel log that was counted, in the boot of this id.

    `gpus`: UUID, or PCI address where the UUID is not known -> XID -> how often.
    """

    version: int = VERSION
    boot_id: str = ""
    sequence: int = -1
    gpus: dict[_Name, dict[_Natural, SavedXid]] = {}
    open: list[SavedOpen] = []


def boot_id(host: Host) -> str:
    """The kernel's name for this boot; empty where it does not tell. Source: random(4), random/boot_id."""
    try:
        name = host.read_once(host.proc("sys/kernel/random/boot_id"))
    except (Absent, Malformed, OSError):
        return ""
    return name[:MAX_BOOT_ID_CHARACTERS].decode("ascii", "replace").strip()


class StateFile:
    """A JSON file of `Saved`, replaced as a whole.

    What is in its place and cannot be used is kept beside it as `.bad`. A failure is logged once, until it is another.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.problem = ""

    def load(self) -> Saved | None:
        """What was saved; None where nothing was, or nothing that can be used."""
        try:
            saved = msgspec.json.decode(read_stored(self.path), type=Saved)
        except Absent:
            return None
        except (Malformed, OSError, msgspec.DecodeError, RecursionError) as error:
            self._set_aside(f"{type(error).__name__}: {error}")
            return None
        if saved.version != VERSION:
            self._set_aside(f"it is of version {saved.version}, expected {VERSION}")
            return None
        return saved

    def save(self, saved: Saved) -> bool:
        """Whether it is on the disk now."""
        try:
            self._replace(msgspec.json.encode(saved))
        except OSError as error:
            self._tell(
                f"{self.path}: counts of XIDs cannot be saved: {error}. They start at zero after the next restart;"
                " give nodescope a folder there that it may write to"
            )
            return False
        self.problem = ""
        return True

    def _replace(self, data: bytes) -> None:
        folder = os.path.dirname(self.path) or "."
        os.makedirs(folder, 0o755, exist_ok=True)
        new = f"{self.path}.new"
        # A leftover, or a link that somebody put there, must not be written through.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(new, self.path)
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder_fd)
        finally:
            os.close(folder_fd)

    def _set_aside(self, why: str) -> None:
        aside = f"{self.path}.bad"
        try:
            os.replace(self.path, aside)
            kept = f"It is kept as {aside}"
        except OSError as error:
            kept = f"It could not be kept as {aside} ({error})"
        self._tell(f"{self.path}: saved counts of XIDs cannot be used: {why}. {kept}, and counting starts at zero")

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            log.warning("%s", problem)


class Saver:
    """Calls `save` after a change: at once, then at most each `SAVE_S`, and once more when closed.

    In a thread of its own, because a disk may hang; it starts with the first change. `save` says whether it worked.
    """

    def __init__(self, save: Callable[[], bool]) -> None:
        self._save = save
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        if self._dirty.is_set():
            return
        self._dirty.set()
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="xid-saver", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Saves what has changed, and waits `CLOSE_S` for that at most."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            # Only to wake it: there may be nothing new.
            self._dirty.set()
            thread.join(CLOSE_S)
            if thread.is_alive():
                log.warning("the counts of XIDs could not be saved within %g s", CLOSE_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._dirty.wait(RETRY_S):
                continue
            self._dirty.clear()
            worked = self._save()
            if not worked:
                self._dirty.set()
            self._closing.wait(SAVE_S if worked else RETRY_S)
        if self._dirty.is_set():
            self._save()
