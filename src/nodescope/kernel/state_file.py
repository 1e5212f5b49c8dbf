"""A small file that outlives the process: replaced as a whole, by a thread of its own, by one process at a time.

Source: fcntl(2) (advisory record locking).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from nodescope import threads
from nodescope.kernel.file import Absent, Descriptor, Malformed, read_stored

SAVE_S: Final = 5.0
RETRY_S: Final = 60.0
CLOSE_S: Final = 2.0
READS: Final = 5
READ_AGAIN_S: Final = 0.1

_PASSING: Final = frozenset(
    {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT}
)
"""Of a disk, a server or a machine that is short of something, not of the file."""

_HELD: Final = frozenset({errno.EACCES, errno.EAGAIN})
"""Either is what a lock that another process holds gives, on one system or the other."""

State = TypeVar("State", bound=msgspec.Struct)

log = logging.getLogger(__name__)


class StateFile(Generic[State]):
    """A JSON file of one `kind`, which has a field `version`. `what` is in it, for messages.

    What is in its place and cannot be used is kept beside it as `.bad`. A failure is logged once, until it is another,
    and so is its end. One process at a time saves to it, and holds a lock on a file beside it, `.lock`; any may load.
    """

    def __init__(self, path: str, kind: type[State], version: int, what: str) -> None:
        self.path = path
        self.problem = ""
        self._unsaved = False
        self._kind = kind
        self._version = version
        self._what = what
        self._lock: Descriptor | None = None

    def load(self) -> State | None:
        """What was saved; None where nothing was, or nothing that can be used."""
        try:
            saved = msgspec.json.decode(_read_patiently(self.path), type=self._kind)
        except Absent:
            return None
        except (Malformed, OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._set_aside(f"{type(error).__name__}: {error}")
            return None
        version = getattr(saved, "version", None)
        if version != self._version:
            self._set_aside(f"it is of version {version}, expected {self._version}")
            return None
        return saved

    def save(self, state: State) -> bool:
        """Whether it is on the disk now."""
        try:
            os.makedirs(self._folder, 0o755, exist_ok=True)
            if not self._own():
                self._unsaved = True
                self._tell(
                    f"{self.path}: another nodescope keeps {self._what} there, so this one does not; give each a"
                    " state.directory of its own"
                )
                return False
            self._replace(msgspec.json.encode(state))
        except OSError as error:
            self._unsaved = True
            self._tell(
                f"{self.path}: {self._what} cannot be saved: {error}. It starts anew after the next restart;"
                " give nodescope a folder there that it may write to"
            )
            return False
        if self._unsaved:
            log.info("%s: %s can be saved again", self.path, self._what)
        self.problem, self._unsaved = "", False
        return True

    def close(self) -> None:
        """Lets another process save to it."""
        self._lock = None

    @property
    def _folder(self) -> str:
        return os.path.dirname(self.path) or "."

    def _own(self) -> bool:
        """Whether no other process saves to it; from now on none other does. Raises `OSError`."""
        if self._lock is not None:
            return True
        # Who may not write to it cannot lock it either.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        lock = Descriptor(os.open(f"{self.path}.lock", flags, 0o600), None, 0)
        try:
            fcntl.lockf(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some filesystems have no locks.
            return error.errno not in _HELD
        self._lock = lock
        return True

    def _replace(self, data: bytes) -> None:
        folder = self._folder
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
        self._tell(f"{self.path}: saved {self._what} cannot be used: {why}. {kept}, and nodescope starts anew")

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            log.warning("%s", problem)


def _read_patiently(path: str) -> bytes:
    """`read_stored`, asked again where what is in the way may pass: what is not read is given up for good."""
    for _ in range(READS - 1):
        try:
            return read_stored(path)
        except OSError as error:
            if error.errno not in _PASSING:
                raise
        time.sleep(READ_AGAIN_S)
    return read_stored(path)


class Saver:
    """Calls `save` after a change: at once, then at most each `SAVE_S`, and once more when closed.

    In a thread of its own, because a disk may hang; it starts with the first change. `save` says whether it worked.
    """

    def __init__(self, save: Callable[[], bool], what: str) -> None:
        """`what` it is that is saved, for messages."""
        self._save = save
        self._what = what
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._refused = False

    def changed(self) -> None:
        if self._dirty.is_set() and self._works:
            return
        self._dirty.set()
        with self._lock:
            if not self._works and not self._closing.is_set():
                self._start()

    def close(self) -> None:
        """Saves what has changed, and waits `CLOSE_S` for that at most, or to its end where no thread is to be had."""
        with self._lock:
            again = self._closing.is_set()
            self._closing.set()
            if not again and not self._works and self._dirty.is_set() and not self._start():
                self._save_safely()
            thread = self._thread
        if thread is not None:
            # Only to wake it: there may be nothing new.
            self._dirty.set()
            thread.join(CLOSE_S)
            if thread.is_alive():
                log.warning("%s could not be saved within %g s", self._what, CLOSE_S)

    @property
    def _works(self) -> bool:
        """Whether there is a thread: one can end for want of memory."""
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> bool:
        """Whether there is a thread now; else the next change asks for one again, and so does closing."""
        thread = threading.Thread(target=self._run, name=f"saver of {self._what}", daemon=True)
        try:
            threads.start(thread)
        except RuntimeError as error:
            if not self._refused:
                log.warning("%s cannot be saved until there is a thread to do it: %s", self._what, error)
            self._refused = True
            return False
        self._thread, self._refused = thread, False
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._dirty.wait(RETRY_S):
                continue
            self._dirty.clear()
            worked = self._save_safely()
            if not worked:
                self._dirty.set()
            self._closing.wait(SAVE_S if worked else RETRY_S)
        if self._dirty.is_set():
            self._save_safely()

    def _save_safely(self) -> bool:
        """A failure, be it for want of memory, ends no thread: what is to be saved is tried again."""
        try:
            return self._save()
        except Exception:
            log.exception("%s could not be saved", self._what)
            return False
