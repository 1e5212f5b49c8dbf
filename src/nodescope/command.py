"""Starts processes: a tool that ends by itself within a deadline, or a child that lives long.

The only file that may start one. Each is the leader of a session and process group of its own, so that it is ended
together with all that it starts; it inherits standard input, output and error, and nothing else.

Source: posix_spawn(3), setsid(2), killpg(2), waitid(2). Python's own `subprocess` costs 1.5 MB and is not used.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

MAX_ERROR_BYTES: Final = 4096
"""How much of standard error is kept, from its end."""
READ_BYTES: Final = 65_536
REAP_LIMIT_S: Final = 2.0
"""A killed process that cannot be reaped for this long hangs in the kernel."""
MAX_UNREAPED: Final = 8
MAX_REASON_CHARACTERS: Final = 200

KEPT_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "TMPDIR", "TZ")
"""What a process gets to see of this one's environment, which may hold credentials."""

_LOOK_S: Final = 0.05
_FIRST_WAIT_S: Final = 0.0005
_LONGEST_WAIT_S: Final = 0.02
_DEFAULT_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGXFSZ)
_START_ERRORS: Final = {
    errno.ENOENT: "there is no such program: install it or correct its path",
    errno.ENOTDIR: "there is no such program: install it or correct its path",
    errno.EACCES: "this user may not run it: give the right to, or run as root",
    errno.EPERM: "this user may not run it: give the right to, or run as root",
    errno.ENOEXEC: "it is not a program for this machine",
    errno.EAGAIN: "there may be no more processes: raise the limit (ulimit -u, TasksMax=)",
    errno.ENOMEM: "there is no memory for one more process",
}

_UNWANTED: Final = "what it tells is no longer wanted"

_unreaped: list[Child] = []
_unreaped_lock: Final = threading.Lock()
_running: set[Child] = set()
"""What `run` waits for, in whichever thread."""
_ends: Final = [0]
"""How often all of it was ended."""


class CommandFailed(Exception):
    """A program could not be run to its end. One sentence names it and says why."""


class CommandNotFound(CommandFailed):
    """There is no such program."""


class Finished(NamedTuple):
    """How a program ended. `truncated`: it wrote more than it may and was ended for it; then `status` is -9."""

    status: int
    stdout: bytes
    stderr: bytes
    truncated: bool


def environment() -> dict[str, str]:
    """What a process sees unless told otherwise: `KEPT_VARIABLES`, and numbers and messages in plain English."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C"}


class Child:
    """A process that was started: its pipes, and how to end it. For one thread at a time.

    `stdin_fd` is -1 where it has none. The descriptors of its output do not block. Whoever has a `Child` reads both
    outputs, closes the descriptors and reaps it.
    """

    __slots__ = ("pid", "reaped", "status", "stderr_fd", "stdin_fd", "stdout_fd")

    def __init__(self, pid: int, stdin_fd: int, stdout_fd: int, stderr_fd: int) -> None:
        self.pid = pid
        self.stdin_fd = stdin_fd
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd
        self.reaped = False
        self.status: int | None = None
        """Exit status, or minus the number of the signal that ended it; None until it is reaped, or where unknown."""

    def has_ended(self) -> bool:
        """Whether it has ended. It is not reaped by this, so that its number and group stay its own."""
        if self.reaped:
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def kill(self) -> None:
        """SIGKILL to its whole group. Nothing where it was reaped."""
        if self.reaped:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            # One of the group may have become another user's; the leader may be ours still.
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> bool:
        """Whether it is gone, without waiting. Ends what is left of its group first."""
        if self.reaped:
            return True
        if not self.has_ended():
            return False
        self.kill()
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            # Where SIGCHLD is ignored the kernel reaps, and nobody learns the status.
            self.reaped = True
            return True
        if pid == self.pid:
            self.reaped = True
            self.status = os.waitstatus_to_exitcode(status)
        return self.reaped

    def close(self) -> None:
        """Closes its pipes. A child that reads its standard input learns by this that it is to end."""
        for name in ("stdin_fd", "stdout_fd", "stderr_fd"):
            self.close_one(name)

    def close_one(self, name: str) -> None:
        """Closes the descriptor of that name, which is -1 from then on."""
        fd = getattr(self, name)
        setattr(self, name, -1)
        if fd >= 0:
            os.close(fd)


def start(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
    """A child with a pipe to each of its standard streams. Raises `CommandFailed`.

    `argv[0]` is looked for in PATH. It ends when its standard input does, if it is written so: nothing else ends it
    with this process.
    """
    return _spawn(argv, env, with_input=True)


def run(
    argv: Sequence[str],
    timeout_s: float,
    max_output_bytes: int,
    env: Mapping[str, str] | None = None,
    unwanted: Callable[[], bool] = lambda: False,
) -> Finished:
    """Runs a program to its end, with nothing on its standard input.

    Raises `CommandNotFound` where there is none, `CommandFailed` where it cannot be started, has not ended after
    `timeout_s` seconds, or is ended by a signal. An exit status other than 0 is no error here. `unwanted` is asked some
    twenty times a second, in this thread: once it is true the program is ended, or not started, and that is a failure.
    """
    atexit.unregister(kill_all)
    atexit.register(kill_all)
    _reap_those_left(argv[0])
    ends = _ends[0]
    if unwanted():
        raise CommandFailed(f"{argv[0]} is not started: {_UNWANTED}")
    deadline = time.monotonic() + timeout_s
    child = _spawn(argv, env, with_input=False)
    _running.add(child)
    if _ends[0] != ends:
        # It was being started when all were ended, and not among them yet.
        child.kill()
    try:
        output, complaints, truncated = _collect(child, deadline, max_output_bytes, unwanted)
        in_time = truncated or _wait(lambda: child.has_ended() or unwanted(), deadline)
    finally:
        child.kill()
        _running.discard(child)
        child.close()
        gone = _wait(child.reap, time.monotonic() + REAP_LIMIT_S)
        if not gone:
            with _unreaped_lock:
                _unreaped.append(child)
    if not in_time:
        raise CommandFailed(f"{argv[0]} has not ended within {timeout_s:g} s{'' if gone else _stuck(child.pid)}")
    if child.status is None:
        why = _stuck(child.pid) if not gone else ": its exit status is lost, for this process ignores SIGCHLD"
        raise CommandFailed(f"{argv[0]} was ended{why}")
    if child.status == -signal.SIGKILL and unwanted():
        raise CommandFailed(f"{argv[0]} was ended: {_UNWANTED}")
    if child.status < 0 and not truncated:
        raise CommandFailed(f"{argv[0]} was ended by {signal_name(-child.status)}{said(complaints)}")
    return Finished(child.status, output, complaints, truncated)


def kill_all() -> None:
    """SIGKILL to all that `run` waits for or starts: for when this process ends, which those threads do not outlive."""
    _ends[0] += 1
    for child in tuple(_running):
        child.kill()


def signal_name(number: int) -> str:
    """ "SIGSEGV" for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def said(complaints: bytes) -> str:
    """The last line of a program's standard error as the end of a sentence, or nothing."""
    lines = complaints.decode("utf-8", "replace").strip().splitlines()
    line = "".join(c if c.isprintable() else "?" for c in lines[-1].strip()) if lines else ""
    return f"; it said: {line[:MAX_REASON_CHARACTERS]}" if line else ""


def read_available(fd: int) -> bytes | None:
    """What a descriptor that does not block has now, at most `READ_BYTES`; None where there is nothing yet.

    Empty at the end.
    """
    try:
        return os.read(fd, READ_BYTES)
    except BlockingIOError:
        return None


def _spawn(argv: Sequence[str], env: Mapping[str, str] | None, with_input: bool) -> Child:
    ours: list[int] = []
    theirs: list[int] = []
    actions: list[tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]] = []
    try:
        if with_input:
            _add_pipe(theirs, ours, reads=True)
            actions.append((os.POSIX_SPAWN_DUP2, theirs[0], 0))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        for fd in (1, 2):
            _add_pipe(theirs, ours, reads=False)
            os.set_blocking(ours[-1], False)
            actions.append((os.POSIX_SPAWN_DUP2, theirs[-1], fd))
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()]
        seen = environment() if env is None else env
        pid = os.posix_spawnp(
            argv[0], list(argv), seen, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULT_SIGNALS
        )
    except ValueError as error:
        _close_all(ours)
        raise CommandFailed(f"{argv[0]!r} cannot be started: {error} in its arguments or environment") from None
    except OSError as error:
        _close_all(ours)
        word = _START_ERRORS.get(error.errno or 0, error.strerror)
        kind = CommandNotFound if error.errno in (errno.ENOENT, errno.ENOTDIR) else CommandFailed
        raise kind(f"{argv[0]} cannot be started: {word}") from None
    finally:
        _close_all(theirs)
    return Child(pid, *([] if with_input else [-1]), *ours)


def _add_pipe(theirs: list[int], ours: list[int], reads: bool) -> None:
    """One more pipe, both ends closed on exec. `reads`: whether it is the process that reads it."""
    reader, writer = os.pipe()
    theirs.append(reader if reads else writer)
    ours.append(writer if reads else reader)


def _inheritable() -> list[int]:
    """Descriptors that this process was started with and never closed: all that it opens itself end on exec."""
    found = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return []  # without procfs nobody knows
    for name in names:
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # closed meanwhile, such as that of the listing itself
    return found


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _collect(child: Child, deadline: float, limit: int, unwanted: Callable[[], bool]) -> tuple[bytes, bytes, bool]:
    """Both outputs until they end, the deadline passes or the first is longer than `limit`; whether it was.

    What a process wrote before its end is all here then, though one that it left behind may hold its pipes open.
    """
    poller = select.poll()
    kept = {child.stdout_fd: bytearray(), child.stderr_fd: bytearray()}
    output, complaints = kept.values()
    for fd in kept:
        poller.register(fd, select.POLLIN)
    open_fds = set(kept)
    while open_fds and len(output) <= limit and (left_s := deadline - time.monotonic()) > 0 and not unwanted():
        ended = child.has_ended()
        ready = poller.poll(0 if ended else min(left_s, _LOOK_S) * 1000 + 1)
        if ended and not ready:
            break
        for fd, _ in ready:
            data = read_available(fd)
            if data:
                kept[fd] += data
            elif data is not None:
                poller.unregister(fd)
                open_fds.discard(fd)
        del complaints[:-MAX_ERROR_BYTES]
    return bytes(output[:limit]), bytes(complaints), len(output) > limit


def _wait(done: Callable[[], bool], deadline: float) -> bool:
    """Whether `done` says yes by the deadline; it is asked once at least."""
    wait_s = _FIRST_WAIT_S
    while not done():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(wait_s, left_s))
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    return True


def _reap_those_left(name: str) -> None:
    """Takes those that have ended at last. Raises `CommandFailed` where too many have not."""
    with _unreaped_lock:
        _unreaped[:] = [child for child in _unreaped if not child.reap()]
        if len(_unreaped) >= MAX_UNREAPED:
            pids = ", ".join(str(child.pid) for child in _unreaped)
            raise CommandFailed(f"{name} is not started: processes {pids} hang in the kernel and cannot be ended")


def _stuck(pid: int) -> str:
    return f", and process {pid} cannot be ended: it hangs in the kernel"
